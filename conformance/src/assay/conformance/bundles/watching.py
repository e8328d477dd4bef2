"""Watches a compiled `tf.function`: what it is called with, the variables that it reads and writes, what it returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from assay.conformance.bundles.manifest import DATA, STATE, VALUE
from assay.conformance.bundles.recording import Call, NotExportableError, Port, Recorder


def watched(function: Any, python: Callable[..., Any], recorder: Recorder, what: str) -> Callable[..., Any]:
    """Return a function that calls another, and records each call that a rule makes.

    Args:
      function: A `tf.function`.
      python: What it was made of.
      recorder: Where calls are kept.
      what: What reports call it.
    """

    def call(*arguments: Any) -> Any:
        import tensorflow as tf

        concrete = function.get_concrete_function(*arguments)

        def lower() -> bytes:
            # Through a function of exactly these tensors: arguments that have defaults would have to be passed here.
            # From their shapes: XLA on the CPU would take a value for a constant where an operation needs one.
            leaves = tf.nest.flatten(arguments, expand_composites=True)

            def of_leaves(*same: Any) -> Any:
                return python(*tf.nest.pack_sequence_as(arguments, list(same), expand_composites=True))

            specs = [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves]
            compiled = tf.function(of_leaves, jit_compile=True)
            return bytes(compiled.experimental_get_compiler_ir(*specs)(stage="hlo_serialized"))

        try:
            variables = _variables(concrete)
            inputs = tuple(_inputs(recorder, concrete, arguments, variables))
        except NotExportableError as refusal:
            recorder.add(Call(what, concrete, lower, refusal=str(refusal)))
            return function(*arguments)
        returned = function(*arguments)
        outputs = tuple(
            recorder.keep(f"output {name}", VALUE, tensor.numpy())
            for name, tensor in _leaves(returned)
            if _is_tensor(tensor)
        )
        after = {
            place: recorder.keep(inputs[place].name, STATE, variable.numpy()) for place, variable in variables.items()
        }
        recorder.add(Call(what, concrete, lower, inputs, outputs, after))
        return returned

    return call


def _variables(concrete: Any) -> dict[int, Any]:
    """The captured variables, by their place among the inputs."""
    import tensorflow as tf

    first = len(concrete.inputs) - len(concrete.captured_inputs)
    known = {id(variable.handle): variable for variable in concrete.variables}
    found = {}
    for place, captured in enumerate(concrete.captured_inputs, start=first):
        if captured.dtype in (tf.resource, tf.variant):
            own = known.get(id(captured))
            found[place] = _Handle.of(captured, place - first) if own is None else own
    return found


@dataclasses.dataclass(frozen=True)
class _Handle:
    """A variable that a function does not name among its own, because it is used through its handle alone."""

    name: str
    resource: Any
    dtype: Any

    @classmethod
    def of(cls, resource: Any, number: int) -> _Handle:
        """Take a captured resource for a variable.

        Raises:
          NotExportableError: If it is none.
        """
        import tensorflow as tf

        about = getattr(resource, "_handle_data", None)
        if about is None or not about.is_set or len(about.shape_and_type) != 1:
            raise NotExportableError("it uses a resource that is no variable (a table, an iterator)")
        return cls(f"variable {number}", resource, tf.dtypes.as_dtype(about.shape_and_type[0].dtype))

    def numpy(self) -> Any:
        """Return its value now."""
        import tensorflow as tf

        return tf.raw_ops.ReadVariableOp(resource=self.resource, dtype=self.dtype).numpy()


def _inputs(recorder: Recorder, concrete: Any, arguments: Any, variables: dict[int, Any]) -> Iterator[Port]:
    tensors = [(name, leaf) for name, leaf in _leaves(arguments) if _is_tensor(leaf)]
    first = len(concrete.inputs) - len(concrete.captured_inputs)
    if len(tensors) != first:
        raise NotExportableError("it is called with what is no tensor")
    for name, tensor in tensors:
        yield recorder.keep(f"argument {name}", DATA, _exportable(tensor).numpy())
    for place, captured in enumerate(concrete.captured_inputs, start=first):
        if place in variables:
            yield recorder.keep(variables[place].name.removesuffix(":0"), STATE, _exportable(variables[place]).numpy())
        else:
            yield recorder.keep(f"constant {place - first}", DATA, _exportable(captured).numpy())


def _exportable(tensor: Any) -> Any:
    import tensorflow as tf

    if tensor.dtype in (tf.string, tf.variant) or tensor.dtype.is_quantized:
        raise NotExportableError(f"it is given {tensor.dtype.name}, which is no number")
    return tensor


def _is_tensor(leaf: Any) -> bool:
    import tensorflow as tf

    return tf.is_tensor(leaf)


def _leaves(structure: Any) -> list[tuple[str, Any]]:
    """The leaves of a structure, each with a name made of its keys and positions: `loss`, `1.0`."""
    import tensorflow as tf

    flat = tf.nest.flatten(structure, expand_composites=True)
    paths = list(_paths(structure))
    return list(zip(paths if len(paths) == len(flat) else map(str, range(len(flat))), flat, strict=True))


def _paths(structure: Any, path: str = "") -> Iterator[str]:
    """Where each leaf stands, in the order of `tf.nest`: mappings by sorted keys."""
    if isinstance(structure, dict):
        entries: Any = sorted(structure.items())
    elif isinstance(structure, list | tuple):
        entries = enumerate(structure)
    else:
        yield path or "0"
        return
    for key, value in entries:
        yield from _paths(value, f"{path}.{key}" if path else str(key))
