#!/bin/sh
# Makes the development environment (.venv) and says what to do next.
set -eu
CDPATH='' cd -P -- "$(dirname -- "$0")/.."

./test --version >/dev/null
echo "The environment is in .venv: pytest, mypy, ruff and import-linter, with src importable."
[ -e .env ] || echo "For your own settings: cp .env.example .env (nothing in it is needed to begin)."
echo "To check each commit: pipx install pre-commit && pre-commit install"
echo "Everything CI checks: ./test"
