"""The graph of a dataset: which of its operations keep state outside the iterator, and whose order is left open."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

_IGNORE_STATE = 1
"""`ExternalStatePolicy.IGNORE`: a look at the graph only."""

_RANDOM = re.compile(
    r"Random(?!.*Dataset)|TruncatedNormal|Multinomial|StatefulUniform|StatefulStandardNormal|RngReadAndSkip|RngSkip"
    r"|SampleDistortedBoundingBox"
)
_PYTHON = re.compile(r"(Eager)?PyFunc")
_GENERATORS = ("RngReadAndSkip", "RngSkip", "StatefulUniform", "StatefulStandardNormal")
_VARIABLES = ("ReadVariableOp", "Assign", "VarHandleOp")
_METHODS = (
    "from_generator", "flat_map", "group_by_window", "take_while", "interleave", "filter", "reduce", "map", "scan",
    "snapshot", "unique",
)  # fmt: skip

_SEEDS_OF_SHUFFLE = slice(2, 4)  # inputs of every version of the operation: data, buffer, seed, second seed

_KEYED_BY_SEED = (
    "Draw with tf.random.stateless_* or tf.image.stateless_random_*, keyed by the seed and the position: "
    "`dataset.enumerate().map(lambda index, x: augment(x, seed=tf.stack([params.seed, index])))`, after the repeat."
)


@dataclasses.dataclass(frozen=True)
class DatasetOperation:
    """An operation of a dataset that matters for repeating it.

    Attributes:
      kind: Its type: `RandomUniform`.
      where: What it is part of: `the function 'augment' of Dataset.map`.
    """

    kind: str
    where: str

    @property
    def is_random(self) -> bool:
        """Whether it draws random numbers from a state of its own."""
        return bool(_RANDOM.match(self.kind))

    @property
    def is_python(self) -> bool:
        """Whether it runs Python."""
        return bool(_PYTHON.fullmatch(self.kind))

    def __str__(self) -> str:
        """`RandomUniform in the function 'augment' of Dataset.map`."""
        return f"{self.kind} in {self.where}" if self.where else self.kind

    @property
    def remedy(self) -> str:
        """What to use instead."""
        if self.kind in _GENERATORS:
            return f"A tf.random.Generator keeps its state in a variable, outside the iterator. {_KEYED_BY_SEED}"
        if self.is_random:
            return _KEYED_BY_SEED
        if "from_generator" in self.where:
            return (
                "Read with TensorFlow what the Python generator reads (from_tensor_slices, TFRecordDataset, tf.io), or "
                "make the dataset of the numbers of the examples and look them up."
            )
        if self.is_python:
            return "Do it with TensorFlow operations, or before the data is written: Python's state cannot be saved."
        if self.kind.startswith(_VARIABLES):
            return "Read variables outside the pipeline, or pass what changes in the data itself."
        return "Replace it by an operation without a state of its own."


def operations_with_state(dataset: Any) -> list[DatasetOperation]:
    """Return the operations that draw random numbers or run Python, at any depth, each once; [] where none is seen.

    Args:
      dataset: A `tf.data.Dataset`; of anything else nothing is seen.
    """
    seen = [one for one in _operations(dataset) if one.is_random or one.is_python]
    return list(dict.fromkeys(seen))


def changes_examples_at_random(dataset: Any) -> bool:
    """Whether examples are augmented, or drawn from several datasets or by a condition: their content may differ."""
    drawn = re.compile(r"Stateless(Random|Truncated|Sample|Multinomial|Parameterized)|DirectedInterleaveDataset")
    return any(one.is_random or one.is_python or drawn.match(one.kind) for one in _operations(dataset))


def texts_of(dataset: Any) -> list[str]:
    """Return the constant texts of a dataset: the names of the files that it reads are among them."""
    import tensorflow as tf

    graph = _graph_of(dataset)
    constants = [] if graph is None else [node.attr["value"].tensor for node in graph.node if node.op == "Const"]
    texts = [one for one in constants if one.dtype == tf.string.as_datatype_enum]
    values = [tf.io.parse_tensor(one.SerializeToString(), tf.string) for one in texts]
    return [text.decode(errors="replace") for value in values for text in tf.reshape(value, [-1]).numpy()]


def find_operation(dataset: Any, kind: str) -> DatasetOperation:
    """Return the first operation of a type, with where it is; without, when it is not found."""
    found = [one for one in _operations(dataset) if one.kind == kind]
    return next((one for one in found if one.where), found[0] if found else DatasetOperation(kind, ""))


def unordered_transformations(dataset: Any) -> list[str]:
    """Return the parallel transformations that may yield in any order: `ParallelMapDatasetV2 (deterministic=False)`."""
    graph = _graph_of(dataset)
    if graph is None:
        return []
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    marked = [node.op for node in nodes if "deterministic" in node.attr and node.attr["deterministic"].s == b"false"]
    names = [re.sub(r"^Parallel(\w+?)Dataset(V\d)?$", lambda m: f"Dataset.{m[1].lower()}", op) for op in marked]
    if not names and dataset.options().deterministic is False:
        names = ["the whole dataset, by its options"]
    return [f"{name} (deterministic=False)" for name in dict.fromkeys(names)]


def shuffle_seeds(dataset: Any) -> list[tuple[int, ...]]:
    """Return the seeds of each shuffle of a dataset outside of functions, in the order of its graph.

    A shuffle without a seed is given another one each time that it is made.
    """
    import tensorflow as tf

    graph = _graph_of(dataset)
    if graph is None:
        return []
    constants = [(node.name, node.attr["value"].tensor) for node in graph.node if node.op == "Const"]
    numbers = {
        name: int(tf.make_ndarray(one))
        for name, one in constants
        if one.dtype == tf.int64.as_datatype_enum and not one.tensor_shape.dim
    }
    seeds = [node.input[_SEEDS_OF_SHUFFLE] for node in graph.node if re.match(r"Shuffle(AndRepeat)?Dataset", node.op)]
    return [tuple(numbers[name] for name in pair if name in numbers) for pair in seeds]


def _operations(dataset: Any) -> Iterator[DatasetOperation]:
    graph = _graph_of(dataset)
    if graph is None:
        return
    for node in graph.node:
        yield DatasetOperation(node.op, "")
    callers = _callers(graph)
    for function in graph.library.function:
        where = _where(function.signature.name, callers)
        for node in function.node_def:
            yield DatasetOperation(node.op, where)


def _graph_of(dataset: Any) -> Any:
    import tensorflow as tf
    from tensorflow.core.framework import graph_pb2

    variant = getattr(dataset, "_variant_tensor", None)
    if variant is None or not isinstance(dataset, tf.data.Dataset):
        return None
    try:
        text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=_IGNORE_STATE)
    except tf.errors.OpError:  # a dataset that cannot be written down says nothing of itself
        return None
    return graph_pb2.GraphDef.FromString(text.numpy())


def _callers(graph: Any) -> dict[str, str]:
    """For each function one that uses it."""
    callers: dict[str, str] = {}
    for function in graph.library.function:
        for node in function.node_def:
            for value in node.attr.values():
                for called in [value.func.name, *(one.name for one in value.list.func)]:
                    if called:
                        callers.setdefault(called, function.signature.name)
    return callers


def _where(name: str, callers: dict[str, str]) -> str:
    """Which function of the subject's, given to which transformation, a function of the graph is part of."""
    seen: set[str] = set()
    while not name.startswith("__inference_Dataset_") and name in callers and name not in seen:
        seen.add(name)
        name = callers[name]
    stem = re.sub(r"^__inference_Dataset_|_\d+$", "", name)
    for method in _METHODS:
        if stem.startswith(f"{method}_"):
            function = stem.removeprefix(f"{method}_")
            if method == "from_generator" or function in ("flat_map_fn", "generator_next_fn"):
                return "Dataset.from_generator"
            if function in ("_reject", "reject", "maybe_warn_on_large_rejection"):
                return "Dataset.rejection_resample"
            called = "a lambda" if function in ("lambda", "<lambda>") else f"the function {function!r}"
            return f"{called} of Dataset.{method}"
    return ""
