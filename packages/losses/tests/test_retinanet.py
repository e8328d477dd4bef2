"""The RetinaNet loss: levels, parts and normaliser against a loop over anchors in float64."""

import numpy as np
import pytest
from assay.losses import RetinaNetLoss, multi_level_flatten
from loss_numerics import assert_gradient_is_numeric, on_two_replicas, sigmoid

RNG = np.random.default_rng(2)
CLASSES, PER_LOCATION = 3, 2
SIZES = {"3": (2, 2), "4": (1, 2)}
ANCHORS = sum(height * width * PER_LOCATION for height, width in SIZES.values())


def levels(depth, batch=2):
    return {
        level: RNG.normal(size=(batch, *size, PER_LOCATION * depth)).astype(np.float32) for level, size in SIZES.items()
    }


TARGETS = {"4": np.array([[[[-1, 2], [0, -1]]]] * 2), "3": RNG.integers(-1, CLASSES, (2, 2, 2, PER_LOCATION))}
LABELS = {
    "cls_targets": TARGETS,
    "box_targets": levels(4),
    "cls_weights": (RNG.uniform(size=(2, ANCHORS)) < 0.8).astype(np.float32),
    "box_weights": (RNG.uniform(size=(2, ANCHORS)) < 0.4).astype(np.float32),
    "attribute_targets": {"depth": levels(1), "colour": {k: (v > 0) * 1.0 for k, v in levels(2).items()}},
    "anchor_boxes": levels(4),
}
OUTPUTS = {
    "cls_outputs": levels(CLASSES),
    "box_outputs": levels(4),
    "attribute_outputs": {"depth": levels(1), "colour": levels(2)},
}
ATTRIBUTES = {"depth": "regression", "colour": "classification"}


def rows(by_level, depth):
    """`[batch, anchors, depth]`, anchor by anchor."""
    return np.stack(
        [
            np.concatenate([by_level[level][image].reshape(-1, depth) for level in ("3", "4")])
            for image in range(len(by_level["3"]))
        ]
    ).astype(np.float64)


def huber(error, delta):
    return np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2))


def oracle(alpha=0.25, gamma=1.5, delta=0.1):
    """The sums of the parts over all anchors, and the positives."""
    cls, box = np.zeros(2), np.zeros(2)
    ids, logits = rows(TARGETS, 1)[..., 0], rows(OUTPUTS["cls_outputs"], CLASSES)
    for index in np.ndindex(ids.shape):
        for k in range(CLASSES):
            hit = ids[index] == k
            p = sigmoid(logits[index][k])
            pt, weight = (p, alpha) if hit else (1 - p, 1 - alpha)
            cls[index[0]] += -LABELS["cls_weights"][index] * weight * (1 - pt) ** gamma * np.log(pt)
    errors = rows(LABELS["box_targets"], 4) - rows(OUTPUTS["box_outputs"], 4)
    box = (huber(errors, delta).mean(-1) * LABELS["box_weights"]).sum(-1)
    depth = rows(LABELS["attribute_targets"]["depth"], 1) - rows(OUTPUTS["attribute_outputs"]["depth"], 1)
    z, t = rows(OUTPUTS["attribute_outputs"]["colour"], 2), rows(LABELS["attribute_targets"]["colour"], 2)
    return {
        "cls_loss": cls,
        "box_loss": box,
        "depth_loss": (huber(depth, 1.0).mean(-1) * LABELS["box_weights"]).sum(-1),
        "colour_loss": ((np.logaddexp(0, z) - t * z).mean(-1) * LABELS["box_weights"]).sum(-1),
    }, LABELS["box_weights"].sum()


def flat(keep=slice(None)):
    """Labels and outputs as `[batch, anchors, depth]`."""
    labels = {
        "cls_targets": rows(TARGETS, 1)[keep, :, 0].astype(np.int32),
        "box_targets": rows(LABELS["box_targets"], 4)[keep].astype(np.float32),
        "cls_weights": LABELS["cls_weights"][keep],
        "box_weights": LABELS["box_weights"][keep],
    }
    outputs = {key: rows(OUTPUTS[key], depth)[keep].astype(np.float32) for key, depth in DEPTHS.items()}
    return labels, outputs


