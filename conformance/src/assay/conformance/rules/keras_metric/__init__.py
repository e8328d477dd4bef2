"""The rules for Keras metrics, whose state is in variables."""
