"""The terminal interface: a pure presenter, a runner on threads of its own, thin widgets."""
