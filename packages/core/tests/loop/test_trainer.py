"""The inner loops compute what can be computed by hand, on one replica and on two."""

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.divergence import DivergedError
from line_task import evaluate, experiment, make_trainer, train

pytestmark = pytest.mark.flavour


def test_training_equals_sgd_by_hand(strategy):
    trainer = make_trainer(strategy=strategy)

    train(trainer, 5)

    expected, _ = line_task.sgd_by_hand(5)
    np.testing.assert_allclose(line_task.weight(trainer), expected, rtol=1e-6)


def test_training_logs_are_those_of_the_loop(strategy):
    trainer = make_trainer(strategy=strategy)
    train(trainer, 2)

    logs = train(trainer, 3)

    _, losses = line_task.sgd_by_hand(5)
    assert set(logs) == {"training_loss", "learning_rate", "error"}
    np.testing.assert_allclose(float(logs["training_loss"]), np.mean(losses[2:]), rtol=1e-5)
    np.testing.assert_allclose(float(logs["learning_rate"]), line_task.RATE, rtol=1e-6)


def test_global_step_counts_the_steps_asked(strategy):
    trainer = make_trainer(strategy=strategy)

    train(trainer, 3)
    train(trainer, 4)

    assert trainer.step == 7
    assert trainer.global_step.dtype == tf.int64
    assert int(np.asarray(trainer.optimizer.iterations)) == 7


@pytest.mark.parametrize("tf_while_loop", [True, False])
@pytest.mark.parametrize("tf_function", [True, False])
def test_every_way_to_compile_the_loop_gives_the_same(tf_function, tf_while_loop):
    if tf_while_loop and not tf_function:
        with pytest.raises(ValueError, match="needs `use_tf_function=True`"):
            make_trainer(experiment(train_tf_function=False))
        return
    trainer = make_trainer(experiment(train_tf_function=tf_function, train_tf_while_loop=tf_while_loop))

    logs = train(trainer, 3)

    expected, losses = line_task.sgd_by_hand(3)
    np.testing.assert_allclose(line_task.weight(trainer), expected, rtol=1e-6)
    np.testing.assert_allclose(float(logs["training_loss"]), np.mean(losses), rtol=1e-5)


def test_compiled_step_gives_the_same():
    config = experiment()
    config.runtime.enable_xla = True
    trainer = make_trainer(config)

    train(trainer, 3)

    np.testing.assert_allclose(line_task.weight(trainer), line_task.sgd_by_hand(3)[0], rtol=1e-6)
    np.testing.assert_allclose(float(evaluate(trainer)["error"]), 6.5 * (2 - line_task.weight(trainer)), rtol=1e-5)


def test_xla_with_two_replicas_is_refused():
    config = experiment()
    config.runtime.enable_xla = True

    with pytest.raises(ValueError, match=r"runtime\.enable_xla: .* single replica only, and this run has 2"):
        make_trainer(config, strategy=line_task.two_replicas())


@pytest.mark.parametrize("batch_size", [2, 8, 10, 12, 24])
@pytest.mark.parametrize("tf_while_loop", [True, False])
def test_evaluation_counts_each_example_once(strategy, batch_size, tf_while_loop):
    config = experiment(validation_data={"global_batch_size": batch_size}, eval_tf_while_loop=tf_while_loop)
    trainer = make_trainer(config, strategy=strategy)

    logs = evaluate(trainer)

    np.testing.assert_allclose(float(logs["validation_loss"]), np.mean((2 * line_task.EXAMPLES) ** 2), rtol=1e-6)
    np.testing.assert_allclose(float(logs["error"]), 13.0, rtol=1e-6)


@pytest.mark.parametrize("tf_while_loop", [True, False])
def test_dropped_remainder_is_not_counted(tf_while_loop):
    data = {"global_batch_size": 5, "drop_remainder": True}
    trainer = make_trainer(experiment(validation_data=data, eval_tf_while_loop=tf_while_loop))

    logs = evaluate(trainer)

    np.testing.assert_allclose(float(logs["validation_loss"]), np.mean((2 * line_task.EXAMPLES[:10]) ** 2), rtol=1e-6)
    np.testing.assert_allclose(float(logs["error"]), 11.0, rtol=1e-6)


