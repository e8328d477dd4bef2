"""The losses as Keras objects: interface, weights and masks, policies, compilation, replicas and `fit`."""

import copy
import json
import pickle

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Mode, Target
from assay.conformance.harness.strategies import strategy_for
from assay.losses import CrossEntropyLoss, SigmoidCrossEntropyLoss, sigmoid_cross_entropy, softmax_cross_entropy
from assay.losses._flavour import is_keras_3
from loss_numerics import on_two_replicas

pytestmark = pytest.mark.flavour

LOSSES = (CrossEntropyLoss, SigmoidCrossEntropyLoss)
REDUCED = ("sum", "sum_over_batch_size", "mean_with_sample_weight")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 3)).astype(np.float32)
IDS = np.array([0, 1, 2, 2, 1, 0])
WEIGHTS = np.array([1.0, 0.5, 0.0, 2.0, 0.0, 1.0], np.float32)
OPTIONS = [
    (
        CrossEntropyLoss,
        {"from_logits": False, "label_smoothing": 0.1, "class_weights": (1.0, 2.0, 0.5), "ignore_label": 2},
    ),
    (SigmoidCrossEntropyLoss, {"label_smoothing": 0.2, "class_reduction": "sum", "reduction": "none", "name": "multi"}),
]


@pytest.fixture(params=["float32", "mixed_float16", "mixed_bfloat16"])
def policy(request):
    tf.keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.fixture(params=["float32", "float16"])
def floatx(request):
    tf.keras.backend.set_floatx(request.param)
    yield request.param
    tf.keras.backend.set_floatx("float32")


@pytest.mark.parametrize(("loss_class", "options"), OPTIONS)
def test_config_is_json_and_rebuilds_the_loss(loss_class, options):
    loss = loss_class(**options)

    config = json.loads(json.dumps(loss.get_config()))
    rebuilt = loss_class.from_config(config)

    assert rebuilt.get_config() == loss.get_config()
    np.testing.assert_array_equal(rebuilt(IDS, np.abs(LOGITS)), loss(IDS, np.abs(LOGITS)))


