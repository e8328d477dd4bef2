"""Train a reference task and show what came out: `python -m tools.train --task classification --model_dir runs/mine`.

It ends with a table, and with a page of predictions, `predictions.html` in the model directory. Segmentation and
detection learn from more digit scenes than the package holds, composed once and kept in `build/`; they are validated on
those of the package. The backbone of segmentation learns to tell digits apart first, on crops of the scenes to train
on; that is part of the time that is told. Further options go to `assay-train`, for example
`--params_override=trainer.train_steps=100`.
"""

import argparse
import contextlib
import dataclasses
import difflib
import importlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.reference_tasks.run_page import Curve, Row, RunPage

STARTED = time.monotonic()

ROOT = Path(__file__).resolve().parent.parent
SCENES = ROOT / "build" / "digit_scenes"
PACKAGED_SCENES = ROOT / "reference_tasks/src/assay/reference_tasks/vision/data/digit_scenes"
PAGE, BACKBONE = "predictions.html", "backbone"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MORE_SCENES = 32000
CROPS_PER_SHARD = 4000  # 10 MB
EXIT_USAGE = 2

# On few cores, operations beside one another wait less than the threads of one operation for one another: 15% of a step
# of segmentation on two. Set before TensorFlow begins.
FEW_CORES = 2
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": str(os.cpu_count())}


@dataclasses.dataclass(frozen=True)
class Shown:
    """How a reference task is shown.

    Attributes:
        experiment: The experiment that is run.
        about: What it is, in a sentence.
        sections: The module whose `sections` shows what the model predicts.
        metrics: What is told of the last evaluation, by the name of each metric; those that a run lacks are left out.
        prefixes: Beginnings of names whose metrics are told too, each with what stands in the beginning's place.
        class_names: What the classes are called, by class id; empty for their numbers.
        share: Whether the metrics are shown in percent, as shares are; COCO's are not.
        scenes: Number of digit scenes to compose and train on; 0 to train on the data of the experiment.
        with_scenes: Options that are set when it trains on so many, or more.
        pretraining: The experiment that the backbone learns from first, on crops of the scenes; none if empty.
    """

    experiment: str
    about: str
    sections: str
    metrics: Mapping[str, str]
    prefixes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    class_names: Sequence[str] = ()
    share: bool = True
    scenes: int = 0
    with_scenes: Mapping[str, object] = dataclasses.field(default_factory=dict)
    pretraining: str = ""


# So many scenes differ enough, and those to validate are not scaled either.
_AT_THEIR_OWN_SIZE = {"task.train_data.aug_scale_min": 1.0, "task.train_data.aug_scale_max": 1.0}

TASKS = {
    "classification": Shown(
        experiment="digits_classification",
        about="A narrow ResNet-10 on 1,797 real handwritten digits of 8x8 pixels.",
        sections="assay.reference_tasks.run_page.classification",
        metrics={"accuracy": "validation accuracy", "top_5_accuracy": "validation top-5 accuracy"},
    ),
    "segmentation": Shown(
        experiment="digits_segmentation",
        about="Handwritten digits on photographs of 128x128 pixels: which digit each pixel belongs to, if any.",
        sections="assay.reference_tasks.run_page.segmentation",
        metrics={"mean_iou": "validation mean IoU"},
        prefixes={"iou/": "IoU of "},
        class_names=("background", *DIGITS),
        scenes=MORE_SCENES,
        with_scenes=_AT_THEIR_OWN_SIZE,
        pretraining="digit_crops_classification",
    ),
    "retinanet": Shown(
        experiment="digits_detection",
        about="Handwritten digits on photographs of 128x128 pixels: a box around each digit.",
        sections="assay.reference_tasks.run_page.detection",
        metrics={
            "AP": "validation AP (COCO)",
            "AP50": "validation AP50",
            "AP75": "validation AP75",
            "APs": "validation AP, small",
            "APm": "validation AP, medium",
            "ARmax10": "validation AR, 10 detections",
        },
        class_names=("background", *DIGITS),
        share=False,
        scenes=MORE_SCENES,
        with_scenes=_AT_THEIR_OWN_SIZE,
    ),
}
"""The reference tasks by name."""


