"""The options of input pipelines that the tasks on images share."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core import DataConfig, Problem
from assay.reference_tasks.vision.config import IMAGENET_MEAN, IMAGENET_STD


@dataclasses.dataclass
class VisionDataConfig(DataConfig):
    """Images; a task adds what is known about them, and how they are augmented.

    Attributes:
        reader: The form of the data at `input_path`; each task says which there are.
        shuffle_buffer_size: Examples held to draw from when training.
        dtype: Dtype of the images given to the model.
        image_mean: Mean of each channel, as a share of the full range 0 to 255; subtracted.
        image_std: Standard deviation of each channel, likewise; divided by.
    """

    reader: str = "tfrecord"
    shuffle_buffer_size: int = 10000
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    image_mean: tuple[float, ...] = IMAGENET_MEAN
    image_std: tuple[float, ...] = IMAGENET_STD

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range, and for options that contradict one another."""
        yield from super().problems()
        if len(self.image_mean) != len(self.image_std):
            yield Problem("image_std", f"must have one number for each of `image_mean`; received {self.image_std}.")
        if not all(value > 0 for value in self.image_std):
            yield Problem("image_std", f"must be above 0; received {self.image_std}.")
        if self.reader != "tfrecord" and self.file_type != "tfrecord":
            yield Problem("file_type", f"has no effect, because `reader` is {self.reader!r}.")
        if self.weights is not None and not self.is_training:
            yield Problem("weights", "has no effect, because validation shows every example once.")
