"""Kinds of leaf beside scalars that TensorBoard shows: images, figures, texts and histograms."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from assay.summaries._errors import UnwritableSummaryError
from assay.summaries._images import figure_of, images_of, write_figure, write_images
from assay.summaries._kinds import LeafKind
from assay.summaries._tensorflow import tensorflow

IMAGE_PREFIX = "image/"
FIGURE_PREFIX = "figure/"
TEXT_PREFIX = "text/"
HISTOGRAM_PREFIX = "histogram/"

MAX_OUTPUTS = 20
NUMERIC_KINDS = "biuf"


def standard_kinds(*, max_outputs: int = MAX_OUTPUTS) -> dict[str, LeafKind]:
    """Return the standard table, to pass as `kinds` as it is or with entries of your own.

    | key begins with | value |
    |---|---|
    | `image/` | images `[n, height, width, channels]`, uint8 or floats in [0, 1], 1 to 4 channels |
    | `figure/` | a matplotlib figure, or anything with its `savefig` |
    | `text/` | a text (Markdown), or an array or list of texts of up to two dimensions, shown as a table |
    | `histogram/` | numbers of any shape |

    Args:
        max_outputs: The most images of a batch that are written; the first ones are.

    Raises:
        ValueError: If `max_outputs` is not a positive integer.
    """
    return {
        IMAGE_PREFIX: image_kind(max_outputs=max_outputs),
        FIGURE_PREFIX: LeafKind(write_figure, check=figure_of),
        TEXT_PREFIX: LeafKind(_write_text, check=text_of),
        HISTOGRAM_PREFIX: LeafKind(_write_histogram, check=histogram_of),
    }


def image_kind(*, max_outputs: int, image_summary_fn: Callable[..., Any] | None = None) -> LeafKind:
    """The kind of image batches.

    Args:
        max_outputs: The most images of a batch that are written.
        image_summary_fn: Called as `tf.summary.image` is, with the images as uint8. None writes the
            same pixels, faster.

    Raises:
        ValueError: If `max_outputs` is not a positive integer.
    """
    if isinstance(max_outputs, bool) or not isinstance(max_outputs, int | np.integer) or max_outputs < 1:
        raise ValueError(f"`max_outputs` must be a positive integer. Received {max_outputs!r}.")
    write: Callable[..., Any] = write_images
    if image_summary_fn is not None:
        write = functools.partial(image_summary_fn, max_outputs=int(max_outputs))
    return LeafKind(write, check=functools.partial(images_of, max_outputs=int(max_outputs)))


def text_of(path: str, value: Any) -> str | list[Any]:
    """A text, or a nested list of texts.

    Raises:
        UnwritableSummaryError: If it is anything else, or has more than two dimensions.
    """
    value = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(value, str | bytes):
        return _decoded(path, value)
    try:
        array = np.asarray(value, dtype=object)
    except ValueError as error:
        raise _no_text(path, f"a {type(value).__name__} ({error})") from error
    if array.ndim > 2:
        raise _no_text(path, f"a {type(value).__name__} of shape {array.shape}")
    texts = [_decoded(path, entry) for entry in array.ravel()]
    return texts[0] if array.ndim == 0 else np.array(texts, dtype=object).reshape(array.shape).tolist()


def histogram_of(path: str, value: Any) -> np.ndarray:
    """Numbers as an array.

    Raises:
        UnwritableSummaryError: If they are not numbers, or not finite: TensorBoard's bins cannot hold them.
    """
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except Exception as error:
        raise _no_histogram(path, f"a {type(value).__name__} without a value here ({error})") from error
    if array.dtype.kind not in NUMERIC_KINDS and array.dtype.name != "bfloat16":
        raise _no_histogram(path, f"a {type(value).__name__} of dtype {array.dtype.name}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise _no_histogram(path, f"{int((~np.isfinite(array)).sum())} of {array.size} that are not finite")
    return array


def _write_text(tag: str, text: str | list[Any], *, step: Any) -> None:
    tensorflow().summary.text(tag, text, step=step)


def _write_histogram(tag: str, numbers: np.ndarray, *, step: Any) -> None:
    tensorflow().summary.histogram(tag, numbers, step=step)


def _decoded(path: str, text: Any) -> str:
    try:
        text = text.decode() if isinstance(text, bytes) else text
        if isinstance(text, str):
            text.encode()
            return text
    except UnicodeError as error:
        raise _no_text(path, f"{text!r}, which is not UTF-8") from error
    raise _no_text(path, f"{text!r} ({type(text).__name__})")


def _no_text(path: str, received: str) -> UnwritableSummaryError:
    return UnwritableSummaryError(
        f"The summary {path!r} must be a text, or texts of up to two dimensions. Received {received}."
    )


def _no_histogram(path: str, received: str) -> UnwritableSummaryError:
    return UnwritableSummaryError(f"The histogram {path!r} must be of finite numbers. Received {received}.")
