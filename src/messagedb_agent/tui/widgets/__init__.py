"""What the screen is put together from."""
