"""How time and memory of `COCOEvaluator` grow with the number of images: boxes up to 50,000, masks up to 2,000.

The data are those of the benchmarks `coco_boxes` and `coco_masks`: 100 detections an image, updates included. Each
number of images runs in a process of its own; the time is CPU time of that process, the least of some rounds.

`python -m tools.bench.coco_growth --write docs/benchmarks` writes the table and, with matplotlib, the plot.
"""

import argparse
import importlib
from pathlib import Path
from typing import Any

from tools.bench.coco_boxes import in_a_process

ROUNDS = 2
SERIES = {
    "boxes": ("tools.bench.coco_boxes", (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)),
    "masks": ("tools.bench.coco_masks", (250, 500, 1_000, 2_000)),
}
NAME = "coco_growth"

Point = dict[str, float]


def measure(module: str, images: int) -> Point:
    """CPU seconds (the least) and MiB added (the most) of some rounds."""
    rounds = [in_a_process(module, "assay", images) for _ in range(ROUNDS)]
    return {
        "images": images,
        "seconds": min(one["seconds"] for one in rounds),
        "MiB": max(one["MiB"] for one in rounds),
    }


def lines(points: dict[str, list[Point]]) -> list[str]:
    """The table."""
    made = [
        "| | images | CPU seconds | microseconds an image | MiB added | KiB an image |",
        "|---|---|---|---|---|---|",
    ]
    for kind, row in points.items():
        for one in row:
            images, seconds, added = one["images"], one["seconds"], one["MiB"]
            each = f"{seconds / images * 1e6:.0f} | {added:.0f} | {added * 1024 / images:.1f}"
            made.append(f"| {kind} | {images:,.0f} | {seconds:.2f} | {each} |")
    return made


def plot(points: dict[str, list[Point]], path: Path) -> None:
    """Draw time and memory over the number of images, with the line through the origin and the last point."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    figure, axes = importlib.import_module("matplotlib.pyplot").subplots(2, len(points), figsize=(10, 7))
    for column, (kind, row) in zip(axes.T, points.items(), strict=True):
        images = [one["images"] for one in row]
        for axis, quantity, label in zip(column, ("seconds", "MiB"), ("CPU seconds", "MiB added"), strict=True):
            _draw(axis, images, [one[quantity] for one in row])
            axis.set(xlabel="images of 100 detections", ylabel=label, title=f"{kind}: {label}")
    figure.suptitle("COCOEvaluator, updates and result; dashed: in proportion to the last point")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def _draw(axis: Any, images: list[float], values: list[float]) -> None:
    axis.plot(images, values, marker="o")
    axis.plot([0, images[-1]], [0, values[-1]], linestyle="--", linewidth=1, color="grey")
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.grid(alpha=0.3)


def write(points: dict[str, list[Point]], folder: Path) -> None:
    """Write the table and the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plot(points, folder / f"{NAME}.png")
    except ImportError:
        print("no plot: it needs matplotlib (pip install matplotlib)")
    text = [
        "# Growth of COCOEvaluator",
        "",
        f"Written by `python -m tools.bench.{NAME} --write docs/benchmarks`.",
        f"Time is CPU time of one process, the least of {ROUNDS} rounds; memory is what the process adds at its peak,",
        "from before the first update to after the result.",
        "",
        *lines(points),
        "",
        f"![time and memory over the number of images]({NAME}.png)",
        "",
    ]
    (folder / f"{NAME}.md").write_text("\n".join(text))


def main(folder: Path | None = None) -> None:
    """Print the table, and write it when there is a folder for it."""
    points: dict[str, list[Point]] = {}
    for kind, (module, counts) in SERIES.items():
        points[kind] = []
        for images in counts:
            points[kind].append(measure(module, images))
            print(lines({kind: points[kind]})[-1], flush=True)
    if folder is not None:
        write(points, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the table and the plot there")
    main(parser.parse_args().write)
