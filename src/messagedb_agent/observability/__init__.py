"""Logs, traces and metrics of runs; switched off they cost next to nothing."""
