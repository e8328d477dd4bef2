"""Bundles: the compiled functions of a subject's checks, with inputs and results, in a folder that runs elsewhere."""
