"""A summary manager for scalars, images, figures, texts and histograms.

```python
import numpy as np
from assay.summaries import ImageScalarSummaryManager

with ImageScalarSummaryManager("runs/example/validation", global_step=100) as manager:
    manager.write_summaries({"loss": 0.5, "image/most_wrong": np.zeros([4, 32, 32, 3], np.uint8)})
```
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from assay.summaries._kinds import LeafKind
from assay.summaries._manager import SummaryManager
from assay.summaries._standard_kinds import IMAGE_PREFIX, MAX_OUTPUTS, image_kind, standard_kinds
from assay.summaries._tensorflow import tensorflow


class ImageScalarSummaryManager(SummaryManager):
    """A `SummaryManager` that takes images too, under keys that begin with `image/`.

    Images are `[n, height, width, channels]`, uint8 or floats in [0, 1]; the first `max_outputs` of them are written,
    each as a PNG. It takes all of `standard_kinds()`: keys that begin with `figure/`, `text/` and `histogram/` as well.
    Whatever has another key is a scalar. The promises are those of `SummaryManager`.

    Args:
        summary_dir: As for `SummaryManager`.
        scalar_summary_fn: Writes one scalar: None or `tf.summary.scalar`, or a function of your own that is called
            like it.
        image_summary_fn: Writes the images of one key: None or `tf.summary.image`, or a function of your own that is
            called like it, with uint8 images and `max_outputs`.
        max_outputs: The most images of a key that are written at a step.
        global_step: As for `SummaryManager`.
        kinds: More kinds, or other ones for the same beginnings of keys; as for `SummaryManager`.

    Raises:
        ValueError: If `summary_dir` is empty, or `max_outputs` is not a positive integer.
        TypeError: If `kinds` is no table of kinds.
    """

    def __init__(
        self,
        summary_dir: str | os.PathLike[str] | None,
        scalar_summary_fn: Callable[..., Any] | None = None,
        image_summary_fn: Callable[..., Any] | None = None,
        max_outputs: int = MAX_OUTPUTS,
        global_step: Any = None,
        *,
        kinds: Mapping[str, LeafKind | Callable[..., Any]] | None = None,
    ) -> None:
        table: dict[str, Any] = dict(standard_kinds(max_outputs=max_outputs))
        if image_summary_fn is not None and image_summary_fn is not tensorflow().summary.image:
            table[IMAGE_PREFIX] = image_kind(max_outputs=max_outputs, image_summary_fn=image_summary_fn)
        super().__init__(summary_dir, scalar_summary_fn, global_step, kinds=table | dict(kinds or {}))
