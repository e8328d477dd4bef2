"""What a segmentation model predicts: images beside their true and predicted label maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.reference_tasks.run_page.elements import Element, element
from assay.reference_tasks.run_page.page import Section
from assay.reference_tasks.run_page.pictures import label_picture, legend, picture
from assay.reference_tasks.vision.images.normalization import displayed

_FIRST = 12
_IGNORED = 255


def sections(task: Any, model: Any, *, class_names: Sequence[str] | None = None) -> list[Section]:
    """Show what a model predicts of the first of the validation images.

    Args:
        task: The task. `build_inputs` returns images and labels with `masks` and `valid_masks`
            `[batch, height, width, 1]`, of the images' size; `inference_step` returns `logits`, likewise with classes.
        model: The trained model.
        class_names: What the classes are called, the background first; their numbers when None.
    """
    data = task.task_config.validation_data
    cards: list[Element] = []
    seen: set[int] = set()
    for images, labels in task.build_inputs(data):
        predicted = np.asarray(task.inference_step(images, model)["logits"]).argmax(-1)
        truth = np.where(np.asarray(labels["valid_masks"]), np.asarray(labels["masks"]), _IGNORED)[..., 0].astype(int)
        pixels = displayed(images, mean=data.image_mean, std=data.image_std).numpy()
        for image, true, found in list(zip(pixels, truth, predicted, strict=True))[: _FIRST - len(cards)]:
            cards.append(_card(image, true, found))
            seen |= set(np.unique(true).tolist()) | set(np.unique(found).tolist())
        if len(cards) >= _FIRST:
            break
    about = (
        "The first images in the order of the data: the image, its labels, the prediction. Uncoloured pixels are "
        "background; striped ones are ignored."
    )
    names = dict(enumerate(class_names or ()))
    shown = {class_id: names.get(class_id, str(class_id)) for class_id in sorted(seen - {0, _IGNORED})}
    return [Section("Predictions", about, (legend(shown), element("div", *cards, class_="gallery wide")))]


def _card(image: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> Element:
    figures = [
        ("image", picture(image, alt="the image")),
        ("labels", picture(label_picture(image, truth), alt="its labels")),
        ("prediction", picture(label_picture(image, predicted), alt="the prediction")),
    ]
    row = [element("figure", shown, element("figcaption", name)) for name, shown in figures]
    counted = truth != _IGNORED
    right = np.mean(truth[counted] == predicted[counted]) if counted.any() else np.nan
    caption = element("figcaption", f"{right:.1%} of the pixels right; mean IoU {_mean_iou(truth, predicted):.2f}")
    return element("figure", element("div", *row, class_="row"), caption, class_="example")


def _mean_iou(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean intersection over union of the classes in one image's labels or prediction."""
    counted = truth != _IGNORED
    truth, predicted = truth[counted], predicted[counted]
    shares = []
    for class_id in np.union1d(truth, predicted):
        union = np.count_nonzero((truth == class_id) | (predicted == class_id))
        shares.append(np.count_nonzero((truth == class_id) & (predicted == class_id)) / union)
    return float(np.mean(shares)) if shares else float("nan")
