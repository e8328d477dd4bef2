"""Checkpoints that are damaged on purpose: a value is missing, a layer is renamed, a shape is another one."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

import numpy as np

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"
_RENAMED = "_renamed"


class Damage(enum.StrEnum):
    """What is wrong with a checkpoint, as messages say it."""

    MISSING = "without the value of a variable"
    RENAMED = "with a layer renamed"
    RESHAPED = "with another shape of a variable"


@dataclasses.dataclass(frozen=True)
class Damaged:
    """A damaged checkpoint.

    Attributes:
      path: Where it is.
      keys: The keys, in the sound checkpoint, of the values that a reader no longer finds as they were.
    """

    path: str
    keys: tuple[str, ...]


def damage(path: str, key: str, how: Damage, to: str) -> Damaged:
    """Write a copy of an object-based checkpoint that is damaged in one place.

    Args:
      path: The sound checkpoint.
      key: The key of the value to damage.
      how: What to do with it.
      to: The path of the copy.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    reader = tf.train.load_checkpoint(path)
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name != _GRAPH}
    graph = TrackableObjectGraph.FromString(reader.get_tensor(_GRAPH))
    keys: tuple[str, ...] = (key,)
    if how is Damage.RESHAPED:
        tensors[key] = _longer(tensors[key])
    elif how is Damage.MISSING:
        del tensors[key]
        _forget(graph, _node_of(graph, key))
    else:
        keys = _rename_layer(graph, key)
        tensors = {name + _RENAMED if name in keys else name: value for name, value in tensors.items()}
    _save(to, {**tensors, _GRAPH: np.array(graph.SerializeToString(), dtype=object)})
    return Damaged(to, keys)


def key_of_value(path: str, value: np.ndarray) -> str:
    """Return the key under which a checkpoint holds a value that it holds once; an empty string when it does not."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    alike = (name for name, shape in shapes.items() if name != _GRAPH and tuple(shape) == value.shape)
    return next((name for name in alike if np.array_equal(reader.get_tensor(name), value)), "")


def _node_of(graph: Any, key: str) -> int:
    return next(
        index
        for index, node in enumerate(graph.nodes)
        if any(attribute.checkpoint_key == key for attribute in node.attributes)
    )


def _forget(graph: Any, victim: int) -> None:
    """Take an object out of a graph: nobody refers to it any more, and it has no value."""
    del graph.nodes[victim].attributes[:]
    for node in graph.nodes:
        kept = [child for child in node.children if child.node_id != victim]
        del node.children[:]
        node.children.extend(kept)


def _rename_layer(graph: Any, key: str) -> tuple[str, ...]:
    """Rename all edges to the objects that hold a variable, or to the variable when the model itself holds it.

    Returns:
      The keys of all values below what was renamed; their own keys are renamed too.
    """
    victim = _node_of(graph, key)
    roots = {0} | {child.node_id for child in graph.nodes[0].children}
    holders = {
        index
        for index, node in enumerate(graph.nodes)
        if index not in roots and any(child.node_id == victim for child in node.children)
    }
    # What Keras keeps beside its layers (a list of the model's variables, say) also holds the variable: a layer is
    # what holds it by a name.
    named = {
        index
        for index in holders
        if any(child.node_id == victim and not child.local_name.isdigit() for child in graph.nodes[index].children)
    }
    targets = named or {victim}
    below = set(targets)
    for index in targets:
        below |= {child.node_id for child in graph.nodes[index].children}
    for node in graph.nodes:
        for child in node.children:
            if child.node_id in targets or (child.node_id in below and child.local_name.isdigit()):
                child.local_name += _RENAMED
    keys = []
    for index in below:
        for attribute in graph.nodes[index].attributes:
            if attribute.name == _VALUE:
                keys.append(attribute.checkpoint_key)
                attribute.checkpoint_key += _RENAMED
    return tuple(keys)


def _longer(value: np.ndarray) -> np.ndarray:
    """A value with one more element along its last dimension; of a scalar, two of it."""
    if not value.ndim:
        return np.stack([value, value])
    return np.concatenate([value, value[..., -1:]], axis=-1)


def _save(path: str, tensors: Mapping[str, np.ndarray]) -> None:
    import tensorflow as tf

    names = sorted(tensors)
    values = [tf.constant(tensors[name].item() if name == _GRAPH else tensors[name]) for name in names]
    with tf.device("/CPU:0"):
        tf.raw_ops.SaveV2(prefix=path, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)
