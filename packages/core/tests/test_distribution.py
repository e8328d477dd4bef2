"""Distribution strategies by name, and the reasons when one cannot be had."""

import json
import os
import socket
import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf
from assay.core.config import ConfigError
from assay.core.distribution import get_distribution_strategy, make_logical_cpu_devices


@pytest.fixture
def no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def replica_sum(strategy, length):
    """What a vector of ones sums to over the replicas, `[length]`."""

    @tf.function
    def run():
        total = strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.ones([length])))
        return strategy.experimental_local_results(total)[0]

    return run().numpy().tolist()


def test_off_is_one_replica():
    assert get_distribution_strategy("off").num_replicas_in_sync == 1


@pytest.mark.parametrize("name", ["one_device", "One_Device", "ONE_DEVICE"])
def test_names_do_not_depend_on_case(name):
    assert isinstance(get_distribution_strategy(name), tf.distribute.OneDeviceStrategy)


def test_mirrored_is_one_cpu_replica_by_default():
    strategy = get_distribution_strategy()

    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 1


def test_mirrored_takes_logical_cpu_devices():
    strategy = get_distribution_strategy("mirrored", num_cpu_devices=2)

    assert strategy.num_replicas_in_sync == 2
    assert replica_sum(strategy, 3) == [2.0, 2.0, 2.0]


def test_strategies_of_one_process_do_not_disturb_one_another():
    for length in (3, 5, 2):
        assert replica_sum(get_distribution_strategy("mirrored", num_cpu_devices=2), length) == [2.0] * length


def test_hierarchical_copy_sums_on_the_cpu():
    strategy = get_distribution_strategy("mirrored", num_cpu_devices=2, all_reduce_alg="hierarchical_copy", num_packs=2)

    assert replica_sum(strategy, 2) == [2.0, 2.0]


def test_more_cpu_devices_than_tensorflow_started_with_are_refused():
    tf.ones([])

    with pytest.raises(ConfigError, match=r"num_cpu_devices: is 3, but TensorFlow has started with 2 .* before the"):
        make_logical_cpu_devices(3)


def test_multi_worker_without_a_cluster_is_one_worker(no_cluster):
    assert get_distribution_strategy("multi_worker_mirrored").num_replicas_in_sync == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distribution_strategy": "miror"}, r"distribution_strategy: must be one of off, .*; received 'miror'"),
        ({"distribution_strategy": False}, r"distribution_strategy: must be one of off, .*; received False"),
        ({"num_gpus": -1}, r"num_gpus: must not be negative; received -1"),
        ({"num_gpus": 99}, r"num_gpus: is 99, but TensorFlow sees \d+\. Common causes: CUDA_VISIBLE_DEVICES"),
        ({"distribution_strategy": "off", "num_gpus": 2}, r"num_gpus: is 2, .* choose 'mirrored'"),
        ({"distribution_strategy": "one_device", "num_gpus": 2}, r"num_gpus: is 2, .* choose 'mirrored'"),
        ({"distribution_strategy": "one_device", "num_cpu_devices": 2}, r"num_cpu_devices: is for 'mirrored'"),
        ({"num_cpu_devices": 2, "num_gpus": 1}, r"num_cpu_devices: is for 'mirrored' without GPUs"),
        ({"all_reduce_alg": "ring"}, r"all_reduce_alg: must be nccl or hierarchical_copy for 'mirrored'"),
        ({"all_reduce_alg": "nccl"}, r"all_reduce_alg: is 'nccl', which sums on GPUs"),
        (
            {"distribution_strategy": "multi_worker_mirrored", "all_reduce_alg": "hierarchical_copy"},
            r"all_reduce_alg: must be ring or nccl for 'multi_worker_mirrored'",
        ),
        (
            {"distribution_strategy": "multi_worker_mirrored", "num_gpus": 7},
            r"num_gpus: is 7, but 'multi_worker_mirrored' uses every GPU that this worker sees: \d+",
        ),
        ({"distribution_strategy": "tpu"}, r"is 'tpu', but no TPU was found under 'local'"),
        ({"distribution_strategy": "parameter_server"}, r"needs a cluster, and TF_CONFIG names no cluster\. Set it"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(arguments, message, no_cluster):
    with pytest.raises(ConfigError, match=message):
        get_distribution_strategy(**arguments)


@pytest.mark.parametrize(
    ("tf_config", "message"),
    [
        ({"cluster": {"worker": ["h:1"]}}, r"TF_CONFIG names no chief and no ps"),
        (
            {
                "cluster": {"chief": ["h:1"], "worker": ["h:2"], "ps": ["h:3"]},
                "task": {"type": "worker", "index": 0},
            },
            r"TF_CONFIG says that this process is 'worker' 0\. Run a `tf.distribute.Server`",
        ),
        ("not json", r"TF_CONFIG in the environment must be a JSON object; received 'not json'"),
    ],
)
def test_parameter_server_says_what_the_cluster_lacks(tf_config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config if isinstance(tf_config, str) else json.dumps(tf_config))

    with pytest.raises(ConfigError, match=message):
        get_distribution_strategy("parameter_server")


def free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def start(program, tf_config=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(process):
    """The last line that a process prints; fails the test when it fails."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return out.strip().splitlines()[-1]


@pytest.mark.slow
def test_logical_cpu_devices_are_made_in_a_fresh_process():
    process = start(
        """
        from assay.core.distribution import get_distribution_strategy
        print(get_distribution_strategy("mirrored", num_cpu_devices=3).num_replicas_in_sync)
        """
    )

    assert output_of(process) == "3"


@pytest.mark.slow
def test_two_workers_sum_over_both():
    workers = free_addresses(2)
    program = """
        import tensorflow as tf
        from assay.core.distribution import get_distribution_strategy
        strategy = get_distribution_strategy("multi_worker_mirrored", all_reduce_alg="ring")
        total = strategy.run(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.ones([])))
        print(strategy.num_replicas_in_sync, float(total))
        """
    processes = [
        start(program, {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        for index in range(2)
    ]

    assert [output_of(process) for process in processes] == ["2 2.0", "2 2.0"]


@pytest.mark.slow
def test_parameter_server_is_made_on_a_cluster():
    chief, worker, server = free_addresses(3)
    cluster = {"chief": [chief], "worker": [worker], "ps": [server]}
    program = f"""
        import tensorflow as tf
        from assay.core.distribution import get_distribution_strategy
        spec = tf.train.ClusterSpec({ {"worker": [worker], "ps": [server]} })
        servers = [tf.distribute.Server(spec, job_name=job, task_index=0) for job in ("worker", "ps")]
        strategy = get_distribution_strategy("parameter_server")
        with strategy.scope():
            variable = tf.Variable(3.0)
        print(type(strategy).__name__, variable.device)
        """

    line = output_of(start(program, {"cluster": cluster, "task": {"type": "chief", "index": 0}}))

    assert line.startswith("ParameterServerStrategyV2")
    assert "/job:ps/" in line
