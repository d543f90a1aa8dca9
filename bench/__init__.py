"""What a login costs."""
