"""Distribution strategies by name, with the reason when one cannot be had.

```python
strategy = get_distribution_strategy("mirrored", num_gpus=2)
with strategy.scope():
    model = task.build_model()
```
"""

import contextlib
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.core.config import STRATEGIES, ConfigError, Problem

logger = logging.getLogger(__name__)

LOCAL_TPU = "local"
_CLUSTER_HINT = (
    'Set it in the environment of every process, for example {"cluster": {"chief": ["host0:2222"], "worker": '
    '["host1:2222"], "ps": ["host2:2222"]}, "task": {"type": "chief", "index": 0}}.'
)


def get_distribution_strategy(
    distribution_strategy: str = "mirrored",
    *,
    num_gpus: int = 0,
    num_cpu_devices: int | None = None,
    tpu: str | None = None,
    all_reduce_alg: str | None = None,
    num_packs: int = 1,
) -> Any:
    """Make a distribution strategy.

    Args:
        distribution_strategy: In upper or lower case, one of

            - `off`: TensorFlow's default strategy, one replica wherever TensorFlow places it.
            - `one_device`: one replica on the first GPU, or on the CPU when `num_gpus` is 0.
            - `mirrored`: a replica on each GPU; on the CPU, or on each of `num_cpu_devices` parts of it, when
              `num_gpus` is 0.
            - `multi_worker_mirrored`: a replica on each GPU of each worker that TF_CONFIG names.
            - `parameter_server`: the coordinator's side of the cluster that TF_CONFIG names. Steps then have to be
              scheduled by a `ClusterCoordinator`, which the loop of this package does not do.
            - `tpu`: a replica on each core of a TPU.
        num_gpus: Number of GPUs to use.
        num_cpu_devices: Number of logical CPU devices for `mirrored`; TensorFlow must not have started, unless it
            has as many. They share the cores, so this is for testing what replicas do, not for speed.
        tpu: Name or address of a TPU; None and `local` mean the one on this machine.
        all_reduce_alg: How gradients are summed: `nccl` or `hierarchical_copy` for `mirrored`, `nccl` or `ring` for
            `multi_worker_mirrored`; None chooses by device.
        num_packs: Number of packs that gradients are grouped into; with an `all_reduce_alg` for `mirrored` only.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ConfigError: There is no such strategy, a device or cluster that it needs is absent, or an argument has no
            meaning for it.
    """
    name = distribution_strategy.lower() if isinstance(distribution_strategy, str) else distribution_strategy
    if name not in STRATEGIES:
        raise _refused(
            "distribution_strategy", f"must be one of {', '.join(STRATEGIES)}; received {distribution_strategy!r}."
        )
    if num_gpus < 0:
        raise _refused("num_gpus", f"must not be negative; received {num_gpus}.")
    if (num_cpu_devices or 1) > 1 and (name != "mirrored" or num_gpus):
        raise _refused(
            "num_cpu_devices",
            f"is for 'mirrored' without GPUs; received {num_cpu_devices} with {name!r} and {num_gpus} GPUs.",
        )
    make: dict[str, Callable[[], Any]] = {
        "off": lambda: _off(num_gpus),
        "one_device": lambda: _one_device(num_gpus),
        "mirrored": lambda: _mirrored(num_gpus, num_cpu_devices, all_reduce_alg, num_packs),
        "multi_worker_mirrored": lambda: _multi_worker_mirrored(num_gpus, all_reduce_alg),
        "parameter_server": _parameter_server,
        "tpu": lambda: _tpu(tpu),
    }
    return make[name]()


