"""`InstanceMetrics` as a Keras metric: replicas, weights, capacity, merging, checkpoints, compilation."""

import json

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import InstanceMetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from instance_scenes import SMALL, expected, fed, metric_of, scalars, without_ids

from packages.python_metrics.tests.coco_scenes import batch, random_images

pytestmark = pytest.mark.flavour

SEEDS = st.integers(0, 2**32 - 1)
IMAGES = random_images(11, 8, crowded=0.1)
DEVICES = ["CPU:0", "CPU:1"]


def two_replicas():
    return tf.distribute.MirroredStrategy(DEVICES)


def run_on(strategy, update, parts, slots=8):
    """Give each replica its own images."""
    sides = [batch(part, slots=slots) if part else empty(slots) for part in parts]
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.nest.map_structure(tf.constant, sides[context.replica_id_in_sync_group])
    )
    strategy.run(lambda both: update(*both), args=(values,))


def empty(slots):
    return tf.nest.map_structure(lambda array: array[:0], batch(IMAGES[:1], slots=slots))


def test_config_is_json_and_rebuilds_the_metric():
    options = {
        "num_classes": 5,
        "use_masks": True,
        "iou_thresholds": [0.5, 0.75],
        "confidence_thresholds": [0.3],
        "average_precision_algorithms": {"AP": "coco", "area": "voc2010"},
        "need_rescale_bboxes": False,
        "groundtruth_mask_format": "image",
        "detection_mask_format": "image",
        "mask_output_boundary": [64, 32],
        "background_class_id": None,
        "max_num_eval_detections": 7,
        "max_detections": 50,
        "per_class_metrics": True,
        "name": "instances",
        "dtype": "float64",
    }

    config = json.loads(json.dumps(InstanceMetrics(**options).get_config()))

    assert {key: config[key] for key in options} == options
    assert InstanceMetrics.from_config(config).get_config() == config


@settings(max_examples=4)
@given(seed=SEEDS, order=st.permutations(range(8)), cuts=st.lists(st.integers(0, 8), min_size=3, max_size=3))
def test_two_replicas_equal_pycocotools_for_any_split_and_order(seed, order, cuts):
    images = random_images(seed, 8)
    first, middle, last = sorted(cuts)
    shuffled = [images[index] for index in order]
    strategy = two_replicas()
    with strategy.scope():
        metric = metric_of(max_detections=101)  # more of it for one replica than for the other

    run_on(strategy, metric.update_state, (shuffled[:first], shuffled[first:middle]))
    run_on(strategy, metric.update_state, (shuffled[middle:last], shuffled[last:]))

    assert scalars(metric) == pytest.approx(expected(images), abs=1e-6)
    metric.reset_state()
    assert set(scalars(metric).values()) == {-1.0}


def test_updates_of_replicas_inside_a_function_equal_eager():
    strategy = two_replicas()
    with strategy.scope():
        metric = metric_of()

    tf.function(lambda: run_on(strategy, metric.update_state, (IMAGES[:5], IMAGES[5:])))()

    assert scalars(metric) == scalars(fed(IMAGES))


def test_update_outside_of_the_replicas_is_refused():
    strategy = two_replicas()
    with strategy.scope():
        metric = metric_of()
        with pytest.raises(RuntimeError, match="outside of the replicas"):
            metric.update_state(*batch(IMAGES))


@pytest.mark.parametrize("saved_on", [1, 2])
def test_checkpoint_continues_on_another_number_of_replicas(saved_on, tmp_path):
    strategies = {1: tf.distribute.get_strategy(), 2: two_replicas()}
    made = {}
    for replicas, strategy in strategies.items():
        with strategy.scope():
            made[replicas] = metric_of()
    parts = {1: (IMAGES[:3],), 2: (IMAGES[:1], IMAGES[1:3])}
    rest = {1: (IMAGES[3:],), 2: (IMAGES[3:4], IMAGES[4:])}
    run_on(strategies[saved_on], made[saved_on].update_state, parts[saved_on])
    path = tf.train.Checkpoint(metric=made[saved_on]).save(str(tmp_path / "ckpt"))
    other = 3 - saved_on

    tf.train.Checkpoint(metric=made[other]).restore(path).assert_consumed()
    run_on(strategies[other], made[other].update_state, rest[other])

    assert scalars(made[other]) == scalars(fed(IMAGES))


