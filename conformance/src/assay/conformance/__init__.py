"""The conformance suite for custom TensorFlow training components."""
