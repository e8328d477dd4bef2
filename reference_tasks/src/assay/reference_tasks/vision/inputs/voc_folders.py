"""Reads Pascal VOC folders: boxes from `Annotations/*.xml`, label maps from `SegmentationClass/*.png`.

References:
    The PASCAL Visual Object Classes Challenge 2012 Development Kit, M. Everingham and J. Winn, 2012.
"""

from collections import Counter
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np
import tensorflow as tf
from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImages
from assay.reference_tasks.vision.inputs.image_pairs import ImagePair
from assay.reference_tasks.vision.inputs.label_files import load_class_names
from assay.reference_tasks.vision.inputs.objects import Boxes
from assay.reference_tasks.vision.inputs.paths import InputFilesError, one_path

CLASS_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The classes of Pascal VOC, 1 to 20; 0 is the background."""


def load_voc_boxes(root: str, *, split: str, label_file: str = "") -> AnnotatedImages:
    """Read the boxes of a Pascal VOC folder.

    Pixels are counted from 1 there, and a box ends with the last pixel inside; here it becomes
    `[ymin - 1, xmin - 1, ymax, xmax]`. An object that is `difficult` becomes a crowd: not to be trained on, and neither
    right nor wrong when it is found, as in the evaluation of Pascal VOC.

    Args:
        root: The folder that has `Annotations`, `ImageSets` and `JPEGImages`; `package://` is resolved.
        split: The list of images, `ImageSets/Main/<split>.txt`.
        label_file: The names of the classes from 1 on; empty for `CLASS_NAMES`. See `load_class_names`.

    Raises:
        InputFilesError: A file is missing, or something in it is missing or wrong; what and where is named.
    """
    root = one_path(root, "`input_path`")
    names = load_class_names(label_file, first_id=1) if label_file else dict(enumerate(CLASS_NAMES, start=1))
    ids = _image_ids(root, "Main", split)
    boxes = Boxes()
    paths, sizes, counts = [], [], []
    for image in ids:
        path = tf.io.gfile.join(root, "Annotations", f"{image}.xml")
        annotation = _parse(path)
        size = tuple(_number(annotation, f"size/{side}", path) for side in ("height", "width"))
        before = len(boxes)
        for number, found in enumerate(annotation.findall("object")):
            _add(boxes, found, f"{path}: object {number}", names, size)
        counts.append(len(boxes) - before)
        sizes.append(size)
        paths.append(tf.io.gfile.join(root, "JPEGImages", image + _extension(annotation)))
    return AnnotatedImages(
        name=root,
        paths=paths,
        source_ids=ids,
        sizes=np.array(sizes, np.int64).reshape([-1, 2]),
        counts=np.array(counts, np.int64),
        class_names=names,
        left_out=boxes.left_out,
        **boxes.columns(),
    )


def find_voc_pairs(root: str, *, split: str) -> list[ImagePair]:
    """Find the images and label maps of a Pascal VOC folder. In label maps 255 is what to ignore.

    Args:
        root: The folder that has `ImageSets`, `JPEGImages` and `SegmentationClass`; `package://` is resolved.
        split: The list of images, `ImageSets/Segmentation/<split>.txt`.

    Raises:
        InputFilesError: There is no such list.
    """
    root = one_path(root, "`input_path`")
    return [
        ImagePair(
            image,
            tf.io.gfile.join(root, "JPEGImages", f"{image}.jpg"),
            tf.io.gfile.join(root, "SegmentationClass", f"{image}.png"),
        )
        for image in _image_ids(root, "Segmentation", split)
    ]


def _image_ids(root: str, kind: str, split: str) -> list[str]:
    """Return the names of the images that a list has, each in a line of its own, first."""
    path = tf.io.gfile.join(root, "ImageSets", kind, f"{split}.txt")
    if not split or not tf.io.gfile.exists(path):
        raise InputFilesError(f"`split`: there is no list of images {path!r}, so {root!r} is no Pascal VOC folder.")
    with tf.io.gfile.GFile(path) as file:
        ids = [line.split()[0] for line in file.read().splitlines() if line.strip()]
    twice = [image for image, count in Counter(ids).items() if count > 1]
    if twice or not ids:
        raise InputFilesError(f"{path}: lists " + (f"{twice[0]!r} more than once." if twice else "no image."))
    return ids


def _parse(path: str) -> ElementTree.Element:
    if not tf.io.gfile.exists(path):
        raise InputFilesError(f"{path}: there is no such file, but the list of images has its name.")
    with tf.io.gfile.GFile(path) as file:
        try:
            return ElementTree.fromstring(file.read())
        except (ElementTree.ParseError, UnicodeDecodeError) as error:
            raise InputFilesError(f"{path}: is no XML file: {error}.") from error


def _extension(annotation: ElementTree.Element) -> str:
    """Return the extension of the image file; data of others in this form may be PNG."""
    _, dot, extension = (annotation.findtext("filename") or "").strip().rpartition(".")
    return dot + extension if dot else ".jpg"


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    text = element.findtext(key)
    try:
        return float(text or "")
    except ValueError:
        raise InputFilesError(f"{where}: {key!r} must be a number; received {text!r}.") from None


def _add(
    boxes: Boxes, found: ElementTree.Element, where: str, names: Mapping[int, str], size: tuple[float, ...]
) -> None:
    name = (found.findtext("name") or "").strip()
    labels = [label for label, known in names.items() if known == name]
    if not labels:
        raise InputFilesError(f"{where}: the class {name!r} is none of {list(names.values())}; see `label_file`.")
    ymin, xmin, ymax, xmax = (_number(found, f"bndbox/{side}", where) for side in ("ymin", "xmin", "ymax", "xmax"))
    difficult = (found.findtext("difficult") or "0").strip() == "1"
    boxes.add([ymin - 1, xmin - 1, ymax, xmax], size, label=labels[0], is_crowd=difficult)
