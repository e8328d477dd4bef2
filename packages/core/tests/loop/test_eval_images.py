"""Images of a validation step reach the event files of the evaluation, through the task's aggregation."""

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.distribution import get_distribution_strategy
from assay.core.experiment import run_experiment
from assay.core.progress import Progress
from assay.core.task import keeps_step_logs
from assay.summaries import ImageScalarSummaryManager, SummaryManager, UnwritableSummaryError
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.flavour

STEPS = 4


class PictureTask(line_task.LineTask):
    """Shows each validation example x as a 2 x 3 image of constant value 10 * x, in the order of the data."""

    def validation_step(self, inputs, model, metrics=None):
        logs = super().validation_step(inputs, model, metrics)
        pixels = tf.cast(10.0 * inputs[0], tf.uint8)[:, :, None, None]
        return logs | {"pictures": tf.tile(pixels, [1, 2, 3, 1])}

    def aggregate_logs(self, state, step_logs):
        return [*(state or []), *(picture.numpy() for picture in step_logs["pictures"])]

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        pictures = np.concatenate(aggregated_logs)
        return {"image/pictures": pictures, "detail": {"image/first": pictures[:1], "step": int(global_step)}}


def run(model_dir, **options):
    config = line_task.experiment(train_steps=STEPS, steps_per_loop=2, validation_interval=2)
    optimization = config.trainer.optimizer_config
    optimization.optimizer.type, optimization.learning_rate.type = "sgd", "constant"
    optimization.learning_rate.constant.learning_rate = line_task.RATE
    task = PictureTask(config.task, logging_dir=str(model_dir))
    strategy = get_distribution_strategy("off")
    options = {"progress": Progress()} | options
    return run_experiment(strategy, task, "train_and_eval", config, str(model_dir), **options)[1]


def pictures(directory, tag):
    """The first pixel of each image, by step."""
    accumulator = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "images"
    return {
        event.step: [int(tf.io.decode_png(image)[0, 0, 0]) for image in event.tensor_proto.string_val[2:]]
        for event in accumulator.Tensors(tag)
    }


EVERY_EXAMPLE = [10 * x for x in range(1, 13)]


def test_a_run_shows_images_without_being_told(tmp_path):
    logs = run(tmp_path)

    assert pictures(tmp_path / "validation", "image/pictures") == {2: EVERY_EXAMPLE, 4: EVERY_EXAMPLE}
    assert pictures(tmp_path / "validation" / "detail", "image/first") == {2: [10], 4: [10]}
    assert logs["image/pictures"].shape == (12, 2, 3, 1)


def test_a_manager_that_is_given_decides_how_many(tmp_path):
    step = tf.Variable(STEPS, dtype=tf.int64)
    manager = ImageScalarSummaryManager(
        tmp_path / "shown", tf.summary.scalar, tf.summary.image, max_outputs=5, global_step=step
    )

    with pytest.warns(UserWarning, match="dropped"):  # the step of this manager stands still
        run(tmp_path / "run", eval_summary_manager=manager)

    assert pictures(tmp_path / "shown", "image/pictures") == {STEPS: EVERY_EXAMPLE[:5]}
    assert not (tmp_path / "run" / "validation").exists()


def test_a_manager_of_scalars_refuses_images_by_their_name(tmp_path):
    with pytest.raises(UnwritableSummaryError, match="'image/pictures' must be one number"):
        run(tmp_path, eval_summary_manager=SummaryManager(tmp_path / "shown", global_step=1))


@pytest.mark.parametrize("declared", [True, False])
def test_a_task_may_say_whether_its_step_logs_are_needed(declared):
    class Declares(PictureTask):
        needs_step_logs = declared

    assert keeps_step_logs(Declares(None)) is declared
    assert keeps_step_logs(PictureTask(None))
    assert not keeps_step_logs(line_task.LineTask(None))
