"""The metrics as Keras objects: state, policies, compilation, replicas, checkpoints and `fit`."""

import copy
import json
import pickle

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import Accuracy, ExpectedCalibrationError, MeanIoU, TopKAccuracy
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

pytestmark = pytest.mark.flavour

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 4, 24)
SCORES = RNG.normal(size=(24, 4)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, 24).astype(np.float32)
METRICS = [
    lambda: Accuracy(ignore_label=3),
    lambda: TopKAccuracy(2),
    lambda: MeanIoU(4, ignore_label=3),
    lambda: ExpectedCalibrationError(5, from_logits=True, ignore_label=3),
]


@pytest.fixture(params=["float32", "mixed_float16", "mixed_bfloat16"])
def policy(request):
    tf.keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    tf.keras.mixed_precision.set_global_policy("float32")


def state(metric):
    return [variable.numpy().tolist() for variable in metric.variables]


def fed(make, *arguments):
    metric = make()
    metric.update_state(*arguments)
    return metric.result().numpy()


@pytest.mark.parametrize(
    ("metric_class", "options"),
    [
        (Accuracy, {"name": "acc", "ignore_label": 3}),
        (TopKAccuracy, {"k": 2, "name": "best", "ignore_label": -1, "dtype": "float64"}),
        (
            MeanIoU,
            {
                "num_classes": 4,
                "name": "iou",
                "ignore_label": 3,
                "absent_class": "zero",
                "target_class_ids": [0, 2],
                "rescale_predictions": False,
                "input_size": [4, 5],
            },
        ),
        (ExpectedCalibrationError, {"num_bins": 4, "name": "ece", "from_logits": True, "ignore_label": 3}),
    ],
)
def test_config_is_json_and_rebuilds_the_metric(metric_class, options):
    metric = metric_class(**options)

    config = json.loads(json.dumps(metric.get_config()))
    rebuilt = metric_class.from_config(config)

    assert {key: config[key] for key in options} == options
    assert rebuilt.get_config() == metric.get_config()
    assert fed(lambda: rebuilt, IDS, SCORES, WEIGHTS) == fed(lambda: metric, IDS, SCORES, WEIGHTS)


def test_default_names_are_the_usual_ones():
    assert Accuracy().name == "accuracy"
    assert TopKAccuracy(3).name == "top_3_accuracy"


@pytest.mark.parametrize("make", METRICS)
def test_copy_is_equal(make):
    assert fed(lambda: copy.deepcopy(make()), IDS, SCORES) == fed(make, IDS, SCORES)


def test_variable_names_are_unique():
    names = [variable.name for variable in TopKAccuracy().variables]

    assert len(set(names)) == len(names) == 4


@pytest.mark.parametrize("make", METRICS)
def test_all_variables_exist_before_the_first_update(make):
    metric = make()
    before = len(metric.variables)

    tf.function(metric.update_state)(IDS, SCORES, WEIGHTS)

    assert len(metric.variables) == before > 0


@pytest.mark.parametrize("make", METRICS)
def test_result_changes_nothing(make):
    metric = make()
    metric.update_state(IDS, SCORES, WEIGHTS)
    before = state(metric)

    first, second = metric.result(), metric.result()

    assert first.numpy() == second.numpy()
    assert state(metric) == before


def test_inputs_stay_as_they_are():
    ids, scores, weights = IDS.copy(), SCORES.copy(), WEIGHTS.copy()

    Accuracy().update_state(ids, scores, weights)

    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(scores, SCORES)
    np.testing.assert_array_equal(weights, WEIGHTS)


def test_instances_are_apart():
    first, second = Accuracy(), Accuracy()

    first.update_state([0], [[1.0, 0.0]])

    assert second.result().numpy() == 0.0


