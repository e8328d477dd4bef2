"""What to use instead of an operation that a compiler or an accelerator cannot take, by the operation's type."""

from __future__ import annotations

from collections.abc import Iterable

FIXED_SIZE = "Work on all elements with a mask or weights, or pad to a size that is known while the step is traced."
"""What to do instead of a shape that depends on values."""
_PIPELINE = "Do it in build_inputs, before the data reaches the step."
_LOGS = "Return the value in the logs of the step; the loop prints and writes them."
_ONE_HOT = "Count with `tf.reduce_sum(tf.one_hot(ids, num_classes), axis=0)`, whose size is known."
_IN_TENSORFLOW = "Write it with TensorFlow operations, or do it on the host: in build_inputs or aggregate_logs."

_TABLE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("Where",),
        "`tf.where` with one argument (`tf.boolean_mask` too) returns as many rows as there are true values",
        "Use a mask as weights: `tf.reduce_sum(tf.where(mask, x, 0.0)) / tf.maximum(tf.reduce_sum(weights), 1.0)`.",
    ),
    (("Unique", "ListDiff"), "`tf.unique` returns as many values as are different", _ONE_HOT),
    (("DenseBincount", "Bincount"), "`tf.math.bincount` returns as many counts as the largest value says", _ONE_HOT),
    (
        ("NonMaxSuppression",),
        "non-maximum suppression returns as many boxes as are left",
        "Use `tf.image.non_max_suppression_padded`, which returns a fixed number and a count.",
    ),
    (
        ("DynamicPartition", "DynamicStitch"),
        "`tf.dynamic_partition` returns parts of the size that the values say",
        FIXED_SIZE,
    ),
    (
        ("ScatterNd",),
        "the size of the result (of `tf.math.confusion_matrix`, `tf.scatter_nd`) is computed from values",
        "Give the size as a number: `tf.math.confusion_matrix(labels, predictions, num_classes)`.",
    ),
    (
        ("StridedSlice", "Slice", "Range", "Reshape", "Fill", "OneHot", "TopK", "Tile", "Pad", "BroadcastTo"),
        "a length, a bound or a shape is computed from values",
        FIXED_SIZE,
    ),
    (
        ("SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd"),
        "sorted segment reductions return as many segments as the last id says",
        "Use `tf.math.unsorted_segment_sum(data, ids, num_segments)` and its kin.",
    ),
    (
        ("PyFunc", "EagerPyFunc"),
        "`tf.py_function` and `tf.numpy_function` call Python, which exists on the host alone",
        _IN_TENSORFLOW,
    ),
    (("Print", "StringFormat"), "`tf.print` writes text, on the host", _LOGS),
    (("WriteSummary", "Write", "FlushSummary"), "`tf.summary` writes files, on the host", _LOGS),
    (
        ("AsString", "String", "Substr", "Regex", "StaticRegex", "Unicode", "ReduceJoin"),
        "it works on strings, which only the host has",
        "Let the step return numbers, and make text of them in aggregate_logs or in build_inputs.",
    ),
    (
        ("LookupTable", "HashTable"),
        "it looks values up in a table of the host",
        f"{_PIPELINE} Or `tf.gather` from a tensor.",
    ),
    (("Decode", "Encode", "Parse"), "it reads or writes encoded data, on the host", _PIPELINE),
    (
        ("TensorList", "TensorArray"),
        "a TensorArray that grows has no room when it is compiled",
        "Give it its size: `tf.TensorArray(tf.float32, size=steps)`, or use tf.map_fn or tf.stack.",
    ),
    (
        ("MatrixDeterminant", "LogMatrixDeterminant", "Lu"),
        "a determinant by elimination with pivots has no kernel there",
        "Use a factor: the logarithm is `2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(tf.linalg.cholesky(x))))`.",
    ),
    (("HistogramFixedWidth",), "a histogram has no kernel there", f"Find the bin of each value. {_ONE_HOT}"),
    (("Ragged", "Sparse"), "ragged and sparse tensors have as many elements as their values say", FIXED_SIZE),
    (
        ("ResizeArea", "ResizeBicubic", "CropAndResize"),
        "this way of resizing has no kernel there",
        "Use `tf.image.resize(images, size)` (bilinear or nearest), or gather and interpolate by hand.",
    ),
)

_HOST_CALLS = frozenset(
    [
        *("PyFunc", "PyFuncStateless", "EagerPyFunc", "Print", "PrintV2", "StringFormat"),
        *("WriteSummary", "WriteScalarSummary", "WriteHistogramSummary", "WriteImageSummary", "WriteAudioSummary"),
        *("WriteRawProtoSummary", "WriteGraphSummary", "FlushSummaryWriter", "ImportEvent"),
        *("WriteFile", "ReadFile", "Save", "SaveV2", "SaveSlices", "RestoreV2", "MergeV2Checkpoints"),
    ]
)


def replacement_for(
    kinds: Iterable[str], otherwise: tuple[str, str] = ("the operation has no kernel there", _IN_TENSORFLOW)
) -> tuple[str, str]:
    """Return why the first operation that is known here is a problem, and what to use instead of it.

    Args:
      kinds: Types of operations: `Where`, `PyFunc`.
      otherwise: What is returned when none is known.
    """
    for kind in kinds:
        for starts, why, instead in _TABLE:
            if kind.startswith(starts):
                return why, instead
    return otherwise


def calls_host(kind: str) -> bool:
    """Whether an operation calls Python, prints, or writes files or summaries: what only the host can do.

    Args:
      kind: The operation's type.
    """
    return kind in _HOST_CALLS
