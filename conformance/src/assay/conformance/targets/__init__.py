"""Targets: what can be said about a GPU or a TPU, with the device or without it, and how good the evidence is."""