@pytest.mark.parametrize("make", METRICS)
def test_result_and_counts_are_the_same_under_every_policy(make, policy):
    metric = make()

    for _ in range(60):
        metric.update_state(IDS, SCORES)

    assert metric.result().dtype == tf.float32
    assert metric.result().numpy() == pytest.approx(fed(make, IDS, SCORES), rel=1e-6)


def test_result_has_the_dtype_asked_for():
    metric = Accuracy(dtype="float64")
    metric.update_state([0, 0, 1], [[1.0, 0.0]] * 3)

    assert metric.result().dtype == tf.float64
    assert metric.result().numpy() == 2 / 3


@pytest.mark.parametrize("make", METRICS)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_updates_equal_eager(make, jit_compile):
    metric = make()

    tf.function(metric.update_state, jit_compile=jit_compile)(
        tf.constant(IDS), tf.constant(SCORES), tf.constant(WEIGHTS)
    )

    assert metric.result().numpy() == pytest.approx(fed(make, IDS, SCORES, WEIGHTS), rel=1e-6)


@pytest.mark.parametrize("make", METRICS)
def test_unknown_batch_size_gives_the_same_value(make):
    metric = make()
    update = tf.function(
        metric.update_state,
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, None], tf.float32)],
    )

    for part in (slice(0, 5), slice(5, 24), slice(24, 24)):
        update(IDS[part], SCORES[part])

    assert metric.result().numpy() == fed(make, IDS, SCORES)


def test_sizes_that_do_not_fit_are_refused_when_known_at_run_time_only():
    update = tf.function(
        Accuracy().update_state,
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 4], tf.float32)],
    )

    with pytest.raises(tf.errors.InvalidArgumentError):
        update(IDS[:1], SCORES)


@pytest.mark.parametrize("make", METRICS)
def test_reset_and_result_act_on_what_a_traced_update_uses(make):
    metric = make()
    update = tf.function(metric.update_state)
    update(IDS, SCORES)

    metric.reset_state()
    after_reset = metric.result().numpy()
    update(IDS, SCORES)

    assert after_reset == 0.0
    assert metric.result().numpy() == fed(make, IDS, SCORES)


@pytest.mark.parametrize("make", METRICS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_two_replicas_equal_one(make, weights):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        metric = make()
    arrays = (IDS, SCORES) if weights is None else (IDS, SCORES, weights)
    cut = {0: slice(0, 17), 1: slice(17, 24)}  # uneven on purpose
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tuple(tf.constant(array[cut[context.replica_id_in_sync_group]]) for array in arrays)
    )

    @tf.function
    def step(batch):
        strategy.run(lambda arguments: metric.update_state(*arguments), args=(batch,))

    step(parts)
    step(parts)

    assert metric.result().numpy() == pytest.approx(fed(make, *arrays), rel=1e-6)
    metric.reset_state()
    assert metric.result().numpy() == 0.0


@pytest.mark.parametrize("make", METRICS)
def test_replica_without_examples_changes_nothing(make):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        metric = make()
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tuple(
            tf.constant(array if context.replica_id_in_sync_group == 0 else array[:0]) for array in (IDS, SCORES)
        )
    )

    strategy.run(lambda arguments: metric.update_state(*arguments), args=(parts,))

    assert metric.result().numpy() == fed(make, IDS, SCORES)


@pytest.mark.parametrize("make", METRICS)
def test_merge_equals_one_metric_that_saw_all(make):
    parts = [make(), make(), make()]  # the last stays empty
    parts[0].update_state(IDS[:5], SCORES[:5], WEIGHTS[:5])
    parts[1].update_state(IDS[5:], SCORES[5:], WEIGHTS[5:])

    parts[2].merge_state(parts[:2])

    assert parts[2].result().numpy() == pytest.approx(fed(make, IDS, SCORES, WEIGHTS), rel=1e-6)
    assert parts[0].result().numpy() == fed(make, IDS[:5], SCORES[:5], WEIGHTS[:5])