def test_odd_number_of_fixed_size_batches_is_all_evaluated_by_two_replicas():
    # Three batches of four for two replicas: TensorFlow alone would drop the third.
    data = {"global_batch_size": 8, "drop_remainder": True}
    trainer = make_trainer(experiment(validation_data=data), strategy=line_task.two_replicas())

    np.testing.assert_allclose(float(evaluate(trainer)["error"]), 13.0, rtol=1e-6)


def test_second_evaluation_starts_clean(strategy):
    trainer = make_trainer(strategy=strategy)

    first, second = evaluate(trainer), evaluate(trainer)

    assert {name: float(value) for name, value in first.items()} == {
        name: float(value) for name, value in second.items()
    }


def test_evaluation_of_some_steps_begins_at_the_first_batch():
    trainer = make_trainer()
    evaluate(trainer, 1)

    logs = evaluate(trainer, 2)

    np.testing.assert_allclose(float(logs["error"]), np.mean(2 * line_task.EXAMPLES[:8]), rtol=1e-6)


def test_evaluation_uses_the_weights_just_trained_and_changes_none(strategy):
    trainer = make_trainer(strategy=strategy)
    train(trainer, 3)
    before = line_task.weight(trainer)

    logs = evaluate(trainer)

    assert line_task.weight(trainer) == before
    assert trainer.step == 3
    np.testing.assert_allclose(float(logs["error"]), 6.5 * (2 - before), rtol=1e-5)


def test_regularisers_count_in_the_loss():
    trainer = make_trainer(experiment(task={"l2": 0.5}))
    trainer.model.set_weights([np.ones([1, 1], np.float32)])

    logs = evaluate(trainer)

    np.testing.assert_allclose(float(logs["validation_loss"]), np.mean(line_task.EXAMPLES**2) + 0.5, rtol=1e-6)


class CollectingTask(line_task.LineTask):
    """Counts and sums the labels on the host."""

    def validation_step(self, inputs, model, metrics=None):
        logs = super().validation_step(inputs, model, metrics)
        return logs | {"labels": inputs[1]}

    def aggregate_logs(self, state, step_logs):
        state = state or {"steps": 0, "labels": []}
        state["steps"] += 1
        state["labels"] += [np.asarray(labels) for labels in step_logs["labels"]]
        return state

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        labels = np.concatenate(aggregated_logs["labels"])
        return {"steps": aggregated_logs["steps"], "labels": sorted(labels[:, 0]), "at": int(global_step.numpy())}


def test_host_aggregation_sees_each_example_once_from_the_first_step_on(strategy):
    config = experiment(validation_data={"global_batch_size": 10})
    trainer = make_trainer(config, strategy=strategy, task_cls=CollectingTask)

    evaluate(trainer)
    logs = evaluate(trainer)

    assert logs["labels"] == sorted(2 * line_task.EXAMPLES[:, 0])
    assert logs["at"] == 0


def test_host_aggregation_gets_a_tuple_entry_per_replica(strategy):
    seen = []

    class Spy(line_task.LineTask):
        def aggregate_logs(self, state, step_logs):
            seen.append({name: len(values) for name, values in step_logs.items()})
            return super().aggregate_logs(state, step_logs)

    evaluate(make_trainer(strategy=strategy, task_cls=Spy), 1)

    assert seen == [{"loss": strategy.num_replicas_in_sync}]


def test_reducing_alone_gets_the_list_of_all_steps():
    class Counts(line_task.LineTask):
        def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
            return {"steps": len(aggregated_logs)}

    assert evaluate(make_trainer(task_cls=Counts))["steps"] == 3


def test_host_aggregation_inside_a_device_loop_is_refused():
    with pytest.raises(ValueError, match="CollectingTask aggregates them on the host"):
        make_trainer(experiment(eval_tf_while_loop=True), task_cls=CollectingTask)


def test_evaluation_without_a_batch_is_refused():
    data = {"global_batch_size": 24, "drop_remainder": True}

    with pytest.raises(ValueError, match=r"task\.validation_data: has not a single batch"):
        evaluate(make_trainer(experiment(validation_data=data)))


def test_training_data_that_ends_is_named():
    trainer = make_trainer(experiment(train_data={"repeat": False}))

    with pytest.raises(ValueError, match=r"ended after step 3, 3 steps into a loop of 10.*repeat\(\)"):
        train(trainer, 10)


