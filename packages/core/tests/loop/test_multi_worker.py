"""Two workers in two processes: the same training as on one, and the same end when one of them is asked to stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import line_task
import numpy as np
import pytest
import tensorflow as tf

HERE = os.path.dirname(__file__)
WORKER = """
import sys
from assay.core import TrainingInterrupted, get_distribution_strategy, run_experiment
strategy = get_distribution_strategy("multi_worker_mirrored")
import tensorflow as tf
import line_task

class Sharded(line_task.LineTask):
    def build_inputs(self, params, input_context=None):
        data = tf.data.Dataset.from_tensor_slices((line_task.EXAMPLES, 2 * line_task.EXAMPLES))
        data = data.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
        size = input_context.get_per_replica_batch_size(params.global_batch_size)
        return (data.repeat() if params.is_training else data).batch(size)

model_dir, steps, per_loop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = line_task.experiment(
    train_steps=steps, steps_per_loop=per_loop, validation_interval=steps, checkpoint_interval=steps,
    summary_interval=per_loop,
)
config.trainer.optimizer_config.optimizer.type = "sgd"
config.trainer.optimizer_config.learning_rate.type = "constant"
config.trainer.optimizer_config.learning_rate.constant.learning_rate = line_task.RATE
try:
    _, logs = run_experiment(strategy, Sharded(config.task), "train_and_eval", config, model_dir)
    print("error", logs["error"])
except TrainingInterrupted as interrupted:
    print("interrupted", interrupted.step)
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(tmp_path, steps, per_loop):
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    workers = []
    for index in range(2):
        environment = os.environ | {
            "PYTHONPATH": HERE,
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        }
        command = [sys.executable, "-c", WORKER, str(tmp_path / "run"), str(steps), str(per_loop)]
        workers.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    return workers


def ends(workers):
    """The last word of each worker."""
    try:
        outputs = [worker.communicate(timeout=180) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(out.splitlines() or [err])[-1] for out, err in outputs]


@pytest.mark.slow
def test_two_workers_train_as_one_and_one_of_them_writes(tmp_path):
    first, second = ends(start(tmp_path, 6, 2))

    weight = line_task.sgd_by_hand(6)[0]
    assert first == second
    np.testing.assert_allclose(float(first.split()[1]), 6.5 * (2 - weight), rtol=1e-5)
    path = tf.train.latest_checkpoint(str(tmp_path / "run"))
    assert path == str(tmp_path / "run" / "ckpt-6")
    assert len(os.listdir(tmp_path / "run" / "train")) == 1


@pytest.mark.slow
def test_notice_to_one_worker_ends_all_at_the_same_step(tmp_path):
    workers = start(tmp_path, 10_000_000, 20)
    deadline = time.monotonic() + 90
    while not (tmp_path / "run" / "train").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3)

    workers[1].send_signal(signal.SIGTERM)
    first, second = ends(workers)

    assert first.startswith("interrupted ")
    assert first == second
    step = int(first.split()[1])
    assert tf.train.latest_checkpoint(str(tmp_path / "run")) == str(tmp_path / "run" / f"ckpt-{step}")
