"""An agent whose conversation is an event stream in Message DB."""

__version__ = "0.1.0"
