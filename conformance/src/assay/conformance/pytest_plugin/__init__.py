"""Conformance from pytest: one test item for each subject, rule and mode; the plugin is `pytest_plugin.plugin`."""
