"""`assay-convert`: annotated images to TFRecord files with Model Garden's keys.

```
assay-convert coco   --annotations instances_train2017.json --images train2017 --to tfrecord --output out/train
assay-convert voc    --root VOCdevkit/VOC2012 --split train --task segmentation --to tfrecord --output out/train
assay-convert folder --images photos --label_maps maps --label_file labels.txt --to tfrecord --output out/train
```

Exit codes: 0 done; 1 a record is broken; 2 the command has a mistake or there is nothing to read; 130 Ctrl-C. Files
appear when all are complete, so that after an error there are none.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assay.core.quiet import start_tensorflow_quietly

if TYPE_CHECKING:
    from assay.reference_tasks.vision.convert.examples import Source

PROGRAM = "assay-convert"
EXIT_BROKEN, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

_SECONDS_BETWEEN = {True: 0.2, False: 10.0}  # between reports of progress, on a terminal or elsewhere


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line without the program; that of the process when None.
    """
    options = _parser().parse_args(arguments)
    start_tensorflow_quietly()
    from assay.reference_tasks.vision.convert.examples import BrokenRecordError
    from assay.reference_tasks.vision.convert.shards import OutputExistsError
    from assay.reference_tasks.vision.inputs.paths import InputFilesError

    try:
        return _convert(options)
    except BrokenRecordError as error:
        return _refuse(str(error), EXIT_BROKEN)
    except OutputExistsError as error:
        return _refuse(f"{error}; --overwrite replaces them.", EXIT_USAGE)
    except (InputFilesError, ImportError) as error:
        return _refuse(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return _refuse("interrupted; nothing was written.", EXIT_INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="coco|voc|folder")

    coco = kinds.add_parser("coco", help="a COCO file and a folder of images: boxes, and masks if asked for")
    coco.add_argument("--annotations", required=True, metavar="JSON", help="the COCO file")
    coco.add_argument("--images", default="", metavar="DIR", help="the folder of the images (default: the file's)")
    coco.add_argument("--include_masks", action="store_true", help="write instance masks (needs pycocotools)")
    coco.add_argument(
        "--category_ids",
        choices=("as_is", "contiguous"),
        default="as_is",
        help="class ids are those of the file (the default), or 1, 2, 3 and so on in their order",
    )

    voc = kinds.add_parser("voc", help="a Pascal VOC folder: boxes or label maps")
    voc.add_argument("--root", required=True, metavar="DIR", help="has Annotations, ImageSets and JPEGImages")
    voc.add_argument("--split", required=True, help="the list of images: train is ImageSets/*/train.txt")
    voc.add_argument("--task", choices=("detection", "segmentation"), default="detection", help="boxes, or label maps")
    voc.add_argument("--label_file", default="", metavar="TXT", help="names of the classes from 1 on, for boxes")

    folder = kinds.add_parser("folder", help="a folder of images and one of label maps (PNG) of the same names")
    folder.add_argument("--images", required=True, metavar="DIR", help="the images")
    folder.add_argument("--label_maps", required=True, metavar="DIR", help="the label maps")
    folder.add_argument("--label_file", default="", metavar="TXT", help="names of the classes from 0 on; no other ids")
    folder.add_argument("--image_suffix", default="", help="end of image names before their extension, not compared")
    folder.add_argument("--label_map_suffix", default="", help="end of label map names likewise")
    folder.add_argument("--ignore_label", type=int, default=255, help="allowed beside the label file (default 255)")

    for kind in (coco, voc, folder):
        kind.add_argument("--to", choices=("tfrecord",), default="tfrecord", help="the form to write")
        kind.add_argument("--output", required=True, metavar="PREFIX", help="files are PREFIX-00000-of-0000N.tfrecord")
        kind.add_argument("--num_shards", type=_positive, help="number of files (default: one for each 1,000 images)")
        kind.add_argument("--overwrite", action="store_true", help="replace the files of an earlier conversion")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be above 0; received {text}")
    return value


def _convert(options: argparse.Namespace) -> int:
    from assay.reference_tasks.vision.convert.shards import check_output, write_shards

    check_output(options.output, overwrite=options.overwrite)
    source, left_out, num_objects = _read(options)
    report = _Report(source.count)
    paths = write_shards(
        source, options.output, num_shards=options.num_shards, overwrite=options.overwrite, progress=report
    )
    report.close()
    objects = "" if num_objects is None else f" with {num_objects} objects"
    print(f"wrote {source.count} images{objects}: {', '.join(paths[:1] + paths[1:][-1:])}")
    for reason, count in left_out.items():
        print(f"left out {count} objects: {reason}")
    return 0


def _read(options: argparse.Namespace) -> "tuple[Source, Mapping[str, int], int | None]":
    """Return what is to be converted, the objects left out by reason, and for boxes the number of objects kept."""
    from assay.reference_tasks.vision.convert.examples import detection_source, segmentation_source
    from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImages
    from assay.reference_tasks.vision.inputs.coco_files import load_coco
    from assay.reference_tasks.vision.inputs.image_pairs import find_pairs
    from assay.reference_tasks.vision.inputs.label_files import load_class_names
    from assay.reference_tasks.vision.inputs.paths import InputFilesError
    from assay.reference_tasks.vision.inputs.voc_folders import find_voc_pairs, load_voc_boxes

    images: AnnotatedImages | None = None
    if options.kind == "coco":
        images = load_coco(
            options.annotations,
            image_folder=options.images,
            category_ids=options.category_ids,
            include_mask=options.include_masks,
        )
    elif options.kind == "voc" and options.task == "detection":
        images = load_voc_boxes(options.root, split=options.split, label_file=options.label_file)
    if images is not None:
        if not images.paths:
            raise InputFilesError(f"{images.name}: lists no image.")
        return detection_source(images), images.left_out, len(images.classes)
    if options.kind == "voc":
        return segmentation_source(find_voc_pairs(options.root, split=options.split)), {}, None
    pairs = find_pairs(
        options.images,
        options.label_maps,
        image_suffix=options.image_suffix,
        label_map_suffix=options.label_map_suffix,
    )
    names = load_class_names(options.label_file) if options.label_file else None
    allowed = None if names is None else sorted({*names, options.ignore_label})
    return segmentation_source(pairs, allowed_ids=allowed), {}, None


def _refuse(message: str, code: int) -> int:
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return code


class _Report:
    """Tells how many records are done, now and then: in one line on a terminal, in lines elsewhere.

    Args:
        total: Number of records.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = self._told = time.monotonic()
        self._on_terminal = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        """Say that so many records are done."""
        self._done = done
        if time.monotonic() - self._told >= _SECONDS_BETWEEN[self._on_terminal]:
            self._tell("\r" if self._on_terminal else "")

    def close(self) -> None:
        """Show the end, if anything was shown before."""
        if self._told > self._began:
            self._tell("\r" if self._on_terminal else "")
            if self._on_terminal:
                print(file=sys.stderr)

    def _tell(self, begin: str) -> None:
        self._told = time.monotonic()
        speed = self._done / max(self._told - self._began, 1e-9)
        left = (self._total - self._done) / max(speed, 1e-9)
        line = f"{begin}{self._done} of {self._total} images, {speed:.0f} a second, {left:.0f} s to go   "
        print(line, end="" if self._on_terminal else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
