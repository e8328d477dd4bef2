"""Train a reference task and print what came out: `python tools/train.py --task classification --model_dir runs/mine`.

Further options go to `assay-train`, for example `--params_override=trainer.train_steps=100`.
"""

import argparse
import difflib
import sys
import time
from pathlib import Path

STARTED = time.monotonic()

EXPERIMENTS = {"classification": "digits_classification"}
"""The experiment that shows each reference task."""

HEADINGS = {"accuracy": "validation accuracy", "top_5_accuracy": "validation top-5 accuracy"}
"""What is printed of each task's evaluation; metrics that a task does not have are left out."""

EXIT_USAGE = 2


def last_scalars(folder: Path) -> tuple[int, dict[str, float]]:
    """Return the last step of which a folder of TensorBoard event files tells, and the scalars of that step.

    Args:
        folder: A directory that holds `events.out.tfevents.*` files.

    Returns:
        The step, -1 when there is none, and values by name.
    """
    import tensorflow as tf

    last = -1
    scalars: dict[str, float] = {}
    files = sorted(str(path) for path in folder.glob("events.out.tfevents.*"))
    for record in tf.data.TFRecordDataset(files) if files else ():
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name not in ("", "scalars") or event.step < last:
                continue
            if event.step > last:
                last, scalars = event.step, {}
            scalars[value.tag] = float(tf.make_ndarray(value.tensor))
    return last, scalars


def table(rows: list[tuple[str, str]]) -> str:
    """Return rows of a heading and a value as aligned lines."""
    width = max(len(heading) for heading, _ in rows)
    return "\n".join(f"  {heading:<{width}}  {value:>9}" for heading, value in rows)


def main(arguments: list[str] | None = None) -> int:
    """Train, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="classification", help=f"one of: {', '.join(EXPERIMENTS)}")
    parser.add_argument("--model_dir", type=Path, default=None, help="directory of the run; runs/TASK by default")
    options, rest = parser.parse_known_args(arguments)
    if options.task not in EXPERIMENTS:
        near = difflib.get_close_matches(options.task, EXPERIMENTS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(
            f"There is no reference task {options.task!r}.{hint} Tasks: {', '.join(EXPERIMENTS)}. To run any "
            "registered experiment, use assay-train.",
            file=sys.stderr,
        )
        return EXIT_USAGE
    model_dir = options.model_dir or Path("runs") / options.task

    from assay.core.cli import main as assay_train

    experiment = EXPERIMENTS[options.task]
    print(f"== {options.task}: experiment {experiment}, into {model_dir}", flush=True)
    code = assay_train([f"--experiment={experiment}", "--mode=train_and_eval", f"--model_dir={model_dir}", *rest])
    if code:
        return code
    step, scalars = last_scalars(model_dir / "validation")
    rows = [("trained until step", f"{step}")]
    rows += [(heading, f"{scalars[name]:.2%}") for name, heading in HEADINGS.items() if name in scalars]
    rows += [("wall time", f"{time.monotonic() - STARTED:.0f} s"), ("CPU time", f"{time.process_time():.0f} s")]
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
