"""The templates there are: each is the source of a reference task, and a starter that takes its data's place."""

import dataclasses
import difflib
import importlib
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from assay.core.quiet import start_tensorflow_quietly
from assay.reference_tasks.templates.errors import NewTaskError

_ROOT = "assay.reference_tasks"
_STARTERS = f"{_ROOT}.templates.starters"
_SCENES = "scenes"
_NEAR = 0.5


@dataclasses.dataclass(frozen=True)
class Template:
    """A reference task that can be copied.

    Attributes:
        name: Its name, which is that of its package in `assay.reference_tasks`.
        class_prefix: What its classes' names begin with; in a copy they begin with the copy's own name.
        summary: What it learns, as a phrase.
        data_step: How one's own data gets in, in sentences; NAME stands for the copy's name.
        has_scenes: Whether it learns from the generated scenes, which it then shares with other templates.
    """

    name: str
    class_prefix: str
    summary: str
    data_step: str
    has_scenes: bool = False

    @property
    def package(self) -> str:
        """The import name of the reference task."""
        return f"{_ROOT}.{self.name}"

    @property
    def folder(self) -> Traversable:
        """The source of the reference task, which is found without being imported."""
        return resources.files(_ROOT).joinpath(self.name)

    @property
    def starters(self) -> dict[str, Traversable]:
        """The packages that stand in a copy in the place of the reference task's data, by import name."""
        names = (*((_SCENES,) if self.has_scenes else ()), self.name)
        return {f"{_STARTERS}.{name}": resources.files(_ROOT).joinpath(f"templates/starters/{name}") for name in names}

    def examples(self) -> dict[str, bytes]:
        """Make the generated data as files, by name; none where it is made in memory. Needs TensorFlow."""
        if not self.has_scenes:
            return {}
        start_tensorflow_quietly()
        data = importlib.import_module(f"{_STARTERS}.{_SCENES}.data")
        with tempfile.TemporaryDirectory() as folder:
            data.write(Path(folder))
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "classification",
            "Classification",
            summary="image classification on residual networks",
            data_step="Write functions that return your arrays; or, in `experiments.py`, set `reader` to "
            "`image_folder` or `tfrecord` and `input_path` to your files, and delete `data.py`. Set `num_classes`, "
            "`input_size`, `image_mean` and `image_std` to what you have.",
        ),
        Template(
            "segmentation",
            "Segmentation",
            summary="semantic segmentation with DeepLabV3+ or a feature pyramid",
            data_step="Change what `scenes` in `scenes.py` yields and run `python -m NAME.data`; or, in "
            "`experiments.py`, set `reader` and `input_path` to your files, and delete `scenes.py`, `data.py` and the "
            "folder `examples`. Set `num_classes`, `input_size` and `output_size` to what you have.",
            has_scenes=True,
        ),
        Template(
            "retinanet",
            "RetinaNet",
            summary="object detection with RetinaNet",
            data_step="Change what `scenes` in `scenes.py` yields and run `python -m NAME.data`; or, in "
            "`experiments.py`, set `reader` and `input_path` to your files, and delete `scenes.py`, `data.py` and the "
            "folder `examples`. Set `num_classes`, `input_size` and the anchors to what you have.",
            has_scenes=True,
        ),
    )
}
"""The templates by name."""


def find_template(name: str) -> Template:
    """Return a template by its name.

    Raises:
        NewTaskError: There is none; the nearest is suggested.
    """
    if name not in TEMPLATES:
        near = difflib.get_close_matches(name.lower(), TEMPLATES, n=1, cutoff=_NEAR)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NewTaskError(f"there is no template {name!r}.{hint} Templates: {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]