def results(shown: Shown, validation: Mapping[str, "Curve"]) -> "list[Row]":
    """Return what the last evaluation found.

    Args:
        shown: Says what is told.
        validation: The curves of the evaluations, by name.
    """
    from assay.reference_tasks.run_page import Row

    headings = {name: heading for name, heading in shown.metrics.items() if name in validation}
    for prefix, heading in shown.prefixes.items():
        own = [name.removeprefix(prefix) for name in validation if name.startswith(prefix)]
        headings |= {prefix + rest: heading + _class_name(rest, shown.class_names) for rest in own}
    step = max((curve.steps[-1] for curve in validation.values()), default=-1)
    rows = [Row("trained until step", f"{step:,}")]
    for name, heading in headings.items():
        rows.append(Row(heading, f"{validation[name].last:{'.2%' if shown.share else '.3f'}}"))
    return rows


def _class_name(class_id: str, names: Sequence[str]) -> str:
    return names[int(class_id)] if class_id.isdecimal() and int(class_id) < len(names) else class_id


def charts(
    shown: Shown, train: Mapping[str, "Curve"], validation: Mapping[str, "Curve"]
) -> "dict[str, dict[str, Curve]]":
    """Return the curves of each chart: the losses, each metric, the learning rate."""
    wanted = {"loss": ("training_loss", "validation_loss")}
    wanted |= {heading.removeprefix("validation "): (name, name) for name, heading in shown.metrics.items()}
    wanted |= {"learning rate": ("learning_rate", "")}
    found = {}
    for title, (in_train, in_validation) in wanted.items():
        curves = {"train": train.get(in_train), "validation": validation.get(in_validation)}
        found[title] = {name: curve for name, curve in curves.items() if curve is not None}
    return {title: curves for title, curves in found.items() if curves}


def make_page(shown: Shown, model_dir: Path, rows: "list[Row]") -> "RunPage":
    """Load the latest checkpoint of a run, let the model predict, and return the page.

    Args:
        shown: How the task is shown.
        model_dir: The directory of the run.
        rows: The table.
    """
    from assay.core import get_task, load_checkpoint, parse_configuration, set_mixed_precision_policy
    from assay.core.actions.averaged_checkpoint import AVERAGED_SUBDIR
    from assay.reference_tasks.run_page import RunPage, read_curves

    params = parse_configuration(shown.experiment, [str(model_dir / "params.yaml")])
    set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
    task = get_task(params.task)
    model = task.build_model()
    averaged = model_dir / AVERAGED_SUBDIR
    load_checkpoint(str(averaged if averaged.exists() else model_dir), {"model": model})
    train, validation = (read_curves(model_dir / part) for part in ("train", params.trainer.validation_summary_subdir))
    return RunPage(
        title=shown.experiment,
        about=shown.about,
        rows=rows,
        charts=charts(shown, train, validation),
        sections=importlib.import_module(shown.sections).sections(task, model, class_names=shown.class_names or None),
    )


def composed_scenes(count: int) -> Path:
    """Return the folder of so many digit scenes to train on; they are composed if they are not there."""
    from tools.make_digit_scenes import make

    if not count:
        return PACKAGED_SCENES
    folder = SCENES / f"train-{count}"
    if not folder.exists():
        print(f"composing {count:,} digit scenes in {folder}, once", flush=True)
        with _unfinished(folder) as made:
            make(made, {"train": count, "validation": 0}, progress=True)
    return folder


