"""A run that is stopped and resumed in a new process ends where an uninterrupted run ends, bit for bit."""

import os

import numpy as np
import pytest
import tensorflow as tf
from commands import TWO_REPLICAS, train

pytestmark = [pytest.mark.slow, pytest.mark.flavour]

STEPS = 6
STOPS = (1, 3)
LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") == "1"
# tf_keras gives every replica moving statistics of its own and writes their mean into a checkpoint. A resumed replica
# starts from that mean: the mean goes on as before, but it is rounded at another place.
AVERAGED_WHEN_SAVED = ("/moving_mean/", "/moving_variance/")
SEEDED = ("runtime.seed=7", "runtime.deterministic_ops=true", "trainer.checkpoint_interval=100")


def variables(folder):
    """Every numeric value of the final checkpoint, by key."""
    reader = tf.train.load_checkpoint(str(folder / f"ckpt-{STEPS}"))
    return {
        key: reader.get_tensor(key)
        for key, dtype in reader.get_variable_to_dtype_map().items()
        if (dtype.is_floating or dtype.is_integer) and key != "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    }


@pytest.mark.parametrize("placement", [(), TWO_REPLICAS], ids=["one replica", "two replicas"])
def test_resumed_run_equals_uninterrupted_run(tmp_path, placement):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder, ends in ((whole, (STEPS,)), (parts, (*STOPS, STEPS))):
        for end in ends:
            done = train(folder, *SEEDED, *placement, f"trainer.train_steps={end}")
            assert done.returncode == 0, done.stderr

    expected, received = variables(whole), variables(parts)

    assert expected.keys() == received.keys()
    assert len(expected) > 20
    averaged = {key for key in expected if LEGACY and placement and any(name in key for name in AVERAGED_WHEN_SAVED)}
    for key in averaged:
        np.testing.assert_allclose(received[key], expected[key], rtol=1e-6, atol=1e-6, err_msg=key)
    exact = expected.keys() - averaged
    assert [key for key in exact if not np.array_equal(expected[key], received[key])] == []


def test_another_seed_ends_elsewhere(tmp_path):
    """The comparison above would notice: a run on other data does not give the same weights."""
    for name, seed in (("one", 1), ("other", 2)):
        done = train(tmp_path / name, "runtime.seed=7", f"task.train_data.seed={seed}", f"trainer.train_steps={STEPS}")
        assert done.returncode == 0, done.stderr
    one, other = variables(tmp_path / "one"), variables(tmp_path / "other")

    weights = [key for key, value in one.items() if value.dtype == np.float32 and value.ndim >= 2]
    assert len(weights) > 5
    assert [key for key in weights if np.array_equal(one[key], other[key])] == []
