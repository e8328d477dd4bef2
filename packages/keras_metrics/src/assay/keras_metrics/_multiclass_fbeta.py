"""F-measure of a classifier of many classes.

```python
from assay.keras_metrics import MulticlassFBeta

metric = MulticlassFBeta(num_classes=3, average="macro")
metric.update_state([0, 0, 1], [0, 1, 1])
metric.result()  # (2/3 + 2/3) / 2: class 2 is nowhere
```
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_average import MACRO, ClassAverageMetric
from assay.keras_metrics._flavour import serialisable


@serialisable
class MulticlassFBeta(ClassAverageMetric):
    """Weighted harmonic mean of precision and recall, over the classes.

        f[c] = (1 + beta^2) * found[c] / (beta^2 * labelled[c] + predicted[c])
        macro:    mean of f[c] over the classes with labelled[c] + predicted[c] > 0
        weighted: sum over c of labelled[c] * f[c] / sum over c of labelled[c]
        micro:    f of the sums over the classes
        none:     f of each class, `[num_classes]`; 0 for one that does not occur

    This is what scikit-learn computes without `labels`. Nothing counted yet: 0. An example with a NaN score is
    predicted as no class: it lowers the recall of its own and the precision of none; micro counts it all the same. A
    label out of range that is not `ignore_label` lowers the precision of the class that is predicted there. A weight
    that is NaN shows in the result.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means `fbeta`.
        beta: How many times as much recall counts as precision, above 0.
        average: `micro`, `macro`, `weighted` or `none`.
        ignore_label: Class id of examples to leave out, for example 255.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        van Rijsbergen, "Information Retrieval", chapter 7, 1979.
        Sokolova, Lapalme, "A Systematic Analysis of Performance Measures for Classification Tasks", 2009.
    """

    default_name = "fbeta"

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        *,
        beta: float = 1.0,
        average: str = MACRO,
        ignore_label: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes, name, average=average, ignore_label=ignore_label, dtype=dtype)
        if not 0 < beta < float("inf"):
            raise ValueError(f"`beta` must be a number above 0. Received: {beta!r}.")
        self.beta = float(beta)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), "beta": self.beta}

    def _measure(self, found: Any, labelled: Any, predicted: Any) -> Any:
        square = self.beta**2
        return tf.math.divide_no_nan((1 + square) * found, square * labelled + predicted)