def poisoned_trainer(**options):
    trainer = make_trainer(experiment(**options))
    trainer.model.set_weights([np.full([1, 1], np.nan, np.float32)])
    return trainer


def test_loss_that_is_not_finite_stops_training_and_names_the_step():
    with pytest.raises(DivergedError, match=r"training loss is not finite since step 1: training_loss=nan"):
        train(poisoned_trainer(), 10)


def test_loss_above_the_bound_stops_training():
    with pytest.raises(DivergedError, match="above loss_upper_bound=1"):
        train(make_trainer(experiment(loss_upper_bound=1.0)), 1)


def test_bad_loss_is_not_looked_at_before_recovery_begin_steps():
    trainer = poisoned_trainer(recovery_begin_steps=3)

    train(trainer, 2)
    with pytest.raises(DivergedError, match="step 3"):
        train(trainer, 1)


def test_check_of_the_loss_can_be_turned_off():
    logs = train(poisoned_trainer(recovery_max_trials=-1), 2)

    assert np.isnan(float(logs["training_loss"]))


def test_progress_is_reported_and_a_stop_ends_the_loop_early():
    trainer = make_trainer()
    reported = []
    trainer.on_progress = reported.append
    trainer.should_stop = lambda: sum(reported) >= 3

    logs = train(trainer, 1000)

    assert trainer.step == sum(reported) < 1000
    np.testing.assert_allclose(float(logs["training_loss"]), np.mean(line_task.sgd_by_hand(trainer.step)[1]), rtol=1e-5)


def test_dataset_given_instead_of_the_tasks_is_divided_among_replicas(strategy):
    data = tf.data.Dataset.from_tensor_slices((line_task.EXAMPLES, 2 * line_task.EXAMPLES))
    trainer = make_trainer(strategy=strategy, train_dataset=data.repeat().batch(4), validation_dataset=data.batch(5))

    train(trainer, 5)

    np.testing.assert_allclose(line_task.weight(trainer), line_task.sgd_by_hand(5)[0], rtol=1e-6)
    np.testing.assert_allclose(float(evaluate(trainer)["error"]), 6.5 * (2 - line_task.weight(trainer)), rtol=1e-5)


@pytest.mark.parametrize("name", ["training_loss", "best_error"])
def test_metric_with_a_reserved_name_is_refused(name):
    class Reserved(line_task.LineTask):
        def build_metrics(self, training=True):
            return [tf.keras.metrics.Mean(name=name)]

    with pytest.raises(ValueError, match=f"'{name}', which the loop uses"):
        make_trainer(task_cls=Reserved)


def test_two_metrics_of_one_name_are_refused():
    class Twice(line_task.LineTask):
        def build_metrics(self, training=True):
            return [tf.keras.metrics.Mean(name="error"), tf.keras.metrics.Mean(name="error")]

    with pytest.raises(ValueError, match="Two metrics are named 'error'"):
        make_trainer(task_cls=Twice)


def test_model_without_variables_is_refused():
    class Unbuilt(line_task.LineTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Dense(1)])

    with pytest.raises(ValueError, match="model of Unbuilt has no variables yet"):
        make_trainer(task_cls=Unbuilt)


def test_steps_are_traced_once():
    traces = []

    class Counting(line_task.LineTask):
        def train_step(self, inputs, model, optimizer, metrics=None):
            traces.append("train")
            return super().train_step(inputs, model, optimizer, metrics)

        def validation_step(self, inputs, model, metrics=None):
            traces.append("eval")
            return super().validation_step(inputs, model, metrics)

    trainer = make_trainer(experiment(validation_data={"global_batch_size": 5}), task_cls=Counting)

    for _ in range(3):
        train(trainer, 7)
        evaluate(trainer)

    assert sorted(traces) == ["eval", "train"]


def test_trainer_without_training_needs_no_optimizer_and_refuses_to_train():
    config = experiment()
    task = line_task.LineTask(config.task)
    trainer = line_task.Trainer(config, task, train=False)

    assert float(evaluate(trainer)["error"]) == 13.0
    with pytest.raises(ValueError, match="made with train=False"):
        train(trainer, 1)
