"""Questions that stand in front of the chat until they are answered."""
