"""The rules for losses, one file each."""
