"""What the pytest plugin `assay.pytest_conformance` does: one test item for each subject, rule and mode."""
