"""Benchmarks: ratios measured side by side in one run, interleaved; never asserted in a test."""