def test_merge_equals_one_metric_that_saw_all():
    parts = [metric_of(), fed(IMAGES[:3]), fed(IMAGES[3:4]), fed(IMAGES[4:])]

    parts[0].merge_state(parts[1:])
    parts[0].update_state(*empty(8))

    assert scalars(parts[0]) == scalars(fed(IMAGES))
    assert scalars(parts[1]) == scalars(fed(IMAGES[:3]))


def test_more_detections_than_there_is_place_for_make_the_results_nan():
    count = sum(len(image["scores"]) for image in IMAGES)
    enough, short = fed(IMAGES, max_detections=count), fed(IMAGES, max_detections=count - 2)

    assert scalars(enough) == pytest.approx(expected(IMAGES), abs=1e-6)
    with pytest.warns(UserWarning, match=rf"no place for 2 detections: raise `max_detections` \({count - 2}\)"):
        results = short.result()
    assert all(np.isnan(value).all() for value in results.values())
    short.reset_state()
    assert set(scalars(short).values()) == {-1.0}


def test_merging_more_than_there_is_place_for_makes_the_results_nan():
    count = sum(len(image["scores"]) for image in IMAGES)
    one, other = (fed(images, max_detections=count - 1) for images in (IMAGES[:4], IMAGES[4:]))

    one.merge_state([other])

    with pytest.warns(UserWarning, match="no place for 1 detections"):
        assert np.isnan(one.result()["AP"])


def test_detections_of_no_class_or_beyond_the_limit_take_no_place():
    truth, found = batch(IMAGES[:1])
    many = {name: np.repeat(field, 50, axis=1) if field.ndim > 1 else field * 50 for name, field in found.items()}
    many["detection_classes"] = np.where(np.arange(many["detection_classes"].shape[1]) % 2, 0, 1)[None]
    metric = metric_of(max_num_eval_detections=3, max_detections=3)

    metric.update_state({**truth, "source_id": many["source_id"]}, many)

    assert not np.isnan(scalars(metric)["AP"])


@settings(max_examples=4)
@given(seed=SEEDS, weights=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_whole_weights_are_repetitions_and_zero_is_removal(seed, weights):
    images = random_images(seed, 6)
    repeated = [image for image, weight in zip(images, weights, strict=True) for _ in range(weight)]
    half = [weight / 2 for weight in weights]
    for drop in (lambda sides: sides, without_ids):
        whole, halved, copies = metric_of(), metric_of(), metric_of()
        whole.update_state(*drop(batch(images)), np.float32(weights))
        halved.update_state(*drop(batch(images)), np.float32(half))
        if repeated:
            copies.update_state(*drop(batch(repeated)))

        assert scalars(whole) == pytest.approx(scalars(copies), abs=1e-6)
        assert scalars(halved) == scalars(whole)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0])
def test_impossible_weights_show_until_reset(weight):
    metric = metric_of()
    metric.update_state(*batch(IMAGES[:2]), np.float32([1, weight]))

    with pytest.warns(UserWarning, match="a weight was NaN"):
        assert np.isnan(metric.result()["AP"])
    metric.reset_state()
    assert scalars(fed(IMAGES, metric=metric)) == scalars(fed(IMAGES))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_updates_equal_eager(jit_compile):
    metric = metric_of(confidence_thresholds=[0.5], average_precision_algorithms={"AP": "coco", "area": "voc2010"})
    eager = InstanceMetrics.from_config(metric.get_config())
    update = tf.function(metric.update_state, jit_compile=jit_compile)
    for images in (IMAGES[:4], IMAGES[4:]):
        sides = tf.nest.map_structure(tf.constant, batch(images, slots=8))
        update(*sides)
        eager.update_state(*sides)

    found = tf.function(metric.result, jit_compile=jit_compile)()

    for name, value in eager.result().items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


def test_unknown_batch_size_gives_the_same_value():
    metric, sides = metric_of(), tf.nest.map_structure(tf.constant, batch(IMAGES, slots=8))
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None, *array.shape[1:]], array.dtype), sides)
    update = tf.function(metric.update_state, input_signature=signature)
    for part in (slice(0, 5), slice(5, 8), slice(8, 8)):
        update(*tf.nest.map_structure(lambda array, part=part: array[part], sides))

    assert scalars(metric) == scalars(fed(IMAGES))


def test_results_do_not_depend_on_the_policy():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        results = fed(IMAGES).result()
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")

    assert results["AP"].dtype == tf.float32
    assert {name: float(value) for name, value in results.items()} == scalars(fed(IMAGES))


def test_a_new_metric_has_no_more_state_than_asked_for():
    size = sum(variable.numpy().nbytes for variable in metric_of().variables)

    assert size < SMALL["max_detections"] * 48 + 1000
