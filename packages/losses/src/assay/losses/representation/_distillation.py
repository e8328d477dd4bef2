"""Learning from the logits of a teacher.

```python
from assay.losses import DistillationLoss

DistillationLoss(temperature=4.0)([[9.0, 1.0, -3.0]], [[2.0, 2.0, 2.0]])  # teacher's logits, student's logits
```
"""

from typing import Any

import tensorflow as tf
from assay.losses._flavour import serialisable
from assay.losses._function_loss import ClassifierLoss
from assay.losses._labels import as_predictions
from assay.losses._options import check_above_zero
from assay.losses._reduction import SUM_OVER_BATCH_SIZE, compute_dtype
from assay.losses._replicas import GLOBAL


def distillation_loss(teacher_logits: Any, student_logits: Any, *, temperature: float = 1.0) -> Any:
    """Divergence of the student's softened distribution from the teacher's, one value per element.

    With `q = softmax(teacher / T)` and `p = softmax(student / T)`:

        value = T**2 * sum_k q[k] * (log q[k] - log p[k])

    `T**2` keeps the gradient at the same size for every temperature. It is 0 where both agree.

    Args:
        teacher_logits: `[batch, ..., num_classes]` float. They receive no gradient.
        student_logits: The same shape, float. Computed in float32, in float64 when they are float64.
        temperature: `T` > 0; above 1 it shows what the teacher thinks of the wrong classes.

    Returns:
        `[batch, ...]` float32 (or float64), not negative.

    Raises:
        ValueError: If shapes differ or the temperature is not above 0.

    References:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    check_above_zero(temperature, option="temperature")
    student = as_predictions(student_logits)
    teacher = as_predictions(teacher_logits)
    if teacher.shape.rank != student.shape.rank or not teacher.shape.is_compatible_with(student.shape):
        raise ValueError(
            f"Teacher and student must have logits of one shape. Received {teacher.shape} and {student.shape}."
        )
    if not (teacher.shape.is_fully_defined() and student.shape.is_fully_defined()):
        tf.debugging.assert_equal(tf.shape(teacher), tf.shape(student), "Teacher and student do not fit.")
    dtype = compute_dtype(student)
    log_q = tf.nn.log_softmax(tf.stop_gradient(tf.cast(teacher, dtype)) / temperature, axis=-1)
    log_p = tf.nn.log_softmax(tf.cast(student, dtype) / temperature, axis=-1)
    # A class that the teacher rules out entirely adds nothing, whatever the student thinks of it.
    entries = tf.math.multiply_no_nan(log_q - log_p, tf.exp(log_q))
    return temperature**2 * tf.nn.relu(tf.reduce_sum(entries, axis=-1))


@serialisable
class DistillationLoss(ClassifierLoss):
    """Divergence from a teacher's softened distribution; see `distillation_loss` for the formula.

    `y_true` are the teacher's logits, `y_pred` the student's, both `[batch, ..., num_classes]`. The unreduced loss has
    shape `[batch, ...]`. Normaliser: that of `reduction`, counting elements. Add `CrossEntropyLoss` on the labels with
    a weight of your choice, as the paper does.

    Args:
        temperature: > 0.
        reduction: "sum_over_batch_size", "mean_with_sample_weight", "sum" or "none".
        normalisation: "global" adds weights up over all replicas, "replica" on each alone.
        name: Name of the loss.

    Raises:
        ValueError: If the temperature is not above 0; on a call, if shapes differ.
    """

    function = staticmethod(distillation_loss)

    def __init__(
        self,
        *,
        temperature: float = 1.0,
        reduction: str | None = SUM_OVER_BATCH_SIZE,
        normalisation: str = GLOBAL,
        name: str = "distillation_loss",
    ) -> None:
        check_above_zero(temperature, option="temperature")
        super().__init__(temperature=float(temperature), reduction=reduction, normalisation=normalisation, name=name)
