"""Replays a bundle on whatever accelerator jax sees; needs NumPy and jax, and no TensorFlow.

```
python -m assay.conformance.replay FOLDER
```
"""
