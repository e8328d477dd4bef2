"""The rules for Python metrics, which are computed on the host."""
