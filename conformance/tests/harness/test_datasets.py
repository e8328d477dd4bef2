import dataclasses
from types import SimpleNamespace

import pytest
from assay.conformance.harness.pipelines import data_params


@dataclasses.dataclass(frozen=True)
class Frozen:
    is_training: bool = True
    global_batch_size: int = 6


class Locked:
    """A configuration that refuses to be changed, as locked ones do."""

    def __init__(self):
        self.__dict__.update(is_training=True, global_batch_size=6)

    def __setattr__(self, name, value):
        raise ValueError("locked")


class Replacing(Locked):
    """A locked configuration that gives changed copies."""

    def replace(self, **changes):
        copied = type(self)()
        copied.__dict__.update(changes)
        return copied


def task_with(train_data, validation_data=None):
    return SimpleNamespace(task_config=SimpleNamespace(train_data=train_data, validation_data=validation_data))


@pytest.mark.parametrize(
    "config", [Frozen(), Locked(), Replacing(), SimpleNamespace(is_training=True, global_batch_size=6)]
)
def test_own_configuration_is_copied_and_changed(config):
    params = data_params(task_with(config), training=True, global_batch_size=3)

    assert (params.global_batch_size, params.is_training) == (3, True)
    assert config.global_batch_size == 6


def test_mapping_is_copied_and_changed():
    config = {"is_training": True, "global_batch_size": 6}

    params = data_params(task_with(config), training=True, global_batch_size=3, seed=1)

    assert params == {"is_training": True, "global_batch_size": 3}
    assert config["global_batch_size"] == 6


def test_field_that_the_configuration_lacks_is_left_out():
    params = data_params(task_with(Frozen()), training=True, drop_remainder=False)

    assert not hasattr(params, "drop_remainder")


@pytest.mark.parametrize("unset", [0, None])
def test_batch_size_that_is_not_set_gets_a_default(unset):
    task = task_with(SimpleNamespace(global_batch_size=unset))

    assert data_params(task, training=True).global_batch_size == 8
    assert data_params(task, training=True, global_batch_size=3).global_batch_size == 3


def test_nested_configuration_is_not_shared():
    config = SimpleNamespace(global_batch_size=6, nested=[1])

    data_params(task_with(config), training=True).nested.append(2)

    assert config.nested == [1]


@pytest.mark.parametrize("task", [SimpleNamespace(), task_with(None), SimpleNamespace(task_config=None)])
@pytest.mark.parametrize("training", [True, False])
def test_task_without_configuration_gets_simple_params(task, training):
    params = data_params(task, training=training, seed=4)

    assert vars(params) == {
        "is_training": training,
        "global_batch_size": 8,
        "drop_remainder": training,
        "seed": 4,
    }
