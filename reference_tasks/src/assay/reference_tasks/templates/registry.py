"""The templates there are: each is the source of a reference task, and a starter that takes its data's place."""

import dataclasses
import difflib
from importlib import resources
from importlib.resources.abc import Traversable

from assay.reference_tasks.templates.errors import NewTaskError

_ROOT = "assay.reference_tasks"
_STARTERS = "templates/starters"
_NEAR = 0.5


@dataclasses.dataclass(frozen=True)
class Template:
    """A reference task that can be copied.

    Attributes:
        name: Its name, which is that of its package in `assay.reference_tasks`.
        class_prefix: What its classes' names begin with; in a copy they begin with the copy's own name.
        summary: What it learns, as a phrase.
        data_step: How one's own data gets in, in sentences.
    """

    name: str
    class_prefix: str
    summary: str
    data_step: str

    @property
    def package(self) -> str:
        """The import name of the reference task."""
        return f"{_ROOT}.{self.name}"

    @property
    def starter_package(self) -> str:
        """The import name of the starter."""
        return f"{self.package.removesuffix(self.name)}{_STARTERS.replace('/', '.')}.{self.name}"

    @property
    def folder(self) -> Traversable:
        """The source of the reference task, which is found without being imported."""
        return resources.files(_ROOT).joinpath(self.name)

    @property
    def starter_folder(self) -> Traversable:
        """The source of the starter, which stands in a copy in the place of the reference task's data."""
        return resources.files(_ROOT).joinpath(f"{_STARTERS}/{self.name}")


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