def cut_crops(count: int) -> Path:
    """Return the folder of the crops of so many scenes, and of those to validate; they are cut if they are not there.

    Args:
        count: Number of digit scenes to train on, 0 for those of the package.
    """
    from tools.digit_scenes.crops import crop_records
    from tools.make_digits import write_shards

    scenes = composed_scenes(count)
    folder = SCENES / f"crops-{count}"
    if not folder.exists():
        print(f"cutting the digits out of the scenes, in {folder}, once", flush=True)
        with _unfinished(folder) as made:
            for split, source in (("train", scenes), ("validation", PACKAGED_SCENES)):
                records = list(crop_records(sorted(source.glob(f"{split}-*"))))
                write_shards(made, split, records, max(1, len(records) // CROPS_PER_SHARD))
    return folder


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; it takes the name of `folder` when all is written, and goes when something breaks."""
    made = folder.with_name(f"{folder.name}-{os.getpid()}-unfinished")
    made.mkdir(parents=True)
    try:
        yield made
        made.replace(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def table(rows: "list[Row]") -> str:
    """Return rows of a heading and a value as aligned lines."""
    width = max(len(row.heading) for row in rows)
    return "\n".join(f"  {row.heading:<{width}}  {row.value:>9}" for row in rows)


def run(experiment: str, model_dir: Path, arguments: Sequence[str]) -> int:
    """Train and evaluate an experiment, and return the exit code."""
    from assay.core.cli import main as assay_train

    print(f"== experiment {experiment}, into {model_dir}", flush=True)
    return assay_train([f"--experiment={experiment}", "--mode=train_and_eval", f"--model_dir={model_dir}", *arguments])


def _data_of(folder: Path) -> dict[str, object]:
    """Return the options by which a task learns from a folder; decoded, all in it would fill gigabytes of memory."""
    return {"task.train_data.input_path": f"{folder}/train-*", "task.train_data.cache": False}


def _overrides(values: Mapping[str, object]) -> str:
    return "--params_override=" + ",".join(f"{name}={value}" for name, value in values.items())


def main(arguments: list[str] | None = None) -> int:
    """Train, show what came out, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="classification", help=f"one of: {', '.join(TASKS)}")
    parser.add_argument("--model_dir", type=Path, default=None, help="directory of the run; runs/TASK by default")
    parser.add_argument(
        "--scenes", type=int, default=None, help=f"digit scenes to train on ({MORE_SCENES}); 0: those of the package"
    )
    parser.add_argument("--no_pretraining", action="store_true", help="let the backbone learn from the task alone")
    options, rest = parser.parse_known_args(arguments)
    if options.task not in TASKS:
        near = difflib.get_close_matches(options.task, TASKS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(
            f"There is no reference task {options.task!r}.{hint} Tasks: {', '.join(TASKS)}. To run any registered "
            "experiment, use assay-train.",
            file=sys.stderr,
        )
        return EXIT_USAGE
    shown, model_dir = TASKS[options.task], options.model_dir or Path("runs") / options.task

    scenes = shown.scenes if options.scenes is None else options.scenes
    if scenes < 0 or (scenes and not shown.scenes):
        print(
            f"--scenes must be at least 0, and {options.task!r} must learn from digit scenes; received {scenes}.",
            file=sys.stderr,
        )
        return EXIT_USAGE

    from assay.core.quiet import start_tensorflow_quietly

    start_tensorflow_quietly()
    if scenes:
        enough = shown.with_scenes if scenes >= shown.scenes else {}
        rest = [_overrides({**_data_of(composed_scenes(scenes)), **enough}), *rest]
    if shown.pretraining and not options.no_pretraining:
        crops, backbone = cut_crops(scenes), model_dir / BACKBONE
        data = {**_data_of(crops), "task.validation_data.input_path": f"{crops}/validation-*"}
        code = run(shown.pretraining, backbone, [_overrides(data)])
        if code:
            return code
        rest = [_overrides({"task.init_checkpoint": backbone, "task.init_checkpoint_modules": "backbone"}), *rest]
    code = run(shown.experiment, model_dir, rest)
    if code:
        return code
    from assay.reference_tasks.run_page import Row, read_curves, write_page

    rows = results(shown, read_curves(model_dir / "validation"))
    rows.append(Row("wall time", f"{time.monotonic() - STARTED:.0f} s"))
    rows.append(Row("CPU time", f"{time.process_time():.0f} s"))
    write_page(make_page(shown, model_dir, rows), model_dir / PAGE)
    print(table(rows))
    print(f"\nPredictions and curves: {model_dir / PAGE}")
    return 0


if __name__ == "__main__":
    if (os.cpu_count() or 1) <= FEW_CORES:
        os.environ.update({name: value for name, value in THREADS.items() if name not in os.environ})
    sys.exit(main())
