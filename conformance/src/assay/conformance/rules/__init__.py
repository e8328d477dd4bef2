"""The rules: one file each, in a folder per kind; `assay.conformance.registry` finds them by walking the folders."""
