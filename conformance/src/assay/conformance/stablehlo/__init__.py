"""Programs as StableHLO: made from what TensorFlow lowers, rewritten, and compiled and run by jax."""
