"""Cuts a question into some for a few categories each, which are answered one after the other.

Categories do not touch each other. What belongs to a few of them stays in a processor's cache, which keeps the cost of
a detection the same however many there are, and the memory for what is computed on the way small.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
from assay.python_metrics.coco.question import Detections, Objects, Question

Columns = TypeVar("Columns", Detections, Objects)


def blocks(question: Question, most: int) -> Iterator[tuple[slice, Question]]:
    """Cut a question.

    Args:
        question: What is asked of all categories.
        most: How many detections a block has at most, unless one category alone has more.

    Yields:
        The categories of each block, and the question about these; its categories are counted from 0.
    """
    found, objects = _by_category(question.detections.category), _by_category(question.objects.category)
    found_ends = np.cumsum(np.bincount(question.detections.category, minlength=question.num_categories))
    object_ends = np.cumsum(np.bincount(question.objects.category, minlength=question.num_categories))
    first = found_start = object_start = 0
    while first < question.num_categories:
        last = max(int(np.searchsorted(found_ends, found_start + most, side="right")), first + 1)
        found_end, object_end = int(found_ends[last - 1]), int(object_ends[last - 1])
        yield (
            slice(first, last),
            _part(question, found[found_start:found_end], objects[object_start:object_end], first, last),
        )
        first, found_start, object_start = last, found_end, object_end


def _by_category(category: np.ndarray) -> np.ndarray:
    """Indices ordered by category, else as they were; small integers are sorted in linear time."""
    small = category.max(initial=0) <= np.iinfo(np.uint16).max
    return np.argsort(category.astype(np.uint16) if small else category, kind="stable")


def _part(question: Question, found: np.ndarray, objects: np.ndarray, first: int, last: int) -> Question:
    return Question(
        objects=_chosen(question.objects, objects, first),
        detections=_chosen(question.detections, found, first),
        overlap=lambda mine, theirs: question.overlap(found[mine], objects[theirs]),
        num_images=question.num_images,
        num_categories=last - first,
    )


def _chosen(columns: Columns, indices: np.ndarray, first: int) -> Columns:
    """Some rows of all columns, with categories counted from the first of the block."""
    rows = {column.name: getattr(columns, column.name)[indices] for column in fields(columns)}
    return replace(columns, **{**rows, "category": rows["category"] - first})
