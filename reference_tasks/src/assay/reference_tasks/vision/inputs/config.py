"""The options of input pipelines that the tasks on images share."""

import dataclasses
from collections.abc import Iterable, Sequence
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


@dataclasses.dataclass
class SegmentationInputConfig(VisionDataConfig):
    """Images with a class for each pixel; a task adds how they are resized and augmented.

    Attributes:
        reader: `tfrecord` (`input_path`: files with Model Garden's keys), `voc` (a Pascal VOC folder) or `folder` (a
            folder of images, its label maps in `label_map_folder`).
        split: Of `voc`, the list of images: `train` is `ImageSets/Segmentation/train.txt`.
        label_map_folder: Of `folder`, the PNG files, with the names of the images.
        label_file: Of `folder`, the names of the classes, a line each; empty takes ids as they come.
        image_suffix: Of `folder`, what names of images end with before their extension, `_leftImg8bit` for example.
        label_map_suffix: Likewise, of label maps, `_gtFine_labelTrainIds` for example.
        ignore_label: Label of pixels to ignore.
    """

    reader: Literal["tfrecord", "voc", "folder"] = "tfrecord"
    shuffle_buffer_size: int = 1000
    split: str = ""
    label_map_folder: str = ""
    label_file: str = ""
    image_suffix: str = ""
    label_map_suffix: str = ""
    ignore_label: int = 255

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each option that another one contradicts, or that is missing."""
        yield from super().problems()
        yield from _options_of(self, "voc", needed=["split"])
        yield from _options_of(
            self, "folder", needed=["label_map_folder"], possible=["label_file", "image_suffix", "label_map_suffix"]
        )


@dataclasses.dataclass
class DetectionInputConfig(VisionDataConfig):
    """Images with boxes; a task adds how they are resized and augmented.

    Attributes:
        reader: `tfrecord` (`input_path`: files with Model Garden's keys), `coco` (`input_path`: a COCO file) or `voc`
            (a Pascal VOC folder).
        image_folder: Of `coco`, the folder of the images; empty for that of the COCO file.
        category_ids: Of `coco`, whether class ids are the ids in the file (`as_is`), as in Model Garden, or 1, 2, 3
            and so on in their order (`contiguous`).
        split: Of `voc`, the list of images: `train` is `ImageSets/Main/train.txt`.
        label_file: Of `voc`, the names of the classes from 1 on, a line each; empty for the 20 of Pascal VOC.
        include_mask: Whether instance masks are read.
    """

    reader: Literal["tfrecord", "coco", "voc"] = "tfrecord"
    image_folder: str = ""
    category_ids: Literal["as_is", "contiguous"] = "as_is"
    split: str = ""
    label_file: str = ""
    include_mask: bool = False

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each option that another one contradicts, or that is missing."""
        yield from super().problems()
        yield from _options_of(self, "coco", possible=["image_folder"])
        yield from _options_of(self, "voc", needed=["split"], possible=["label_file"])
        if self.include_mask and self.reader == "voc":
            yield Problem("include_mask", "must be false, because Pascal VOC's annotations have no masks.")


def _options_of(
    params: VisionDataConfig, reader: str, *, needed: Sequence[str] = (), possible: Sequence[str] = ()
) -> Iterable[Problem]:
    """Yield a problem for each option of a reader that is missing, or set for another reader."""
    if params.reader == reader and params.input_path:
        yield from (
            Problem(name, f"must be set for `reader: {reader}`.") for name in needed if not getattr(params, name)
        )
    if params.reader != reader:
        for name in (*needed, *possible):
            if getattr(params, name):
                yield Problem(name, f"has no effect, because `reader` is {params.reader!r}.")
