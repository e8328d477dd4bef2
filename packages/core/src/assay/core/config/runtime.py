"""The options of the machine: `RuntimeConfig`."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core.config.base import Config
from assay.core.config.errors import Problem

STRATEGIES = ("off", "one_device", "mirrored", "multi_worker_mirrored", "parameter_server", "tpu")
"""The names of distribution strategies; upper and lower case are the same."""


@dataclasses.dataclass
class RuntimeConfig(Config):
    """The machine: devices, precision, compilation, randomness.

    Attributes:
        distribution_strategy: `off`, `one_device`, `mirrored`, `multi_worker_mirrored`, `parameter_server` or `tpu`.
            A cluster is described by the TF_CONFIG environment variable.
        num_gpus: GPUs to use; 0 means CPU.
        num_cpu_devices: Logical CPU devices to make, each a replica of `mirrored`; None leaves the CPU as it is.
        tpu: Name or address of a TPU, `local` for the one on this machine; with `tpu` only.
        mixed_precision_dtype: Compute dtype of the layers: `float32`, `float16` or `bfloat16`; None is float32.
        loss_scale: With float16: `dynamic` (also what None means), or a number for a fixed one.
        enable_xla: Whether functions are compiled by XLA where it can.
        run_eagerly: Whether nothing is compiled to graphs, for debugging.
        all_reduce_alg: `nccl`, `hierarchical_copy` or `ring`; None chooses by device.
        num_packs: Number of packs that gradients are grouped into; with an `all_reduce_alg`.
        seed: Seed of Python, NumPy and TensorFlow; None for another run each time.
        deterministic_ops: Whether to use deterministic kernels only, which may be slower.
    """

    distribution_strategy: str = "mirrored"
    num_gpus: int = 0
    num_cpu_devices: int | None = None
    tpu: str | None = None
    mixed_precision_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    loss_scale: float | Literal["dynamic"] | None = None
    enable_xla: bool = False
    run_eagerly: bool = False
    all_reduce_alg: Literal["nccl", "hierarchical_copy", "ring"] | None = None
    num_packs: int = 1
    seed: int | None = None
    deterministic_ops: bool = False

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for an unknown strategy and for options that have no effect together."""
        strategy = self.distribution_strategy.lower()
        if strategy not in STRATEGIES:
            yield Problem(
                "distribution_strategy",
                f"must be one of {', '.join(STRATEGIES)}; received {self.distribution_strategy!r}.",
            )
        if self.num_gpus < 0:
            yield Problem("num_gpus", f"must not be negative; received {self.num_gpus}.")
        if self.num_cpu_devices is not None and self.num_cpu_devices < 1:
            yield Problem("num_cpu_devices", f"must be above 0, or null; received {self.num_cpu_devices}.")
        if self.num_cpu_devices is not None and self.num_gpus > 0:
            yield Problem("num_cpu_devices", f"has no effect, because `num_gpus` is {self.num_gpus}.")
        elif (self.num_cpu_devices or 1) > 1 and strategy != "mirrored":
            yield Problem("num_cpu_devices", f"is for 'mirrored'; the strategy is {self.distribution_strategy!r}.")
        if self.num_packs < 1:
            yield Problem("num_packs", f"must be above 0; received {self.num_packs}.")
        if self.num_packs > 1 and self.all_reduce_alg is None:
            yield Problem("num_packs", "has no effect, because there is no `all_reduce_alg`.")
        if self.tpu is not None and strategy != "tpu":
            yield Problem("tpu", f"has no effect, because `distribution_strategy` is {self.distribution_strategy!r}.")
        if self.loss_scale is not None and self.mixed_precision_dtype != "float16":
            yield Problem(
                "loss_scale", f"is for float16 only; `mixed_precision_dtype` is {self.mixed_precision_dtype!r}."
            )
        if isinstance(self.loss_scale, int | float) and not self.loss_scale > 0:
            yield Problem("loss_scale", f"must be above 0; received {self.loss_scale}.")
        if self.enable_xla and self.run_eagerly:
            yield Problem("enable_xla", "has no effect, because `run_eagerly` is true.")