def make_logical_cpu_devices(count: int) -> list[str]:
    """Split the CPU into `count` logical devices and return their names.

    Args:
        count: Number of devices. When TensorFlow has started with as many, or more, the first ones are returned.

    Raises:
        ConfigError: TensorFlow has started with fewer.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or ()) < count:
        with contextlib.suppress(RuntimeError):  # TensorFlow has started; what it started with is looked at below.
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(names) < count:
        raise _refused(
            "num_cpu_devices",
            f"is {count}, but TensorFlow has started with {len(names)} already and cannot change that. Call "
            f"`get_distribution_strategy` (or `tf.config.set_logical_device_configuration`) before the first "
            "operation, model or dataset of the process.",
        )
    return names[:count]


def _off(num_gpus: int) -> Any:
    if num_gpus > 1:
        raise _refused("num_gpus", f"is {num_gpus}, but without a strategy one device is used; choose 'mirrored'.")
    _gpus(num_gpus)
    return tf.distribute.get_strategy()


def _one_device(num_gpus: int) -> Any:
    if num_gpus > 1:
        raise _refused("num_gpus", f"is {num_gpus}, but 'one_device' uses one; choose 'mirrored'.")
    return tf.distribute.OneDeviceStrategy(_gpus(1)[0] if num_gpus else "/device:CPU:0")


def _mirrored(num_gpus: int, num_cpu_devices: int | None, all_reduce_alg: str | None, num_packs: int) -> Any:
    devices = _gpus(num_gpus) if num_gpus else make_logical_cpu_devices(num_cpu_devices or 1)
    algorithms = {"nccl": tf.distribute.NcclAllReduce, "hierarchical_copy": tf.distribute.HierarchicalCopyAllReduce}
    if all_reduce_alg is not None:
        if all_reduce_alg not in algorithms:
            raise _refused(
                "all_reduce_alg", f"must be {' or '.join(algorithms)} for 'mirrored'; received {all_reduce_alg!r}."
            )
        if all_reduce_alg == "nccl" and not num_gpus:
            raise _refused("all_reduce_alg", "is 'nccl', which sums on GPUs; `num_gpus` is 0.")
        return tf.distribute.MirroredStrategy(devices, cross_device_ops=algorithms[all_reduce_alg](num_packs))
    if not num_gpus:
        # TensorFlow's own choice sums by collective operations, whose keys begin anew with each strategy: the second
        # strategy of a process fails as soon as its tensors have other shapes, and so does every later one.
        return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
    return tf.distribute.MirroredStrategy(devices)


def _multi_worker_mirrored(num_gpus: int, all_reduce_alg: str | None) -> Any:
    implementations = tf.distribute.experimental.CommunicationImplementation
    algorithms = {None: implementations.AUTO, "ring": implementations.RING, "nccl": implementations.NCCL}
    if all_reduce_alg not in algorithms:
        raise _refused(
            "all_reduce_alg", f"must be ring or nccl for 'multi_worker_mirrored'; received {all_reduce_alg!r}."
        )
    visible = len(tf.config.get_visible_devices("GPU"))
    if visible != num_gpus:
        raise _refused(
            "num_gpus",
            f"is {num_gpus}, but 'multi_worker_mirrored' uses every GPU that this worker sees: {visible}. Change one "
            "or the other (CUDA_VISIBLE_DEVICES).",
        )
    if not _cluster():
        logger.warning("TF_CONFIG names no cluster: multi_worker_mirrored runs with this one worker.")
    options = tf.distribute.experimental.CommunicationOptions(implementation=algorithms[all_reduce_alg])
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)


def _parameter_server() -> Any:
    cluster = _cluster()
    missing = [role for role in ("chief", "worker", "ps") if not cluster.get(role)]
    if missing:
        found = f"names no {' and no '.join(missing)}" if cluster else "names no cluster"
        raise _refused(
            "distribution_strategy", f"'parameter_server' needs a cluster, and TF_CONFIG {found}. {_CLUSTER_HINT}"
        )
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type != "chief":
        raise _refused(
            "distribution_strategy",
            f"'parameter_server' is made by the chief; TF_CONFIG says that this process is {resolver.task_type!r} "
            f"{resolver.task_id}. Run a `tf.distribute.Server` there and `join()` it.",
        )
    return tf.distribute.ParameterServerStrategy(resolver)


def _tpu(tpu: str | None) -> Any:
    name = tpu or LOCAL_TPU
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        if name != LOCAL_TPU:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except Exception as error:  # ValueError, NotFoundError, network errors: all mean that there is no TPU to be had
        reason = str(error).strip().splitlines()[0]
        raise _refused(
            "distribution_strategy",
            f"is 'tpu', but no TPU was found under {name!r}: {reason[:300]} This needs a machine with a TPU, and a "
            "TensorFlow built for it (on a TPU VM: the `tensorflow-tpu` package).",
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _gpus(count: int) -> list[str]:
    names = [device.name for device in tf.config.list_logical_devices("GPU")] if count else []
    if len(names) < count:
        raise _refused(
            "num_gpus",
            f"is {count}, but TensorFlow sees {len(names)}. Common causes: CUDA_VISIBLE_DEVICES hides them (it is "
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')!r}); the driver or the CUDA libraries are missing "
            "(`pip install tensorflow[and-cuda]`); this machine has fewer.",
        )
    return names[:count]


def _cluster() -> dict[str, Any]:
    """Return the roles of TF_CONFIG's cluster and their addresses, empty when it names none."""
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text or "{}")
        return dict(config.get("cluster", {}))
    except (ValueError, AttributeError, TypeError):
        raise ConfigError(
            f"TF_CONFIG in the environment must be a JSON object; received {text!r}. {_CLUSTER_HINT}"
        ) from None


def _refused(argument: str, message: str) -> ConfigError:
    return ConfigError(Problem(argument, message))
