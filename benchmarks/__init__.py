"""What this package costs, beside the least that the same work can cost."""