@pytest.mark.parametrize("make", [Accuracy, lambda: TopKAccuracy(3), lambda: TopKAccuracy(2, ignore_label=0)])
def test_merge_of_other_kind_or_options_is_refused(make):
    metric, other = TopKAccuracy(2), make()
    other.update_state(IDS, SCORES)

    with pytest.raises(ValueError, match="same class and options"):
        metric.merge_state([other])

    assert metric.total.value().numpy() == 0.0


@pytest.mark.parametrize("make", METRICS)
def test_checkpoint_amid_an_accumulation_continues_equally(make, tmp_path):
    first, second = make(), make()
    first.update_state(IDS[:9], SCORES[:9], WEIGHTS[:9])
    path = tf.train.Checkpoint(metric=first).save(str(tmp_path / "ckpt"))

    second.update_state(IDS, SCORES)  # is overwritten by the restore
    tf.train.Checkpoint(metric=second).restore(path).assert_consumed()
    for metric in (first, second):
        metric.update_state(IDS[9:], SCORES[9:], WEIGHTS[9:])

    assert state(first) == state(second)
    keys = [key for key, _ in tf.train.list_variables(path)]
    name = first.variables[0].name.split(":")[0].split("/")[-1]
    assert name.endswith("_units")
    assert f"metric/{name}/.ATTRIBUTES/VARIABLE_VALUE" in keys


def test_counts_continue_past_the_limit_of_float32():
    metric = Accuracy()
    metric.update_state([0], [[1.0, 0.0]], tf.constant([2**24], tf.int64))

    for _ in range(8):
        metric.update_state([1], [[1.0, 0.0]])

    assert metric.total.value("float64").numpy() == 2**24 + 8


def test_fit_reports_the_metric():
    model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(4)])
    model.compile("sgd", "mse", metrics=[TopKAccuracy(2)], weighted_metrics=[Accuracy()])
    one_hot = np.eye(4, dtype=np.float32)[IDS]

    logs = model.evaluate(SCORES, one_hot, sample_weight=WEIGHTS, batch_size=7, verbose=0, return_dict=True)

    predictions = model.predict(SCORES, verbose=0)
    assert logs["top_2_accuracy"] == pytest.approx(fed(lambda: TopKAccuracy(2), IDS, predictions))
    assert logs["accuracy"] == pytest.approx(fed(Accuracy, IDS, predictions, WEIGHTS), rel=1e-6)


class SequencesMatchAModel(RuleBasedStateMachine):
    """Any sequence of updates, resets, saves and restores gives what a pair of Python integers gives."""

    def __init__(self):
        super().__init__()
        self.metric = Accuracy()
        self.update = tf.function(self.metric.update_state, reduce_retracing=True)
        self.correct = self.total = 0
        self.saved = None

    @rule(size=st.integers(0, 24), eager=st.booleans())
    def update_state(self, size, eager):
        (self.metric.update_state if eager else self.update)(tf.constant(IDS[:size]), tf.constant(SCORES[:size]))
        self.correct += int((SCORES[:size].argmax(-1) == IDS[:size]).sum())
        self.total += size

    @rule()
    def reset(self):
        self.metric.reset_state()
        self.correct = self.total = 0

    @rule()
    def save(self):
        self.saved = state(self.metric), self.correct, self.total

    @rule()
    def restore(self):
        if self.saved is None:
            return
        values, self.correct, self.total = self.saved
        for variable, value in zip(self.metric.variables, values, strict=True):
            variable.assign(value)

    @invariant()
    def result_matches(self):
        assert self.metric.result().numpy() == pytest.approx(self.correct / max(self.total, 1), rel=1e-6)


TestSequencesMatchAModel = SequencesMatchAModel.TestCase
TestSequencesMatchAModel.settings = settings(max_examples=15, stateful_step_count=20)


def test_pickled_config_survives():
    config = pickle.loads(pickle.dumps(TopKAccuracy(2).get_config()))

    assert TopKAccuracy.from_config(config).k == 2
