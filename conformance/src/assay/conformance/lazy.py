"""TensorFlow on first use: rule files and specimens hold TensorFlow code, and listing them must not start TensorFlow.

```python
from assay.conformance.lazy import tf  # costs nothing; `tf.reduce_sum(x)` imports TensorFlow
```
"""

from __future__ import annotations

import importlib
from typing import Any


class _LazyModule:
    """Stands for a module and imports it when an attribute is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        if not attribute.startswith("__") and attribute != "keras":  # `tf.keras` is lazy itself, by flavour
            self.__dict__[attribute] = value
        return value

    def __repr__(self) -> str:
        return f"<lazy {self._name}>"


tf: Any = _LazyModule("tensorflow")