DEPTHS = {"cls_outputs": CLASSES, "box_outputs": 4}


def test_parts_and_total_equal_the_oracle():
    parts, positives = oracle()
    loss = RetinaNetLoss(num_classes=CLASSES, box_loss_weight=20.0, attributes=ATTRIBUTES, attribute_loss_weight=0.5)
    expected = {key: value.sum() / positives for key, value in parts.items()}
    expected["total_loss"] = (
        expected["cls_loss"] + 20 * expected["box_loss"] + 0.5 * (expected["depth_loss"] + expected["colour_loss"])
    )

    components = loss.components(LABELS, OUTPUTS)

    assert components.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(components[key], value, rtol=1e-5, err_msg=key)
    np.testing.assert_allclose(loss(LABELS, OUTPUTS), expected["total_loss"], rtol=1e-5)


def test_flat_rows_equal_levels():
    loss = RetinaNetLoss(num_classes=CLASSES)

    np.testing.assert_allclose(loss(*flat()), loss(LABELS, OUTPUTS), rtol=1e-6)


def test_image_of_weight_zero_equals_removal_and_its_positives_are_not_counted():
    loss = RetinaNetLoss(num_classes=CLASSES)

    np.testing.assert_allclose(loss(LABELS, OUTPUTS, sample_weight=[0.0, 1.0]), loss(*flat(slice(1, 2))), rtol=1e-6)


def test_anchors_of_weight_zero_may_hold_anything():
    labels, outputs = flat()
    for weight, keys in (("cls_weights", ("cls_outputs",)), ("box_weights", ("box_outputs",))):
        outputs |= {key: np.where(labels[weight][..., None] == 0, np.nan, outputs[key]) for key in keys}
    labels["box_targets"] = np.where(labels["box_weights"][..., None] == 0, np.nan, labels["box_targets"])
    labels["cls_targets"] = np.where(labels["cls_weights"] == 0, -2, labels["cls_targets"])
    outputs = {key: value.astype(np.float32) for key, value in outputs.items()}
    loss = RetinaNetLoss(num_classes=CLASSES)

    np.testing.assert_allclose(loss(labels, outputs), loss(*flat()), rtol=1e-6)


def test_no_positive_anchor_divides_by_one():
    labels, outputs = flat()
    labels["box_weights"] = np.zeros_like(labels["box_weights"])

    np.testing.assert_allclose(
        RetinaNetLoss(num_classes=CLASSES)(labels, outputs), oracle()[0]["cls_loss"].sum(), rtol=1e-5
    )


def test_positives_are_counted_over_all_replicas():
    loss = RetinaNetLoss(num_classes=CLASSES)

    halves = on_two_replicas(lambda *batch: loss(*batch) / 2.0, flat(slice(0, 1)), flat(slice(1, 2)))

    np.testing.assert_allclose(sum(halves), loss(*flat()), rtol=1e-6)


@pytest.mark.parametrize("key", DEPTHS)
def test_gradient_equals_central_differences(key):
    labels, outputs = flat(slice(0, 1))
    outputs = {name: value.astype(np.float64) for name, value in outputs.items()}
    loss = RetinaNetLoss(num_classes=CLASSES)

    assert_gradient_is_numeric(lambda point: loss(labels, {**outputs, key: point}), outputs[key], atol=1e-6)


def test_levels_come_in_the_order_of_their_numbers():
    first, second = np.zeros((2, 1, 1, 4)), np.ones((2, 1, 2, 4))

    for by_level in ({"10": second, "9": first}, {9: first, 10: second}, {"level_10": second, "level_9": first}):
        result = multi_level_flatten(by_level, last_dim=4).numpy()
        np.testing.assert_array_equal(result[0, :, 0], [0, 1, 1])
    assert multi_level_flatten({"3": first}).shape == (2, 4)
    assert multi_level_flatten({"3": np.zeros((0, 2, 2, 6))}, last_dim=3).shape == (0, 8, 3)


def test_missing_labels_are_named():
    labels, outputs = flat()
    del labels["box_weights"]

    with pytest.raises(ValueError, match="needs box_weights"):
        RetinaNetLoss(num_classes=CLASSES)(labels, outputs)


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="num_classes"):
        RetinaNetLoss(num_classes=5)(*flat())
