"""What is known of a category in an image decides what its detections count for."""

import dataclasses

import numpy as np
from assay.python_metrics.coco.fields import Columns
from assay.python_metrics.coco.protocol import Kind
from assay.python_metrics.coco.question import Question
from assay.python_metrics.coco.scene import Scene


class FederatedScene(Scene):
    """A scene that asks of the detections that can be judged only, and excuses those that may be right.

    A detection of a category of which the image has no object, and which is not known to be absent, is left out. Where
    not all objects of a category are annotated, a detection that matches none is neither right nor wrong. Objects and
    detections without an area are left out too, as LVIS does.
    """

    def question(self, kind: Kind) -> Question:
        """What an engine is asked about one kind."""
        exhaustive = self.judged["exhaustive"]
        objects = _chosen(self.objects, self.objects["area"] > 0)
        known = np.concatenate([self._pairs(objects), self._pairs(self.judged)[exhaustive]])
        pairs = self._pairs(self.detections)
        kept = np.isin(pairs, known) & (self.found_areas(kind) > 0)
        excused = np.isin(pairs[kept], self._pairs(self.judged)[~exhaustive])
        scene = dataclasses.replace(
            self, objects=objects, detections=_chosen(self.detections, kept) | {"excused": excused}
        )
        return Scene.question(scene, kind)

    def _pairs(self, columns: Columns) -> np.ndarray:
        """One number for image and category of each row, int64."""
        return columns["image"].astype(np.int64) * len(self.categories) + columns["category"]


def federated(scene: Scene) -> FederatedScene:
    """The same images, of which not every category is annotated in every image."""
    return FederatedScene(**{field.name: getattr(scene, field.name) for field in dataclasses.fields(scene)})


def _chosen(columns: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}
