"""What a detector finds: images with the boxes of their objects, and with those that were detected."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.reference_tasks.run_page.elements import Element, element
from assay.reference_tasks.run_page.page import Section
from assay.reference_tasks.run_page.pictures import data_uri, hex_colour_of
from assay.reference_tasks.vision.images.normalization import displayed

LEAST_SCORE = 0.3
"""Detections with lower scores are not drawn."""

_FIRST = 18
_LETTER_SHARE = 0.055  # height of the letters, as a share of the image's


def sections(task: Any, model: Any, *, class_names: Sequence[str] | None = None) -> list[Section]:
    """Show what a model detects in the first of the validation images.

    Args:
        task: The task. `build_inputs` returns images and labels with `image_info` and `groundtruths`; `inference_step`
            returns `detection_boxes` (yxyx pixels of the input), `detection_classes`, `detection_scores` and
            `num_detections`.
        model: The trained model.
        class_names: What the classes are called, the background first; their numbers when None.
    """
    data = task.task_config.validation_data
    cards: list[Element] = []
    for images, labels in task.build_inputs(data):
        found = {name: np.asarray(value) for name, value in _detections(task.inference_step(images, model)).items()}
        pixels = displayed(images, mean=data.image_mean, std=data.image_std).numpy()
        for row in range(len(pixels)):
            objects = _objects(labels, row)
            kept = np.arange(len(found["scores"][row])) < found["num"][row]
            kept &= found["scores"][row] >= LEAST_SCORE
            detections = {name: found[name][row][kept] for name in ("boxes", "classes", "scores")}
            cards.append(_card(pixels[row], objects, detections, class_names))
        if len(cards) >= _FIRST:
            break
    about = (
        f"The first images in the order of the data. Dashed: the objects, dotted where they are a crowd. Coloured: "
        f"detections with a score of {LEAST_SCORE:g} or more."
    )
    gallery = element("div", *cards[:_FIRST], class_="gallery middle")
    return [Section("Detections", about, (gallery,))]


def _detections(outputs: Any) -> dict[str, Any]:
    names = {"boxes": "detection_boxes", "classes": "detection_classes", "scores": "detection_scores"}
    return {name: outputs[key] for name, key in names.items()} | {"num": outputs["num_detections"]}


def _objects(labels: Any, row: int) -> dict[str, np.ndarray]:
    """The objects of an image, their boxes in pixels of the model's input."""
    truth = {name: np.asarray(value)[row] for name, value in labels["groundtruths"].items()}
    count = int(truth["num_detections"])
    info = np.asarray(labels["image_info"])[row]
    boxes = truth["boxes"][:count] * np.tile(info[2], 2) - np.tile(info[3], 2)
    return {"boxes": boxes, "classes": truth["classes"][:count], "crowds": truth["is_crowds"][:count] > 0}


def _card(
    pixels: np.ndarray, objects: dict[str, np.ndarray], detections: dict[str, np.ndarray], names: Sequence[str] | None
) -> Element:
    height, width = pixels.shape[:2]
    letters = _LETTER_SHARE * height
    parts = [element("image", href=data_uri(pixels), width=width, height=height)]
    for box, is_crowd in zip(objects["boxes"], objects["crowds"], strict=True):
        parts.append(_rectangle(box, class_="object crowd" if is_crowd else "object"))
    # The best detection is drawn last, over the others.
    for box, class_id, score in zip(*(detections[name][::-1] for name in ("boxes", "classes", "scores")), strict=True):
        colour = hex_colour_of(int(class_id))
        told = f"{_name(class_id, names)} {score:.2f}"
        parts.append(_rectangle(box, class_="detection", stroke=colour, tooltip=told))
        parts.append(_label(told, box, letters, height=height, width=width))
    truth = ", ".join(_name(class_id, names) for class_id in objects["classes"][~objects["crowds"]]) or "nothing"
    seen = ", ".join(f"{_name(class_id, names)}" for class_id in detections["classes"]) or "nothing"
    drawing = element("svg", *parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=f"detected: {seen}")
    caption = element("figcaption", f"objects: {truth}", element("br"), f"detected: {seen}")
    return element("figure", drawing, caption, class_="example")


def _label(told: str, box: np.ndarray, letters: float, *, height: int, width: int) -> Element:
    """Write above a box, from the side of it that is farther from the border of the image."""
    ymin, xmin, _, xmax = map(float, box)
    at_right = xmin + xmax > width
    x, y = min(xmax, width) if at_right else max(xmin, 0.0), max(ymin, letters)
    anchor = "end" if at_right else "start"
    return element("text", told, class_="label", x=x, y=y - letters / 5, font_size=letters, text_anchor=anchor)


def _rectangle(box: np.ndarray, *, class_: str, stroke: str | None = None, tooltip: str | None = None) -> Element:
    ymin, xmin, ymax, xmax = map(float, box)
    place = {"x": xmin, "y": ymin, "width": max(xmax - xmin, 0.0), "height": max(ymax - ymin, 0.0)}
    told = [element("title", tooltip)] if tooltip else []
    return element("rect", *told, class_=class_, stroke=stroke, **place)


def _name(class_id: Any, names: Sequence[str] | None) -> str:
    return names[int(class_id)] if names and 0 <= int(class_id) < len(names) else str(int(class_id))
