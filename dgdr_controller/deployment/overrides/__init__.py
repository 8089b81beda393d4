"""What the user changes in the rendered deployment."""
