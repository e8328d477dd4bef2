"""Images and figures, read back with TensorFlow's and TensorBoard's readers."""

import io

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import ImageScalarSummaryManager, UnwritableSummaryError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def pictures(count=2, channels=3):
    return np.random.default_rng(0).integers(0, 256, size=(count, 4, 6, channels)).astype(np.uint8)


@pytest.fixture
def manager(tmp_path):
    with ImageScalarSummaryManager(tmp_path, global_step=7) as manager:
        yield manager


def decoded(directory, tag):
    """The images of a tag as TensorBoard gives them to its page."""
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    [event] = accumulator.Tensors(tag)
    width, height, *encoded = event.tensor_proto.string_val
    images = [tf.io.decode_png(image).numpy() for image in encoded]
    assert all(image.shape[:2] == (int(height), int(width)) for image in images)
    return images


def summaries(directory):
    [path] = directory.glob("*tfevents*")
    return [event.summary for event in tf.compat.v1.train.summary_iterator(str(path)) if event.summary.value]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_uint8_images_come_back_as_they_are(tmp_path, manager, channels):
    images = pictures(channels=channels)

    manager.write_summaries({"image/first": images})
    manager.flush()

    found = decoded(tmp_path, "image/first")
    assert len(found) == 2
    assert all(np.array_equal(image, expected) for image, expected in zip(found, images, strict=True))


@pytest.mark.parametrize(
    "make", [np.asarray, tf.constant, tf.Variable, list], ids=["array", "tensor", "variable", "list"]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_event_holds_what_that_of_tf_summary_image_does(tmp_path, manager, make, dtype):
    images = pictures() if dtype is np.uint8 else (pictures() / 255).astype(dtype)
    writer = tf.summary.create_file_writer(str(tmp_path / "reference"))
    with writer.as_default():
        tf.summary.image("image/first", images, step=7)
    writer.close()

    manager.write_summaries({"image/first": make(images)})
    manager.flush()

    [ours], [theirs] = summaries(tmp_path), summaries(tmp_path / "reference")
    assert pixels(ours) == pixels(theirs)
    ours, theirs = ours.value[0], theirs.value[0]
    assert (ours.tag, ours.tensor.tensor_shape) == (theirs.tag, theirs.tensor.tensor_shape)
    assert ours.metadata.plugin_data.plugin_name == theirs.metadata.plugin_data.plugin_name


def pixels(summary):
    width, height, *images = tf.make_ndarray(summary.value[0].tensor)
    return width, height, [tf.io.decode_png(image).numpy().tolist() for image in images]


def test_bfloat16_images_are_within_their_rounding(tmp_path, manager):
    images = pictures()

    manager.write_summaries({"image/first": tf.cast(images / 255, tf.bfloat16)})
    manager.flush()

    assert np.abs(np.stack(decoded(tmp_path, "image/first")).astype(int) - images).max() <= 1


def test_nan_pixels_are_black_and_rounding_is_clipped(tmp_path, manager):
    manager.write_summaries({"image/first": np.array([np.nan, -0.004, 1.004, 0.5]).reshape(1, 2, 2, 1)})
    manager.flush()

    assert decoded(tmp_path, "image/first")[0].ravel().tolist() == [0, 0, 255, 127]


def test_at_most_max_outputs_images_are_written(tmp_path):
    with ImageScalarSummaryManager(tmp_path, max_outputs=5, global_step=1) as manager:
        manager.write_summaries({"image/many": pictures(7), "group": {"image/few": pictures(3)}})

    assert np.array_equal(np.stack(decoded(tmp_path, "image/many")), pictures(7)[:5])
    assert len(decoded(tmp_path / "group", "image/few")) == 3


def test_default_limit_is_twenty(tmp_path, manager):
    manager.write_summaries({"image/many": pictures(25)})
    manager.flush()

    assert len(decoded(tmp_path, "image/many")) == 20


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (pictures()[0], r"of shape \(4, 6, 3\); one image needs a batch dimension"),
        (np.zeros(3), r"of shape \(3,\)"),
        (np.zeros([1, 4, 4, 5]), r"of shape \(1, 4, 4, 5\)"),
        (np.zeros([1, 0, 4, 3]), r"of shape \(1, 0, 4, 3\)"),
        (np.full([1, 2, 2, 3], 200.0), "floats from 200 to 200"),
        (np.full([1, 2, 2, 3], np.inf), "floats from inf to inf"),
        (np.zeros([1, 2, 2, 3], np.int32), "of dtype int32"),
        (0.5, r"of shape \(\)"),
        (None, "is None"),
    ],
)
def test_what_is_no_batch_of_images_is_refused_before_anything_is_written(tmp_path, manager, value, received):
    with pytest.raises(UnwritableSummaryError, match=f"'group/image/bad'.*{received}"):
        manager.write_summaries({"loss": 1.0, "group": {"image/bad": value}})

    assert list(tmp_path.iterdir()) == []


