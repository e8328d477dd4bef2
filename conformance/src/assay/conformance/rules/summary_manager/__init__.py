"""The rules for summary managers."""
