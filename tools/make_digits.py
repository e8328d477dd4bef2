"""Write the handwritten digits of scikit-learn as TFRecord shards, with their provenance beside them.

Run from the root of the repository, with scikit-learn installed: `python tools/make_digits.py`. The output is the
same, byte for byte, each time; a test holds the shards in the repository to that.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "reference_tasks/src/assay/reference_tasks/classification/data/digits"

SPLIT_SEED = 20
VALIDATION_SHARE = 0.2
TRAIN_SHARDS = 4
VALIDATION_SHARDS = 2
GREY_LEVELS = 16  # the source counts the set pixels of 4x4 blocks: 0 to 16
WHITE = 255

PROVENANCE = """\
# Provenance of the digits

| | |
|---|---|
| what | {count} images of handwritten digits, 8x8 pixels, one channel, 10 classes |
| data set | Optical Recognition of Handwritten Digits, UCI Machine Learning Repository; its test part |
| authors | Ethem Alpaydin and Cenk Kaynak, Bogazici University, 1998 |
| DOI | [10.24432/C50P49](https://doi.org/10.24432/C50P49) |
| licence | [Creative Commons Attribution 4.0](https://creativecommons.org/licenses/by/4.0/) (CC BY 4.0) |
| copied from | `sklearn.datasets.load_digits` (scikit-learn) |
| written by | `python tools/make_digits.py` |

## What was changed

- The source counts the set pixels in 4x4 blocks of a 32x32 bitmap: 0 to 16. A pixel here is `round(count * 255 / 16)`,
  an 8-bit grey value, ink white on black; `round(pixel * 16 / 255)` gives the count back.
- The images are PNG files in `tf.train.Example` records. `image/source_id` is the row of the source, from 0.
- Split: {train} for training, {validation} for validation. In each class the rows are permuted by
  `numpy.random.RandomState({seed})`, class 0 first, and the first {share:.0%} (rounded) go to validation. The records
  of a split are then in an order drawn from the same generator, training first, and are dealt to its shards in turn.
- The source was written by 13 people and does not say who wrote what, so both splits hold digits of the same people.

Shares per class, training + validation: {classes}.

## Keys of a record

`image/encoded`, `image/format` (png), `image/height`, `image/width`, `image/channels`, `image/class/label`,
`image/filename`, `image/source_id`, `image/key/sha256`.

## Files

| file | records | sha256 |
|---|---|---|
{files}
"""


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images `[1797, 8, 8]` uint8 (0 to 255) and labels `[1797]` int64."""
    from sklearn import datasets

    digits = datasets.load_digits()
    pixels = np.rint(digits.images * WHITE / GREY_LEVELS).astype(np.uint8)
    return pixels, digits.target.astype(np.int64)


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide the rows, class by class, into those for training and those for validation, each in a random order.

    Args:
        labels: `[rows]`, the class of each row.

    Returns:
        Row numbers for training and for validation.
    """
    random = np.random.RandomState(SPLIT_SEED)  # RandomState, because NumPy promises its stream for ever
    train: list[int] = []
    validation: list[int] = []
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        held_out = round(len(rows) * VALIDATION_SHARE)
        validation.extend(rows[:held_out])
        train.extend(rows[held_out:])
    return random.permutation(train), random.permutation(validation)


def make_record(row: int, pixels: np.ndarray, label: int) -> bytes:
    """Return the serialized `tf.train.Example` of one image.

    Args:
        row: Its row in the source.
        pixels: `[height, width]` uint8.
        label: Its class.
    """
    encoded = tf.io.encode_png(pixels[..., np.newaxis]).numpy()
    height, width = pixels.shape
    features = {
        "image/encoded": encoded,
        "image/format": b"png",
        "image/height": height,
        "image/width": width,
        "image/channels": 1,
        "image/class/label": int(label),
        "image/filename": b"digit-%04d.png" % row,
        "image/source_id": b"%d" % row,
        "image/key/sha256": hashlib.sha256(encoded).hexdigest().encode(),
    }
    example = tf.train.Example()
    for key, value in features.items():
        feature = example.features.feature[key]
        (feature.bytes_list if isinstance(value, bytes) else feature.int64_list).value.append(value)
    return example.SerializeToString(deterministic=True)


def write_shards(folder: Path, name: str, records: list[bytes], num_shards: int) -> list[Path]:
    """Deal records to `name-00000-of-0000N.tfrecord` in turn, and return the paths."""
    paths = []
    for shard in range(num_shards):
        path = folder / f"{name}-{shard:05d}-of-{num_shards:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records[shard::num_shards]:
                writer.write(record)
        paths.append(path)
    return paths


def make(folder: Path) -> list[Path]:
    """Write all shards and PROVENANCE.md to a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = load_digits()
    rows = dict(zip(("train", "validation"), split(labels), strict=True))
    written, lines = [], []
    for name, num_shards in (("train", TRAIN_SHARDS), ("validation", VALIDATION_SHARDS)):
        records = [make_record(row, images[row], labels[row]) for row in rows[name]]
        for shard, path in enumerate(write_shards(folder, name, records, num_shards)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"| {path.name} | {len(records[shard::num_shards])} | `{digest}` |")
            written.append(path)
    train, validation = (np.bincount(labels[rows[name]]) for name in ("train", "validation"))
    provenance = folder / "PROVENANCE.md"
    provenance.write_text(
        PROVENANCE.format(
            count=len(labels),
            train=len(rows["train"]),
            validation=len(rows["validation"]),
            seed=SPLIT_SEED,
            share=VALIDATION_SHARE,
            classes=", ".join(f"{a}+{b}" for a, b in zip(train, validation, strict=True)),
            files="\n".join(lines),
        ),
        encoding="utf-8",
    )
    return [*written, provenance]


def main() -> None:
    """Write the files and say which."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the folder for the shards")
    for path in make(parser.parse_args().output):
        print(f"{path} ({path.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