def test_other_keys_are_scalars(tmp_path, manager, read_events):
    with pytest.raises(UnwritableSummaryError, match="'images' must be one number"):
        manager.write_summaries({"images": pictures()})
    manager.write_summaries({"loss": 0.5})
    manager.flush()

    assert read_events(tmp_path) == [("loss", 7, 0.5)]


def test_each_image_tag_and_step_is_written_once(tmp_path):
    step = tf.Variable(3, dtype=tf.int64)
    for start in (3, 2):
        with ImageScalarSummaryManager(tmp_path, global_step=step) as manager:
            for number in (start, 4):
                step.assign(number)
                if (start, number) == (2, 2):
                    with pytest.warns(UserWarning, match="Summaries of step 2 were dropped") as warned:
                        manager.write_summaries({"image/first": pictures()})
                    assert warned[0].filename == __file__
                elif start == 3:
                    manager.write_summaries({"image/first": pictures()})

    events = [
        (event.step, value.tag)
        for path in sorted(tmp_path.glob("*tfevents*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert events == [(3, "image/first"), (4, "image/first")]


def test_own_functions_are_called_like_those_of_tf_summary(tmp_path):
    calls = []

    def write_scalar(tag, value, step):
        calls.append((tag, value, step))

    def write_image(tag, value, step, max_outputs):
        calls.append((tag, value.shape, value.dtype, step, max_outputs))

    with ImageScalarSummaryManager(tmp_path, write_scalar, write_image, 5, 7) as manager:
        manager.write_summaries({"loss": 1.0, "image/first": pictures(9) / 255})

    assert calls == [("loss", 1.0, 7), ("image/first", (5, 4, 6, 3), np.uint8, 7, 5)]


def test_functions_of_tf_summary_may_be_named(tmp_path, read_events):
    with ImageScalarSummaryManager(
        tmp_path, tf.summary.scalar, tf.summary.image, max_outputs=2, global_step=1
    ) as manager:
        manager.write_summaries({"group": {"image/first": pictures(3)}, "loss": 0.5})

    assert len(decoded(tmp_path / "group", "image/first")) == 2
    assert read_events(tmp_path) == [("loss", 1, 0.5)]


@pytest.mark.parametrize("max_outputs", [0, -1, 2.5, True, None])
def test_max_outputs_must_be_a_positive_integer(tmp_path, max_outputs):
    with pytest.raises(ValueError, match="`max_outputs` must be a positive integer"):
        ImageScalarSummaryManager(tmp_path, max_outputs=max_outputs)


def test_no_directory_means_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with ImageScalarSummaryManager(None) as manager:
        manager.write_summaries({"image/bad": object()})

    assert list(tmp_path.iterdir()) == []


class Figure:
    """What a matplotlib figure offers, as far as it is used."""

    def __init__(self, image):
        self.image = image

    def savefig(self, file, **options):
        assert options == {"format": "png", "dpi": 100}
        file.write(tf.io.encode_png(self.image).numpy())


def test_figure_is_written_as_the_png_that_it_draws(tmp_path, manager):
    manager.write_summaries({"group": {"figure/curve": Figure(pictures()[0])}})
    manager.flush()

    assert np.array_equal(decoded(tmp_path / "group", "figure/curve")[0], pictures()[0])


class Broken:
    def savefig(self, file, **kwargs):
        raise RuntimeError("no renderer")


class Blank:
    def savefig(self, file, **kwargs):
        assert isinstance(file, io.BytesIO)


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (3, "'figure/curve' must be a figure.*Received a int"),
        (Broken(), "'figure/curve' could not be drawn as PNG: RuntimeError: no renderer"),
        (Blank(), "'figure/curve' could not be drawn as PNG"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_its_path(tmp_path, manager, figure, said):
    with pytest.raises(UnwritableSummaryError, match=said):
        manager.write_summaries({"loss": 1.0, "figure/curve": figure})

    assert list(tmp_path.iterdir()) == []
