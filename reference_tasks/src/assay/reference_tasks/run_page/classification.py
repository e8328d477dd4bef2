"""What a classifier predicts: the images it is most wrong about, some others, and which classes it takes for which."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.reference_tasks.run_page.elements import Element, element
from assay.reference_tasks.run_page.page import Section
from assay.reference_tasks.run_page.pictures import picture
from assay.reference_tasks.vision.images.normalization import displayed

_WORST, _FIRST = 12, 24
_MOST_CLASSES = 40  # a larger confusion matrix is no longer read


def sections(task: Any, model: Any, *, class_names: Sequence[str] | None = None) -> list[Section]:
    """Show what a model predicts of the validation data.

    Args:
        task: The task; `inference_step` returns `probs` `[batch, num_classes]`, and `build_inputs` images and integer
            labels.
        model: The trained model.
        class_names: What the classes are called; their numbers when None.
    """
    images, labels, probabilities = _evaluated(task, model)
    names = list(class_names or map(str, range(probabilities.shape[-1])))
    likelihoods = probabilities[np.arange(len(labels)), labels]
    worst = np.argsort(likelihoods, kind="stable")[:_WORST]
    about = f"Of the {len(labels):,} validation images those whose label the model finds least likely, worst first."
    shown = [
        Section("Most wrong", about, (_gallery(images, labels, probabilities, worst, names),)),
        Section(
            "First of the validation data",
            "The first images in the order of the data, right or wrong.",
            (_gallery(images, labels, probabilities, np.arange(min(_FIRST, len(labels))), names),),
        ),
    ]
    if len(names) <= _MOST_CLASSES:
        about = "A row for each label, a column for each prediction; validation images counted."
        matrix = _confusion(labels, probabilities.argmax(-1), names)
        shown.insert(0, Section("Confusion matrix", about, (matrix,)))
    return shown


def _evaluated(task: Any, model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All validation images as uint8, their labels, and the probability of each class."""
    data = task.task_config.validation_data
    found = []
    for images, labels in task.build_inputs(data):
        shown = displayed(images, mean=data.image_mean, std=data.image_std)
        found.append((shown.numpy(), labels.numpy(), task.inference_step(images, model)["probs"].numpy()))
    images, labels, probabilities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return images, labels, probabilities


def _gallery(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, chosen: np.ndarray, names: Sequence[str]
) -> Element:
    cards = []
    for index in chosen:
        label, predicted = int(labels[index]), int(probabilities[index].argmax())
        right = label == predicted
        told = f"{names[predicted]} ({probabilities[index, predicted]:.0%})"
        caption: list[Element | str] = [
            element("span", f"{'✓' if right else '✗'} {told}", class_="right" if right else "wrong")
        ]
        if not right:
            caption.append(f" is {names[label]} ({probabilities[index, label]:.0%})")
        alt = f"{names[label]}, predicted as {told}"
        cards.append(
            element("figure", picture(images[index], alt=alt), element("figcaption", *caption), class_="example")
        )
    return element("div", *cards, class_="gallery")


def _confusion(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Element:
    counts = np.zeros([len(names), len(names)], np.int64)
    np.add.at(counts, (labels, predicted), 1)
    head = element("tr", element("th", ""), *(element("th", name, scope="col") for name in names))
    rows = []
    for row, name in enumerate(names):
        cells = [
            element("td", str(count), class_="right" if row == column else "wrong" if count else "none")
            for column, count in enumerate(counts[row])
        ]
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    table = element("table", element("thead", head), element("tbody", *rows), class_="confusion")
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="Confusion matrix")
