"""The rules for Tasks."""
