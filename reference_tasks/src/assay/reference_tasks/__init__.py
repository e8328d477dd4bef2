"""Training tasks to start from, each a package of its own, built only on the Assay packages."""
