"""S108 path-contained: no key makes a file outside the summary directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S108",
    slug="path-contained",
    level=Level.MUST,
    requirement="No key of a summary dict, and no relative path, makes a file outside the summary directory.",
    checks=(
        "Writes groups and leaves with keys such as `..`, `../beside`, `a/../../beside`, an absolute path and their "
        "variants with backslashes, asks `summary_writer` for the same paths, and looks for files beside and above the "
        "summary directory. To refuse a key, or to change it into a plain name, are both fine."
    ),
    why=(
        "Keys come from data: class names, dataset names, file names of categories. `os.path.join(summary_dir, '/m')` "
        "is `/m`, and a class called `../validation` writes into the directory of the validation run. On shared "
        "storage that is somebody else's."
    ),
    bad="""
writer = tf.summary.create_file_writer(os.path.join(self.summary_dir, group_name))
""",
    good="""
if group_name in ("", ".", "..") or set(group_name) & set("/\\\\"):
    raise ValueError(f"The group {path!r} cannot be a subdirectory.")
""",
    modes=(Mode.EAGER,),
)

DEPTH = ("in", "side", "summaries")
BESIDE, ABSOLUTE = "assay_beside", "absolute"
KEYS = (
    "..",
    f"../{BESIDE}",
    f"./../{BESIDE}",
    f"a/../../{BESIDE}",
    f"../../{BESIDE}",
    f"..\\{BESIDE}",
    ABSOLUTE,  # stands for a path from the root
)


def check(ctx: Context) -> None:
    """Try keys that lead out of the directory."""
    for key in KEYS:
        with summaries.sandbox() as root:
            directory = root.joinpath(*DEPTH)
            directory.mkdir(parents=True)
            name = str(root / BESIDE) if key == ABSOLUTE else key
            _write(ctx, directory, name)
            outside = [file for file in summaries.files_in(root) if directory not in (root / file).parents]
        if outside:
            shown = name.replace(str(root), "/tmp")
            raise Violation(
                f"the key {shown!r} made {outside[0]}, and the summary directory is {'/'.join(DEPTH)}",
                cause="keys are joined to the directory as they come",
                fix="Refuse group keys that are '..' or hold a separator, or replace those signs, before joining.",
            )


def _write(ctx: Context, directory: Path, key: str) -> None:
    """Write a group and a leaf of that key, and ask for a writer; whatever is raised is a refusal."""
    for values in ({key: {"loss": 1.0}}, {"group": {key: {"loss": 1.0}}}, {key: 1.0}):
        with summaries.managed(ctx, directory) as one:
            _try(lambda one=one, values=values: one.write(values, step=1))
            _try(one.flush)
    with summaries.managed(ctx, directory) as one:
        if callable(getattr(one.manager, "summary_writer", None)):
            _try(lambda: one.manager.summary_writer(key))
            _try(one.flush)


def _try(call: Any) -> None:
    try:
        call()
    except Exception:  # a refusal; what counts is what is on the disk
        return


class _JoinsAsItComes(SoundSummaryManager):
    def check_group(self, key: str, where: str) -> None:
        pass


class _LooksForDotsOnly(SoundSummaryManager):
    """Refuses `..`; an absolute path needs no dots."""

    def check_group(self, key: str, where: str) -> None:
        if ".." in key:
            raise ValueError(f"The group {where!r} leaves the directory.")


class _LooksAtTheFirst(SoundSummaryManager):
    def check_group(self, key: str, where: str) -> None:
        if key.startswith((".", "/")):
            raise ValueError(f"The group {where!r} leaves the directory.")


class _WriterUnchecked(SoundSummaryManager):
    def summary_writer(self, relative_path: str = "") -> Any:
        return self.writer(tuple(relative_path.split("/")) if relative_path else ())


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_JoinsAsItComes, name="joins keys as they come"),
    SCALAR_MANAGER.replace(factory=_LooksForDotsOnly, name="forgets absolute paths"),
    SCALAR_MANAGER.replace(factory=_LooksAtTheFirst, name="looks at the first sign only"),
    SCALAR_MANAGER.replace(factory=_WriterUnchecked, name="hands out writers unchecked"),
)
TWIN = SCALAR_MANAGER
