"""Read checkpoints strictly: find the latest, load parts of a model, restore a run.

A run's checkpoint is a `tf.train.Checkpoint` with `global_step`, `model`, `optimizer`, the model's `checkpoint_items`,
and what an exact resume needs besides: `train_data` (the position in the training data) and `seed_generators` (the
random state of dropout and the like, which Keras 3 leaves out). Readers that know only the first four read it too.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.core.tracking import track_collections

TRAIN_DATA = "train_data"
SEED_GENERATORS = "seed_generators"
_OPTIONAL_PARTS = (TRAIN_DATA, SEED_GENERATORS)
_SAVE_COUNTER = "save_counter"

_LOG = logging.getLogger(__name__)

_SHOWN_VARIABLES = 5
_VARIABLE_IN_MESSAGE = re.compile(r"<(?:Variable path=|tf\.Variable ')([^,']+)'?,? shape=(\([^)]*\))")


class CheckpointMismatchError(ValueError):
    """A checkpoint does not hold what was to be loaded from it, as it was to be loaded.

    Common causes: 1. the checkpoint is of another architecture, or of the same with another number of classes (then
    load only the parts that agree, with `init_checkpoint_modules`); 2. layers are added, removed or in another order;
    3. the checkpoint was written under the other Keras flavour, whose variables have other keys.
    """


def latest_checkpoint(path: str) -> str | None:
    """Return the checkpoint that `path` means: itself, or the latest one of a directory; None when there is none.

    Args:
        path: A checkpoint's path without `.index`, or a directory with a `checkpoint` file.
    """
    if tf.io.gfile.isdir(path):
        return tf.train.latest_checkpoint(path)
    return path if tf.io.gfile.exists(f"{path}.index") else None


def find_checkpoint(path: str) -> str:
    """Return `latest_checkpoint(path)`, or raise.

    Raises:
        FileNotFoundError: `path` is no checkpoint and no directory that holds one.
    """
    found = latest_checkpoint(path)
    if found is None:
        kind = "the directory holds no checkpoint" if tf.io.gfile.isdir(path) else f"{path}.index does not exist"
        raise FileNotFoundError(
            f"No checkpoint at {path}: {kind}. A checkpoint is named by its path without '.index', or by a directory "
            "with a file 'checkpoint' in it."
        )
    return found


def load_checkpoint(path: str, items: Mapping[str, Any]) -> str:
    """Load parts of a checkpoint, all of each part or an error. What else the checkpoint holds is ignored.

    Args:
        path: A checkpoint, or a directory, whose latest is used.
        items: The objects to load, by their names in the checkpoint (`{"model": model}`, `{"backbone": ...}`).

    Returns:
        The path of the checkpoint.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        CheckpointMismatchError: A part has no variables yet, or a variable of a part is not in the checkpoint or has
            another shape there. Variables that do agree may have been loaded already.
    """
    found = find_checkpoint(path)
    for name, item in items.items():
        if not getattr(item, "built", True) or not getattr(item, "variables", True):
            raise CheckpointMismatchError(
                f"Cannot load {found} into {name!r}: it has no variables yet. Build it first, by calling it once."
            )
        track_collections(item)
    try:
        status = tf.train.Checkpoint(**items).read(found)
        status.expect_partial()
        status.assert_existing_objects_matched()
    except AssertionError as error:
        raise CheckpointMismatchError(
            f"Checkpoint {found} lacks variables of {_names(items)}: {_unmatched(str(error))}. The checkpoint has "
            f"{_names(_top_level(found))}. Was it written by another architecture, or under the other Keras flavour?"
        ) from error
    except ValueError as error:
        raise CheckpointMismatchError(
            f"Checkpoint {found} does not fit {_names(items)}: {error} Was it trained with other sizes, such as "
            "another number of classes? Then load only the parts that agree, with `init_checkpoint_modules`."
        ) from error
    return found


def restore_run(checkpoint: tf.train.Checkpoint, path: str) -> None:
    """Restore a run's checkpoint: all of `global_step`, `model`, `optimizer` and the model's parts, or an error.

    `train_data` and `seed_generators` are restored when they are there; a checkpoint written by another program, or
    with another number of replicas, lacks them. What the checkpoint holds beyond `checkpoint` is ignored, so that an
    evaluation can read a training's checkpoint.

    Raises:
        CheckpointMismatchError: Something that must be restored is not in the checkpoint, or has another shape there.
    """
    parts = checkpoint._trackable_children()
    required = {name: part for name, part in parts.items() if name not in (*_OPTIONAL_PARTS, _SAVE_COUNTER)}
    load_checkpoint(path, required)
    missing = [name for name in _OPTIONAL_PARTS if name in parts and not has_key(path, name)]
    optional = {name: part for name, part in parts.items() if name in _OPTIONAL_PARTS and name not in missing}
    if optional:
        tf.train.Checkpoint(**optional).read(path).expect_partial()
    if has_key(path, _SAVE_COUNTER):
        checkpoint.save_counter.assign(tf.train.load_variable(path, f"{_SAVE_COUNTER}/.ATTRIBUTES/VARIABLE_VALUE"))
    if TRAIN_DATA in missing:
        _LOG.warning("%s does not hold the position in the training data; it is taken from the step.", path)
    if SEED_GENERATORS in missing:
        _LOG.warning("%s does not hold the random state of dropout; the noise will be other noise.", path)


def has_key(path: str, prefix: str) -> bool:
    """Say whether the checkpoint at `path` holds anything under `prefix`, as in `train_data/iterator`."""
    return any(name == prefix or name.startswith(f"{prefix}/") for name, _ in tf.train.list_variables(path))


def write_atomically(path: str, text: str) -> None:
    """Write a small file so that a reader, or a crash, meets the old content or the new, never a part."""
    temporary = f"{path}.tmp-{os.getpid()}"
    with tf.io.gfile.GFile(temporary, "w") as file:
        file.write(text)
    tf.io.gfile.rename(temporary, path, overwrite=True)


def _names(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _top_level(path: str) -> list[str]:
    names = {name.split("/")[0] for name, _ in tf.train.list_variables(path)}
    return sorted(names - {"_CHECKPOINTABLE_OBJECT_GRAPH"})


def _unmatched(message: str) -> str:
    """Shorten TensorFlow's list of unmatched objects, which prints whole values, to names and shapes."""
    variables = [f"{name} {shape}" for name, shape in _VARIABLE_IN_MESSAGE.findall(message)]
    if not variables:
        return message.splitlines()[0]
    more = len(variables) - _SHOWN_VARIABLES
    return "; ".join(variables[:_SHOWN_VARIABLES]) + (f"; and {more} more" if more > 0 else "")
