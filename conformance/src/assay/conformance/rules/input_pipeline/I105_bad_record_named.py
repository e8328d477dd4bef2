"""I105 bad-record-named: the error of a broken record names its file and its feature key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.elements import keep_elements
from assay.conformance.harness.pipelines.records import Records, read_records
from assay.conformance.harness.pipelines.restoring import plain_message
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DETECTION_PIPELINE, SoundDetection

RULE = Rule(
    id="I105",
    slug="bad-record-named",
    level=Level.SHOULD,
    requirement="A broken record raises an error that names its file and its feature key.",
    checks=(
        "Where the parameters name TFRecord files of tf.train.Example: copies records to a file of their own, puts "
        "bytes that are no image into the encoded image of one of them (or removes all features, where there is no "
        "encoded image), and reads it as evaluation data. Reading must raise, and the message must hold the file's "
        "name and the feature's key."
    ),
    why=(
        "`Invalid PNG data` after nine hours, from one of a thousand files of a thousand records each, is a search for "
        "days. A record that is left out in silence changes the evaluation, and nobody learns that data is lost."
    ),
    bad="""
image = tf.io.decode_image(features["image/encoded"])  # "Unknown image file format", and no more
""",
    good="""
where = tf.strings.join([path, ", record ", tf.strings.as_string(number), ": image/encoded"])
with tf.control_dependencies([tf.debugging.Assert(is_image(features["image/encoded"]), [where])]):
    image = tf.io.decode_image(features["image/encoded"])
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
)

COPIES = 3
BROKEN = 1
_NOT_AN_IMAGE = b"these bytes are no image"
_FIX = (
    "Carry the file's path and the record's number with each record (`TFRecordDataset(path).enumerate()`), and name "
    "both, and the key, in the error."
)


def check(ctx: Context) -> None:
    """Break one record, and read what the error says."""
    records = read_records(ctx, training=False)
    task = ctx.share("task for data", lambda: make_component(ctx))
    examples = [records.examples[index % len(records.examples)] for index in range(COPIES)]
    if not _reads(task, records, examples):
        raise NotApplicable("Records cannot be copied for this pipeline: plain copies raise too.")
    key = records.encoded_key
    broken = _broken(examples[BROKEN], key)
    with records.written([*examples[:BROKEN], broken, *examples[BROKEN + 1 :]]) as (changes, path):
        try:
            elements = _read(task, changes)
        except SubjectError as error:
            _check_message(error.original, path, key, examples[BROKEN])
            return
    raise Violation(
        f"a record {f'whose {key} is no image' if key else 'without features'} raises no error: {elements.count} "
        f"batches of one example come from {COPIES} records",
        cause="errors are ignored (ignore_errors), or what cannot be decoded becomes an empty image",
        fix="Let a broken record raise, and name it; leave it out of the data by hand.",
    )


def _broken(example: Any, key: str) -> Any:
    broken = type(example)()
    if key:
        broken.CopyFrom(example)
        broken.features.feature[key].bytes_list.value[:] = [_NOT_AN_IMAGE]
    return broken


def _read(task: Any, changes: dict[str, Any]) -> Any:
    params = data_params(task, training=False, global_batch_size=1, drop_remainder=False, **changes)
    return keep_elements(build_dataset(task, params), at_most=COPIES, to_the_end=True, name="validation")


def _reads(task: Any, records: Records, examples: list[Any]) -> bool:
    try:
        with records.written(examples) as (changes, _):
            _read(task, changes)
    except SubjectError:
        return False
    return True


def _check_message(error: BaseException, path: str, key: str, example: Any) -> None:
    message = str(error)
    keys = [key] if key else list(example.features.feature)
    missing = [] if Path(path).name in message else ["the file"]
    if not any(one in message for one in keys):
        missing.append(f"the key {key}" if key else "a key")
    if missing:
        said = plain_message(error)[:200]
        raise Violation(
            f"the error of a broken record does not name {' or '.join(missing)}: {said}",
            cause="the error is that of the decoding operation, which knows neither",
            fix=_FIX,
        )


class _Plain(SoundDetection):
    def decoded(self, encoded: Any, path: Any, number: Any) -> Any:
        return tf.io.decode_png(encoded, channels=3)


class _KeyOnly(SoundDetection):
    def decoded(self, encoded: Any, path: Any, number: Any) -> Any:
        return super().decoded(encoded, "a file", number)


class _Ignores(SoundDetection):
    def decoded(self, encoded: Any, path: Any, number: Any) -> Any:
        return tf.io.decode_png(encoded, channels=3)

    def kept(self, dataset: Any, training: bool) -> Any:
        return dataset.ignore_errors()


MUTANTS = (
    DETECTION_PIPELINE.replace(factory=_Plain, name="the error of the decoder"),
    DETECTION_PIPELINE.replace(factory=_KeyOnly, name="names the key only"),
    DETECTION_PIPELINE.replace(factory=_Ignores, name="ignores errors"),
)
TWIN = DETECTION_PIPELINE
