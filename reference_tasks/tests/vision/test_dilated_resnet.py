"""Residual networks whose last stages are dilated: sizes, rates, stems."""

import pytest
import tensorflow as tf
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.config import ResNetConfig

pytestmark = pytest.mark.flavour


def rates(model):
    return {
        layer.name.removesuffix("_conv"): layer.dilation_rate[0]
        for layer in model.layers
        if isinstance(layer, tf.keras.layers.Conv2D) and layer.kernel_size == (3, 3)
    }


@pytest.mark.parametrize(
    ("stem", "output_stride", "sides"),
    [
        ("imagenet", None, {"1": 33, "2": 17, "3": 9, "4": 5, "5": 3}),
        ("imagenet", 16, {"1": 33, "2": 17, "3": 9, "4": 5}),
        ("deep", 8, {"1": 33, "2": 17, "3": 9}),
        ("strided", None, {"1": 33, "2": 17, "3": 9, "4": 5}),
        ("strided", 2, {"1": 33}),
        ("small", 4, {"0": 65, "1": 33, "2": 17}),
    ],
)
def test_no_level_is_coarser_than_the_output_stride(stem, output_stride, sides):
    outputs = build_resnet(10, (65, 65, 3), filters=2, stem=stem, output_stride=output_stride).output

    assert {level: feature.shape[1] for level, feature in outputs.items()} == sides
    assert list(outputs.values())[-1].shape[-1] == 16


def test_dilation_doubles_for_each_stride_that_is_not_taken_and_follows_the_multigrid():
    found = rates(build_resnet(50, (64, 64, 3), filters=2, stem="imagenet", output_stride=8, multigrid=(1, 2, 4)))

    assert [found[f"stage1_block{block}_b"] for block in range(4)] == [1] * 4
    assert [found[f"stage2_block{block}_b"] for block in range(6)] == [2] * 6
    assert [found[f"stage3_block{block}_b"] for block in range(3)] == [4, 8, 16]


def test_sides_may_be_unknown():
    model = build_resnet(10, (None, None, 3), filters=2, stem="deep", output_stride=16)

    assert {level: feature.shape[1:3] for level, feature in model(tf.zeros([1, 48, 80, 3])).items()} == {
        "1": (24, 40), "2": (12, 20), "3": (6, 10), "4": (3, 5),
    }  # fmt: skip


def test_multigrid_must_fit_the_last_stage():
    with pytest.raises(ValueError, match="factor for each of the 1 blocks"):
        build_resnet(10, (8, 8, 1), multigrid=(1, 2, 4))
    with pytest.raises(ValueError, match="multigrid: must have a positive factor for each of the 3 blocks"):
        ResNetConfig(model_id=101, multigrid=[1, 2]).validate()
    with pytest.raises(ValueError, match="output_stride: must be a power of 2"):
        ResNetConfig(output_stride=12).validate()


def test_stem_must_be_chosen_where_a_side_is_open():
    with pytest.raises(ValueError, match=r"`stem` must be chosen .* Received: \(None, 64, 3\)"):
        build_resnet(10, (None, 64, 3), filters=2)
