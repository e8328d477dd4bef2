"""L107 integer-labels-exact: a class id beyond 256 is still that class in low precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.flavour import precision_policy
from assay.conformance.harness.samples import Batch, Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, SoundCrossEntropy

RULE = Rule(
    id="L107",
    slug="integer-labels-exact",
    level=Level.MUST,
    requirement="Class ids such as 257, 2051 and 70001 name their own class, also with float16 and bfloat16 "
    "predictions.",
    checks=(
        "Makes predictions that are sure of class 257, 2051 or 70001, of a few more classes, in float32, float16 and "
        "bfloat16 and under the matching policy. The right label must score below its neighbours. A loss that knows "
        "its "
        "number of classes, or refuses so many, is left alone."
    ),
    why=(
        "bfloat16 has 8 bits: 257 becomes 256. In float16, 2051 is 2052, and 70001 infinite. A label that is cast to "
        "the dtype of the "
        "predictions "
        "is another word of the vocabulary, only in mixed precision, only for frequent ids, and nothing fails."
    ),
    bad="""
y_true = tf.cast(y_true, y_pred.dtype)  # 257 -> 256 in bfloat16
return tf.keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
""",
    good="""
return tf.keras.losses.sparse_categorical_crossentropy(tf.cast(y_true, tf.int32), y_pred)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("domain",),
)

IDS = {257: 300, 2051: 2100, 70001: 70002}
DTYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_MOST_ROWS = 16
_SURE = 10.0


def check(ctx: Context) -> None:
    """Compare the right label with its neighbours."""
    batch = sample_of(ctx).grow(1)
    leaves = batch.layout
    if len(leaves.truth) != 1 or leaves.truth[0].domain is not Domain.CLASS_IDS or len(leaves.predictions) != 1:
        raise NotApplicable("The labels are not one array of class ids.")
    if leaves.predictions[0].domain not in (Domain.LOGITS, Domain.SIMPLEX):
        raise NotApplicable("The predictions are neither logits nor rows of probabilities.")
    if batch.predictions[0].size // batch.predictions[0].shape[-1] > _MOST_ROWS:
        raise NotApplicable("An example has too many elements to give each so many classes.")
    answered = 0
    for name, policy in DTYPES.items():
        with precision_policy(policy):
            loss = losses.new_component(ctx)
            for label, classes in IDS.items():
                answered += _compare(ctx, loss, batch, name, label, classes)
    if not answered:
        raise NotApplicable("The loss takes no other number of classes than that of the sample.")


def _compare(ctx: Context, loss: Any, batch: Batch, name: str, label: int, classes: int) -> bool:
    shape = (*batch.predictions[0].shape[:-1], classes)
    scores = {}
    for other in (label, label - 1, label + 1):
        sure = np.zeros(shape, np.float32)
        if other >= classes:
            continue
        sure[..., other] = _SURE
        if batch.layout.predictions[0].domain is Domain.SIMPLEX:
            sure = np.full(shape, 0.5 / classes, np.float32)
            sure[..., other] += 0.5
        truth = np.full(batch.truth[0].shape, label, np.float32 if batch.truth[0].dtype.kind == "f" else np.int32)
        grown = Batch(batch.layout, (truth,), (sure,), 1).cast_predictions(tf.as_dtype(name).as_numpy_dtype)
        try:
            scores[other] = float(np.sum(losses.value(ctx, loss, grown)))
        except SubjectError:
            return False  # a fixed number of classes, or a dtype that is refused (L108)
    wrong = {other: score for other, score in scores.items() if other != label and not scores[label] < score}
    if wrong:
        other, score = next(iter(wrong.items()))
        raise Violation(
            f"with {name} predictions, label {label} of {classes} scores {scores[label]:.6g} for a prediction that is "
            "sure "
            f"of it, and {score:.6g} for one that is sure of {other}",
            cause="the label is cast to the dtype of the predictions or of the policy, where it is another number",
            fix="Keep labels in an integer dtype: `tf.cast(y_true, tf.int32)`.",
        )
    return True


class _CastsToPredictions(SoundCrossEntropy):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return super().prepare(tf.cast(y_true, y_pred.dtype), y_pred)


class _ThroughHalf(SoundCrossEntropy):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        y_true, y_pred = super().prepare(y_true, y_pred)
        return tf.cast(tf.cast(y_true, tf.float16), tf.int32), y_pred


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_CastsToPredictions, name="casts labels to the predictions' dtype"),
    CROSS_ENTROPY.replace(factory=_ThroughHalf, name="labels pass through float16"),
)
TWIN = CROSS_ENTROPY
