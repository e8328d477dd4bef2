"""S101 nested-paths: groups become subdirectories, and every value can be read back with its step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S101",
    slug="nested-paths",
    level=Level.MUST,
    requirement="A nested mapping becomes a subdirectory, and each value is read back equal, under its tag and step.",
    checks=(
        "Writes the sample at two steps and reads the event files back (or what the trait `reader` gives); then does "
        "the same with random nested dicts. Values are compared as float32, in which TensorBoard stores them."
    ),
    why=(
        "TensorBoard shows a directory as a run: a group that is a subdirectory gets a colour and a line of its own in "
        "the plot of its tag, so that classes, datasets or replicas can be laid over each other. Joined to one flat "
        "tag they are hundreds of separate plots, and tools that read the directories find nothing."
    ),
    bad="""
for key, value in group.items():
    tf.summary.scalar(f"{prefix}/{key}", value, step=step)  # iou/road, iou/sky: two plots
""",
    good="""
with self.writer(os.path.join(relative_path, group_name)).as_default():
    for key, value in group.items():
        tf.summary.scalar(key, value, step=step)  # road in runs/train/iou
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    references=("tensorflow/models: orbit/utils/summary_manager.py",),
)

STEPS = (3, 7)
EXAMPLES = 6


def check(ctx: Context) -> None:
    """Write the sample, then random nested dicts."""
    _check(ctx, summaries.sample_values(ctx))

    def cases() -> Any:
        from hypothesis import strategies as st

        keys = st.sampled_from(["loss", "AP", "road", "large", "top_1"])
        numbers = st.floats(0.5, 1e3, width=32)
        groups = st.recursive(numbers, lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3), max_leaves=4)
        return st.dictionaries(keys, groups, min_size=1, max_size=3)

    search(ctx, cases, lambda values: _check(ctx, values), examples=EXAMPLES)


def _check(ctx: Context, values: Mapping[str, Any]) -> None:
    expected: summaries.Ledger = {}
    with summaries.sandbox() as root, summaries.managed(ctx, root / "run") as one:
        for number, step in enumerate(summaries.steps_of(ctx, STEPS), start=1):
            now = summaries.scaled(values, number)
            one.write(now, step=step)
            expected |= summaries.written(ctx, now, step)
        actual = summaries.read_ledger(ctx, one.finish())
    wrong = summaries.missing(actual, expected)
    if not wrong:
        return
    there = [summaries.name_of(key) for key in actual if key not in expected]
    directories = {key[0] for key in actual}
    flat = directories <= {""} and any(key[0] for key in expected)
    observed = f"of {values}: {summaries.listed(wrong)}"
    raise Violation(
        observed + (f"; there is instead {summaries.listed(there)}" if there else ""),
        cause="groups are joined to the tag, and everything is in one directory"
        if flat
        else "a group is left out, values go to another directory or step, or they are changed on the way",
        fix="Give each group a writer of its own, for the subdirectory with its name, and use the key as the tag.",
    )


class _SlashTags(SoundSummaryManager):
    def directory(self, group: tuple[str, ...]) -> Any:
        return super().directory(())

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        super().write_summaries({"/".join((*group, key)): value for group, key, value in self.leaves(summary_dict, ())})


class _InnermostGroup(SoundSummaryManager):
    def directory(self, group: tuple[str, ...]) -> Any:
        return super().directory(group[-1:])


class _FirstLevelOnly(SoundSummaryManager):
    def leaves(self, group: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        return (leaf for leaf in super().leaves(group, path) if len(leaf[0]) < 2)


class _Rounds(SoundSummaryManager):
    def emit(self, group: tuple[str, ...], tag: str, value: Any, step: int) -> None:
        tf.summary.scalar(tag, round(value, 2), step=step)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_SlashTags, name="joins groups to the tag"),
    SCALAR_MANAGER.replace(factory=_InnermostGroup, name="takes the innermost group only"),
    SCALAR_MANAGER.replace(factory=_FirstLevelOnly, name="goes one level deep"),
    SCALAR_MANAGER.replace(factory=_Rounds, name="rounds values"),
)
TWIN = SCALAR_MANAGER
