"""Mixed precision by name, and loss scaling through the one adapter, under both Keras flavours."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core.precision import (
    apply_scaled_gradients,
    cast_outputs_to_float32,
    current_loss_scale,
    innermost_optimizer,
    scale_loss,
    set_mixed_precision_policy,
    wrap_loss_scale,
)

pytestmark = pytest.mark.flavour

LEARNING_RATE = 0.1
INITIAL_SCALE = 8.0
FEATURES = np.array([[1.0, 2.0]], np.float32)


def loss_scaled_sgd(**options):
    wrapper = tf.keras.mixed_precision.LossScaleOptimizer
    return wrapper(tf.keras.optimizers.SGD(LEARNING_RATE, **options), initial_scale=INITIAL_SCALE)


class LinearModel:
    """Loss = w . x summed over the batch, so that the gradient of a step is the sum of its features."""

    def __init__(self, strategy, make_optimizer):
        self.strategy = strategy
        with strategy.scope():
            layer = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
            self.model = tf.keras.Sequential([layer])
            self.model.build((None, 2))
            self.optimizer = make_optimizer()
            self.optimizer.build(self.model.trainable_variables)

    @tf.function
    def run(self, num_steps, features):
        for _ in tf.range(num_steps):
            self.strategy.run(self._step, args=(features,))

    def _step(self, features):
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(self.model(features, training=True))
            scaled = scale_loss(self.optimizer, loss)
        apply_scaled_gradients(self.optimizer, tape.gradient(scaled, variables), variables)

    def per_replica(self, *features):
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(features[context.replica_id_in_sync_group], tf.float32)
        )

    def weights(self):
        """The kernel as each replica holds it, `[replicas, 2]`."""
        variable = self.model.trainable_variables[0]
        variable = variable if isinstance(variable, tf.Variable) else variable.value
        return np.stack([np.ravel(copy.numpy()) for copy in self.strategy.experimental_local_results(variable)])

    def iterations(self):
        return int(self.optimizer.iterations.numpy())


@pytest.fixture
def two_replicas():
    # Not the default cross_device_ops: those share their keys between the strategies of one process.
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


@pytest.fixture
def one_replica():
    return tf.distribute.OneDeviceStrategy("CPU:0")


@pytest.fixture
def float32_policy_afterwards():
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    ("dtype", "compute"),
    [("float16", "float16"), ("bfloat16", "bfloat16"), ("float32", "float32"), (None, "float32")],
)
@pytest.mark.usefixtures("float32_policy_afterwards")
def test_policy_sets_the_compute_dtype_and_keeps_float32_variables(dtype, compute):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")

    set_mixed_precision_policy(dtype)

    layer = tf.keras.layers.Dense(1)
    layer.build((None, 2))
    assert layer.compute_dtype == compute
    assert tf.as_dtype(layer.variable_dtype) == tf.float32


def test_unknown_policy_names_the_choices():
    with pytest.raises(ValueError, match="float32, float16, bfloat16 or None; received 'fp16'"):
        set_mixed_precision_policy("fp16")


def test_outputs_are_cast_only_where_they_are_half_precision():
    outputs = {
        "a": tf.constant([1.5], tf.float16),
        "b": (tf.constant([2.5], tf.bfloat16), tf.constant([1], tf.int32)),
        "c": [tf.constant("text"), tf.constant([0.1], tf.float64), None],
    }

    cast = cast_outputs_to_float32(outputs)

    assert cast["a"].dtype == cast["b"][0].dtype == tf.float32
    assert cast["b"][1].dtype == tf.int32
    assert cast["c"][0].dtype == tf.string
    assert cast["c"][1].dtype == tf.float64
    assert cast["c"][2] is None


def test_optimizer_without_loss_scale_is_untouched(one_replica):
    linear = LinearModel(one_replica, lambda: tf.keras.optimizers.SGD(LEARNING_RATE))
    loss = tf.constant(3.0, tf.float16)

    linear.run(tf.constant(1), tf.constant(FEATURES))

    assert scale_loss(linear.optimizer, loss) is loss
    assert current_loss_scale(linear.optimizer) == 1.0
    np.testing.assert_allclose(linear.weights()[0], [1 - 0.1, 1 - 0.2], rtol=1e-6)


@pytest.mark.parametrize("loss_scale", ["dynamic", 1, 1024.0, 2.0**15])
def test_update_does_not_depend_on_the_loss_scale(one_replica, loss_scale):
    linear = LinearModel(
        one_replica, lambda: wrap_loss_scale(tf.keras.optimizers.SGD(LEARNING_RATE, clipnorm=1.0), loss_scale)
    )

    linear.run(tf.constant(1), tf.constant(FEATURES))

    expected = 1 - LEARNING_RATE * FEATURES[0] / np.linalg.norm(FEATURES[0])
    np.testing.assert_allclose(linear.weights()[0], expected, rtol=1e-6)
    assert linear.iterations() == 1


@pytest.mark.parametrize("loss_scale", ["dynamic", 2.0**15])
def test_half_precision_loss_is_scaled_in_float32(loss_scale):
    optimizer = wrap_loss_scale(tf.keras.optimizers.SGD(), loss_scale)

    scaled = scale_loss(optimizer, tf.constant(3.0, tf.float16))

    assert scaled.dtype == tf.float32
    np.testing.assert_array_equal(scaled, 3.0 * 2.0**15)
    np.testing.assert_array_equal(current_loss_scale(optimizer), 2.0**15)


def test_loss_scale_none_leaves_the_optimizer_alone():
    optimizer = tf.keras.optimizers.SGD()

    assert wrap_loss_scale(optimizer, None) is optimizer


@pytest.mark.parametrize("loss_scale", [0, -1.0, "static", True, float("nan")])
def test_unusable_loss_scale_is_refused(loss_scale):
    with pytest.raises(ValueError, match="must be 'dynamic', a number above 0 or None"):
        wrap_loss_scale(tf.keras.optimizers.SGD(), loss_scale)


def test_second_loss_scale_is_refused():
    with pytest.raises(ValueError, match="already wrapped"):
        wrap_loss_scale(loss_scaled_sgd(), 2.0)


def test_wrapper_in_a_wrapper_scales_by_both_and_unscales_by_both(one_replica):
    wrapper = tf.keras.mixed_precision.LossScaleOptimizer
    if hasattr(wrapper, "get_scaled_loss"):  # tf_keras
        with pytest.raises(TypeError, match="cannot wrap another"):
            wrapper(loss_scaled_sgd())
        return
    linear = LinearModel(one_replica, lambda: wrapper(loss_scaled_sgd(), initial_scale=4.0))

    linear.run(tf.constant(1), tf.constant(FEATURES))

    np.testing.assert_array_equal(current_loss_scale(linear.optimizer), 4.0 * INITIAL_SCALE)
    np.testing.assert_allclose(linear.weights()[0], 1 - LEARNING_RATE * FEATURES[0], rtol=1e-6)


def test_innermost_optimizer_is_found_under_the_wrapper():
    assert isinstance(innermost_optimizer(loss_scaled_sgd()), tf.keras.optimizers.SGD)


def test_replicas_add_their_gradients_once(two_replicas):
    linear = LinearModel(two_replicas, loss_scaled_sgd)

    linear.run(tf.constant(2), linear.per_replica(FEATURES, 3 * FEATURES))

    expected = 1 - LEARNING_RATE * 2 * 4 * FEATURES[0]
    np.testing.assert_allclose(linear.weights(), [expected, expected], rtol=1e-5)
    assert linear.iterations() == 2


@pytest.mark.parametrize("poisoned_replica", [0, 1])
@pytest.mark.parametrize("options", [{}, {"clipnorm": 1.0}, {"clipvalue": 1.0}, {"global_clipnorm": 1.0}])
def test_overflow_on_any_replica_skips_the_step_on_all(two_replicas, poisoned_replica, options):
    linear = LinearModel(two_replicas, lambda: loss_scaled_sgd(**options))
    features = [FEATURES, FEATURES]
    features[poisoned_replica] = np.array([[np.inf, 1.0]], np.float32)

    linear.run(tf.constant(2), linear.per_replica(*features))

    np.testing.assert_array_equal(linear.weights(), np.ones([2, 2]))
    np.testing.assert_array_equal(linear.strategy.run(lambda: current_loss_scale(linear.optimizer)).values[0], 2.0)


def test_overflow_of_the_sum_alone_never_reaches_the_weights(two_replicas):
    linear = LinearModel(two_replicas, loss_scaled_sgd)
    huge = np.array([[3e37, 1.0]], np.float32)  # 8 x 3e37 is a float32 number, twice that is not.

    linear.run(tf.constant(1), linear.per_replica(huge, huge))

    assert np.isfinite(linear.weights()).all()


def test_scale_grows_after_enough_good_steps(two_replicas):
    wrapper = tf.keras.mixed_precision.LossScaleOptimizer
    linear = LinearModel(
        two_replicas,
        lambda: wrapper(tf.keras.optimizers.SGD(LEARNING_RATE), initial_scale=4.0, dynamic_growth_steps=3),
    )

    linear.run(tf.constant(7), linear.per_replica(FEATURES, FEATURES))

    scales = two_replicas.experimental_local_results(two_replicas.run(lambda: current_loss_scale(linear.optimizer)))
    np.testing.assert_array_equal(scales, [16.0, 16.0])


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, lambda optimizer: wrap_loss_scale(optimizer, "dynamic")])
@pytest.mark.parametrize("options", [{"clipnorm": 1.0}, {"clipvalue": 2.5}, {"global_clipnorm": 1.0}])
def test_clipping_sees_the_sum_over_the_replicas(one_replica, two_replicas, options, wrap):
    def make():
        return wrap(tf.keras.optimizers.SGD(LEARNING_RATE, **options))

    def step(strategy, *shares):
        linear = LinearModel(strategy, make)
        linear.run(tf.constant(1), linear.per_replica(*shares))
        return linear.weights()[0]

    # Opposed gradients: what each replica sees alone is far larger than what they sum to.
    left, right = np.array([[10.0, 2.0]], np.float32), np.array([[-8.0, 1.0]], np.float32)

    np.testing.assert_allclose(step(two_replicas, left, right), step(one_replica, left + right), rtol=1e-6)


def test_sparse_gradients_pass_through(two_replicas):
    with two_replicas.scope():
        embedding = tf.keras.layers.Embedding(4, 2, embeddings_initializer="ones")
        embedding.build((None,))
        optimizer = loss_scaled_sgd(global_clipnorm=100.0)
        optimizer.build(embedding.trainable_variables)

    @tf.function
    def run():
        def step():
            variables = embedding.trainable_variables
            with tf.GradientTape() as tape:
                loss = scale_loss(optimizer, tf.reduce_sum(embedding(tf.constant([1, 1, 3]))))
            apply_scaled_gradients(optimizer, tape.gradient(loss, variables), variables)

        two_replicas.run(step)

    run()

    expected = np.array([[1, 1], [0.6, 0.6], [1, 1], [0.8, 0.8]])
    np.testing.assert_allclose(embedding.get_weights()[0], expected, rtol=1e-6)


@pytest.mark.parametrize("poison", [False, True])
def test_loss_scaling_compiles_with_xla(one_replica, poison):
    linear = LinearModel(one_replica, lambda: loss_scaled_sgd(global_clipnorm=1.0, momentum=0.9))

    @tf.function(jit_compile=True)
    def step(features):
        linear._step(features)

    step(tf.constant([[np.inf if poison else 3.0, 4.0]], tf.float32))

    expected = [1.0, 1.0] if poison else [1 - 0.1 * 0.6, 1 - 0.1 * 0.8]
    np.testing.assert_allclose(linear.weights()[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(current_loss_scale(linear.optimizer), 4.0 if poison else 8.0)


def test_wrapped_optimizer_survives_a_checkpoint(one_replica, tmp_path):
    trained, fresh = (LinearModel(one_replica, loss_scaled_sgd) for _ in range(2))
    trained.run(tf.constant(1), tf.constant([[np.inf, 1.0]], tf.float32))
    trained.run(tf.constant(2), tf.constant(FEATURES))
    path = tf.train.Checkpoint(model=trained.model, optimizer=trained.optimizer).save(str(tmp_path / "ckpt"))

    tf.train.Checkpoint(model=fresh.model, optimizer=fresh.optimizer).restore(path).assert_consumed()

    np.testing.assert_array_equal(fresh.weights(), trained.weights())
    np.testing.assert_array_equal(current_loss_scale(fresh.optimizer), INITIAL_SCALE / 2)
    assert fresh.iterations() == trained.iterations()
