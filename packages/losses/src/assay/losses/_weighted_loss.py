"""The base of the package's losses: what `__call__` does around a plain function."""

from typing import Any

import tensorflow as tf
from assay.losses import _reduction
from assay.losses._flavour import FlavourLoss, keras_mask
from assay.losses._replicas import GLOBAL, check_normalisation


class WeightedLoss(FlavourLoss):
    """A Keras loss that masks before it computes, computes in at least float32, and reduces in one place.

    `__call__` replaces that of Keras: labels are not cast (an integer id stays an integer, also under a float16 or
    bfloat16 policy), and what a weight of 0 takes out is hidden before the computation, so that a NaN there reaches
    neither the value nor the gradient.

    Subclasses implement `call(y_true, y_pred)`, one value per element, and where they need to `prepare`,
    `element_shape`, `valid_elements` and `count_positives`, which are called in this order.

    Args:
        reduction: "none", "sum", "sum_over_batch_size" or "mean_with_sample_weight".
        normalisation: "global" or "replica": over which replicas denominators that depend on the data are counted.
        name: Name of the loss.
    """

    reductions: tuple[str, ...] = _reduction.REDUCTIONS

    def __init__(self, *, reduction: str | None, name: str, normalisation: str = GLOBAL) -> None:
        super().__init__(reduction=_reduction.check_reduction(reduction, self.reductions), name=name)
        self.normalisation = check_normalisation(normalisation)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Compute the loss.

        Args:
            y_true: Labels, see the class.
            y_pred: Predictions, see the class. A mask that Keras layers attached to it is honoured.
            sample_weight: None, a scalar, or weights of the shape of the unreduced loss or a leading part of it. An
                element of weight 0 changes neither value nor gradient, even where it is not finite.

        Returns:
            A float32 tensor (float64 for float64 predictions): of the shape of the unreduced loss, `[batch, ...]`, for
            reduction "none", else a scalar.

        Raises:
            ValueError: If the shapes of labels, predictions and weights do not fit each other.
        """
        y_true, y_pred, weights, valid, keep = self.masked(y_true, y_pred, sample_weight)
        values = self.values(y_true, y_pred, keep)
        return self.reduce(values, y_true, y_pred, weights=weights, valid=valid)

    def masked(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Labels and predictions with everything hidden that does not count.

        Returns:
            Labels, predictions, aligned weights or None, the mask of elements that the normaliser counts or None, and
            the mask of elements that are not hidden or None.
        """
        mask = keras_mask(y_pred)
        y_true, y_pred = self.prepare(y_true, y_pred)
        elements = self.element_shape(y_pred)
        valid = self.valid_elements(y_true, y_pred)
        keep = weights = None
        if mask is not None:
            mask = tf.cast(_reduction.align_weights(tf.convert_to_tensor(mask), elements, argument="mask"), tf.bool)
            valid = mask if valid is None else tf.logical_and(valid, mask)
            keep = mask
        if sample_weight is not None:
            weights = _reduction.align_weights(tf.convert_to_tensor(sample_weight), elements)
            weighted = tf.not_equal(weights, tf.zeros([], weights.dtype))
            keep = weighted if keep is None else tf.logical_and(keep, weighted)
        if keep is not None:
            y_true, y_pred = (
                tf.nest.map_structure(lambda tensor: _reduction.hide(tensor, keep), side) for side in (y_true, y_pred)
            )
        return y_true, y_pred, weights, valid, keep

    def reduce(self, values: Any, y_true: Any, y_pred: Any, *, weights: Any, valid: Any) -> Any:
        """Weight and reduce unreduced values as the options say."""
        counts = self.reduction == _reduction.SUM_OVER_POSITIVES
        return _reduction.reduce_values(
            values,
            weights=weights,
            valid=valid,
            reduction=self.reduction,
            normalisation=self.normalisation,
            positives=self.count_positives(y_true, y_pred) if counts else None,
        )

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Labels and predictions as tensors, or as nested tensors, with one leading shape `[batch, ...]`."""
        return tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape of the unreduced loss; by default that of the predictions without their last axis."""
        return y_pred.shape[:-1]

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Boolean mask `[batch, ...]` of the elements that the normaliser counts, or None for all of them."""
        del y_true, y_pred
        return None

    def values(self, y_true: Any, y_pred: Any, keep: Any) -> Any:
        """The unreduced loss; `keep` is false where an element is hidden, for losses that relate elements."""
        del keep
        return self.call(y_true, y_pred)

    def count_positives(self, y_true: Any, y_pred: Any) -> Any:
        """The number of positives, for losses that offer the reduction `sum_over_positives`."""
        raise NotImplementedError(f"{type(self).__name__} does not count positives.")

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument of this base, as JSON values."""
        return {**super().get_config(), "reduction": self.reduction, "normalisation": self.normalisation}