@pytest.mark.parametrize(("loss_class", "options"), OPTIONS)
def test_config_holds_every_option(loss_class, options):
    config = loss_class(**options).get_config()

    for key, value in options.items():
        assert config[key] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(("loss_class", "options"), OPTIONS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_are_equal(loss_class, options, duplicate):
    loss = loss_class(**options)

    np.testing.assert_array_equal(duplicate(loss)(IDS, np.abs(LOGITS)), loss(IDS, np.abs(LOGITS)))


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        CrossEntropyLoss(True)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_is_a_keras_loss(loss_class):
    assert isinstance(loss_class(), tf.keras.losses.Loss)


@pytest.mark.parametrize(
    ("loss_class", "function"),
    [(CrossEntropyLoss, softmax_cross_entropy), (SigmoidCrossEntropyLoss, sigmoid_cross_entropy)],
)
def test_unreduced_loss_is_the_plain_function(loss_class, function):
    values = loss_class(reduction="none")(IDS, LOGITS)

    assert values.shape == (6,)
    np.testing.assert_array_equal(values, function(IDS, LOGITS))


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_reductions_follow_from_the_unreduced_values(loss_class, weights):
    values = loss_class(reduction="none")(IDS, LOGITS, weights).numpy().astype(np.float64)
    denominators = {"sum": 1, "sum_over_batch_size": 6, "mean_with_sample_weight": 6 if weights is None else 4.5}

    for reduction, denominator in denominators.items():
        reduced = loss_class(reduction=reduction)(IDS, LOGITS, weights)
        np.testing.assert_allclose(reduced, values.sum() / denominator, rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_weight_of_zero_equals_removal(loss_class, reduction):
    loss = loss_class(reduction=reduction)
    keep = WEIGHTS != 0

    np.testing.assert_allclose(loss(IDS, LOGITS, WEIGHTS), loss(IDS[keep], LOGITS[keep], WEIGHTS[keep]), rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("dense", [False, True])
def test_weight_of_zero_masks_nan_in_value_and_gradient(loss_class, reduction, dense):
    poisoned = LOGITS.copy()
    poisoned[2], poisoned[4] = np.nan, np.inf
    labels = np.eye(3, dtype=np.float32)[IDS] if dense else IDS.copy()
    clean_labels = labels.copy()
    labels[4] = np.nan if dense else 77
    logits = tf.Variable(poisoned)
    loss = loss_class(reduction=reduction)

    with tf.GradientTape() as tape:
        value = loss(labels, logits, WEIGHTS)
    gradient = tape.gradient(value, logits).numpy()

    np.testing.assert_allclose(value, loss(clean_labels, LOGITS, WEIGHTS), rtol=1e-6)
    np.testing.assert_array_equal(gradient[[2, 4]], 0)
    assert np.isfinite(gradient).all()
    assert (gradient[[0, 1, 3, 5]] != 0).all()


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("reduction", REDUCED)
def test_all_ignored_is_zero_with_zero_gradient(loss_class, reduction):
    logits = tf.Variable(LOGITS * np.nan)

    with tf.GradientTape() as tape:
        value = loss_class(reduction=reduction, ignore_label=255)(np.full(6, 255), logits)

    assert value.numpy() == 0.0
    np.testing.assert_array_equal(tape.gradient(value, logits), np.zeros((6, 3)))


@pytest.mark.parametrize("loss_class", LOSSES)
def test_mean_goes_over_elements_that_are_not_ignored(loss_class):
    loss = loss_class(ignore_label=2)

    np.testing.assert_allclose(loss(IDS, LOGITS), loss(IDS[IDS != 2], LOGITS[IDS != 2]), rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_empty_batch_is_zero(loss_class, reduction, jit_compile):
    loss = loss_class(reduction=reduction)
    call = loss if jit_compile is None else tf.function(loss, jit_compile=jit_compile)

    assert call(tf.zeros([0], tf.int32), tf.zeros([0, 3])).numpy() == 0.0


@pytest.mark.parametrize("loss_class", LOSSES)
def test_weights_per_row_of_a_label_map(loss_class):
    logits, ids = RNG.normal(size=(2, 4, 3)).astype(np.float32), RNG.integers(0, 3, (2, 4))
    values = loss_class(reduction="none")(ids, logits).numpy()

    weighted = loss_class(reduction="none")(ids, logits, [0.5, 2.0])

    np.testing.assert_allclose(weighted, values * [[0.5], [2.0]], rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("weights", [(3,), (1, 6), (6, 3)])
def test_weights_that_do_not_fit_are_refused(loss_class, weights):
    with pytest.raises(ValueError, match="sample_weight"):
        loss_class()(IDS, LOGITS, np.ones(weights))


@pytest.mark.parametrize("loss_class", LOSSES)
def test_predictions_without_class_axis_are_refused(loss_class):
    with pytest.raises(ValueError, match="axis of the batch or that of the classes is missing"):
        loss_class()([0.0, 1.0], [0.3, 0.7])


@pytest.mark.parametrize("loss_class", LOSSES)
def test_result_is_float32_under_every_policy(loss_class, policy):
    for dtype in (tf.float16, tf.bfloat16, tf.float32):
        assert loss_class()(IDS, tf.cast(LOGITS, dtype)).dtype == tf.float32


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_large_ids_stay_exact_whatever_floatx_is(loss_class, floatx, dtype):
    assert tf.keras.backend.floatx() == floatx
    logits = tf.cast(tf.one_hot([70001, 257], 70003) * 100.0 - 50.0, dtype)

    right = loss_class(reduction="none")(np.array([70001, 257]), logits).numpy()
    beside = loss_class(reduction="none")(np.array([70000, 256]), logits).numpy()

    assert (right < 1e-6).all()
    assert (beside > 1e-4).all()


@pytest.mark.parametrize("loss_class", LOSSES)
def test_keras_mask_takes_elements_out(loss_class):
    layer = tf.keras.layers.Masking()
    sequences = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    sequences[0, 1:] = 0.0
    masked, ids = layer(sequences), RNG.integers(0, 4, (2, 3))
    keep = np.array([[True, False, False], [True, True, True]])

    value = loss_class()(ids, masked)

    np.testing.assert_allclose(value, loss_class()(ids[keep], sequences[keep]), rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_value_equals_eager(loss_class, jit_compile):
    loss = loss_class(ignore_label=2, label_smoothing=0.1)

    compiled = tf.function(loss, jit_compile=jit_compile)

    np.testing.assert_allclose(compiled(IDS, LOGITS, WEIGHTS), loss(IDS, LOGITS, WEIGHTS), rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_unknown_batch_size_gives_the_same_value(loss_class):
    loss = loss_class(ignore_label=2)
    dynamic = tf.function(
        loss,
        input_signature=[
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ],
    )

    np.testing.assert_allclose(dynamic(IDS, LOGITS, WEIGHTS), loss(IDS, LOGITS, WEIGHTS), rtol=1e-6)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_same_shapes_trace_once(loss_class):
    traces = []
    loss = loss_class()

    @tf.function
    def call(labels, logits):
        traces.append(1)
        return loss(labels, logits)

    for _ in range(3):
        call(tf.constant(IDS), tf.constant(LOGITS))

    assert len(traces) == 1


@pytest.mark.parametrize("loss_class", LOSSES)
def test_inputs_stay_as_they_are(loss_class):
    labels, logits, weights = IDS.copy(), LOGITS.copy(), WEIGHTS.copy()

    loss_class(ignore_label=2)(labels, logits, weights)

    np.testing.assert_array_equal(labels, IDS)
    np.testing.assert_array_equal(logits, LOGITS)
    np.testing.assert_array_equal(weights, WEIGHTS)


@pytest.mark.parametrize("loss_class", LOSSES)
def test_two_replicas_divided_by_two_equal_one(loss_class):
    loss = loss_class()

    halves = on_two_replicas(lambda *batch: loss(*batch) / 2.0, (IDS[::2], LOGITS[::2]), (IDS[1::2], LOGITS[1::2]))

    np.testing.assert_allclose(sum(halves), loss(IDS, LOGITS), rtol=1e-6)


def test_fit_learns():
    tf.keras.utils.set_random_seed(1)
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3)])
    model.compile(tf.keras.optimizers.SGD(1.0), loss=CrossEntropyLoss(label_smoothing=0.05))

    history = model.fit(np.eye(3, dtype=np.float32)[IDS], IDS, epochs=20, verbose=0).history["loss"]

    assert history[-1] < 0.5 * history[0]


def test_fit_passes_weights_on():
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3, use_bias=False)])
    model.compile("sgd", loss=CrossEntropyLoss())
    features = np.eye(3, dtype=np.float32)[IDS]

    value = model.evaluate(features, IDS, sample_weight=WEIGHTS, verbose=0)

    np.testing.assert_allclose(value, CrossEntropyLoss()(IDS, model(features), WEIGHTS), rtol=1e-5)


@pytest.mark.parametrize("extension", [".keras", ".h5"])
def test_saved_model_brings_its_loss_back(extension, tmp_path):
    model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3)])
    loss = CrossEntropyLoss(label_smoothing=0.1, class_weights=[1.0, 2.0, 0.5], ignore_label=2)
    model.compile("sgd", loss=loss)
    features = np.eye(3, dtype=np.float32)[IDS]
    model.fit(features, IDS, verbose=0)

    model.save(tmp_path / f"model{extension}")
    loaded = tf.keras.models.load_model(tmp_path / f"model{extension}")

    assert loaded.loss.get_config() == loss.get_config()
    np.testing.assert_allclose(
        loaded.evaluate(features, IDS, verbose=0), model.evaluate(features, IDS, verbose=0), rtol=1e-6
    )


def weights_after_fit(strategy, loss, loss_weights=None):
    with strategy.scope():
        tf.keras.utils.set_random_seed(1)
        model = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(3)])
        model.compile(tf.keras.optimizers.SGD(1.0), loss=loss, loss_weights=loss_weights, jit_compile=False)
    model.fit(LOGITS, IDS, sample_weight=WEIGHTS, batch_size=6, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    "options", [{}, {"ignore_label": 2}, {"reduction": "mean_with_sample_weight"}], ids=["plain", "ignoring", "mean"]
)
def test_fit_on_two_replicas_equals_one(options):
    loss = CrossEntropyLoss(**options)
    divides_itself = not is_keras_3() and loss.reduction == "sum_over_batch_size"
    one = tf.distribute.get_strategy()
    two = strategy_for(Target.CPU, Mode.REPLICAS)

    updated = weights_after_fit(two, loss, None if divides_itself else 0.5)

    for found, expected in zip(updated, weights_after_fit(one, loss), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
