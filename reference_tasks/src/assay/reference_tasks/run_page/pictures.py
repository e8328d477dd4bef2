"""Pictures of arrays: images, label maps over images, and images with boxes, as elements of a page."""

import base64
import colorsys

import numpy as np
import tensorflow as tf
from assay.reference_tasks.run_page.elements import Element, element

_GOLDEN = (5**0.5 - 1) / 2  # steps of this share of the circle keep hues apart, however many there are
_MAP_OPACITY = 0.6
_IGNORED_COLOUR = (255, 255, 255)
_STRIPE = 4  # pixels
_SMALL_SIDE = 64


def colour_of(class_id: int) -> tuple[int, int, int]:
    """Return the colour of a class, 0 to 255 each of red, green and blue."""
    brightness = (0.95, 0.75)[class_id // 2 % 2]
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN % 1, 0.85, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)


def hex_colour_of(class_id: int) -> str:
    """Return the colour of a class as HTML has it: `#f20c0c`."""
    return f"#{bytes(colour_of(class_id)).hex()}"


def picture(image: np.ndarray, *, alt: str) -> Element:
    """Return an image, uint8 `[height, width, 1 or 3]`, as an `img` that holds its pixels."""
    class_ = "pixels" if max(image.shape[:2]) <= _SMALL_SIDE else None
    return element("img", src=data_uri(image), alt=alt, class_=class_, width=image.shape[1], height=image.shape[0])


def data_uri(image: np.ndarray) -> str:
    """Return an image, uint8 `[height, width, 1 or 3]`, as a PNG inside an address."""
    encoded = base64.b64encode(tf.io.encode_png(image).numpy()).decode()
    return f"data:image/png;base64,{encoded}"


def label_picture(image: np.ndarray, labels: np.ndarray, *, ignore_label: int = 255, background: int = 0) -> np.ndarray:
    """Lay a label map over a grey copy of its image.

    Args:
        image: uint8 `[height, width, 1 or 3]`.
        labels: Integers `[height, width]`.
        ignore_label: Pixels of this label are striped.
        background: Pixels of this label stay as they are.

    Returns:
        uint8 `[height, width, 3]`.
    """
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    colours, opacity = np.zeros_like(grey), np.zeros([*labels.shape, 1])
    for label in np.unique(labels):
        where = labels == label
        if label == ignore_label:
            rows, columns = np.indices(labels.shape)
            where = where & ((rows + columns) // _STRIPE % 2 == 0)
        if label != background:
            colours[where] = _IGNORED_COLOUR if label == ignore_label else colour_of(int(label))
            opacity[where] = _MAP_OPACITY
    return np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)


def legend(names: dict[int, str]) -> Element:
    """Return the colours of classes, by class id, with what they stand for."""
    entries = []
    for class_id, name in names.items():
        swatch = element("rect", width=12, height=12, fill=hex_colour_of(class_id))
        entries.append(element("li", element("svg", swatch, viewBox="0 0 12 12", aria_hidden="true"), f" {name}"))
    return element("ul", *entries, class_="legend")
