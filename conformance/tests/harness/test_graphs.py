"""Operations are found at any depth of a graph, with the line that made them."""

from pathlib import Path

import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness import operations, places
from assay.conformance.harness.places import frames_in, own_place
from assay.conformance.harness.tasks import traced_steps
from assay.conformance.model import Subject
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask


def graph_of(function, *shapes):
    return tf.function(function).get_concrete_function(*[tf.TensorSpec(shape) for shape in shapes]).graph


def nested(x):
    @tf.function
    def inner(y):
        while tf.reduce_sum(y) < 100.0:
            if tf.reduce_max(y) > 0.0:
                y = y + tf.math.erf(y)  # the line
        return y

    return inner(x) + inner(x)


def test_an_operation_in_a_branch_of_a_loop_of_a_function_is_found_once():
    found = [one for one in operations(graph_of(nested, [3])) if one.kind == "Erf"]

    assert len(found) == 1
    assert found[0].depth == 3
    assert found[0].place.function == "inner"
    assert found[0].place.source == "y = y + tf.math.erf(y)  # the line"
    assert str(found[0]).startswith("Erf at test_graphs.py:")


def test_the_optimizer_is_known_by_its_frames():
    table = tf.Variable(tf.ones((4, 2)))
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build([table])

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, tf.cast(x, tf.int32)))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])

    found = list(operations(graph_of(step, [3])))

    assert any(one.made_by_optimizer for one in found)
    assert not any(one.made_by_optimizer for one in found if one.kind == "Sum")


def test_summaries_of_a_step_are_in_its_graph():
    class Writes(SoundTask):
        def train_logs(self, loss):
            tf.summary.scalar("loss", loss)
            return super().train_logs(loss)

    graphs = traced_steps(Context(rule_id="T404", session=Session(Subject(Writes))))

    assert list(graphs) == ["train_step", "validation_step"]
    kinds = {one.kind for one in operations(graphs["train_step"])}
    assert "WriteSummary" in kinds
    assert "WriteSummary" not in {one.kind for one in operations(graphs["validation_step"])}


def test_own_place_is_the_innermost_line_that_is_no_frameworks():
    frames = [
        ("/project/task.py", 3, "train_step"),
        ("/venv/lib/python3.11/site-packages/official/losses.py", 7, "focal"),
        ("/venv/lib/python3.11/site-packages/keras/src/ops.py", 9, "add"),
        ("/venv/lib/python3.11/site-packages/tensorflow/python/ops.py", 11, "add"),
    ]

    assert str(own_place(frames)) == "losses.py:7 in focal"
    assert own_place(frames).installed
    assert str(own_place([frames[0], *frames[2:]])) == "task.py:3 in train_step"
    assert own_place(frames[2:]) is None


def test_lines_of_the_suite_are_nobodys_own_but_mutants_are_subjects():
    root = Path(places.__file__).parents[1]
    suite = [(str(root / "session.py"), 60, "share"), (str(root / "harness" / "build.py"), 9, "build_task")]
    mutant = (str(root / "rules" / "task" / "T101_logs_stable.py"), 90, "train_logs")

    assert own_place(suite) is None
    assert str(own_place([*suite, mutant])) == "T101_logs_stable.py:90 in train_logs"


def test_frames_are_read_from_a_message():
    message = 'refused\n  File "home/me/task.py", line 12, in train_step\n  File "x.py", line 3, in <lambda>\n'

    assert frames_in(message) == [("home/me/task.py", 12, "train_step"), ("x.py", 3, "<lambda>")]


def test_a_step_that_changes_the_containers_of_its_batch_is_traced():
    class Pops(SoundTask):
        def build_inputs(self, params, input_context=None):
            return super().build_inputs(params, input_context).map(lambda x, y: {"x": x, "y": y})

        def train_step(self, inputs, model, optimizer, metrics=None):
            return super().train_step((inputs.pop("x"), inputs.pop("y")), model, optimizer, metrics)

        def validation_step(self, inputs, model, metrics=None):
            return super().validation_step((inputs.pop("x"), inputs.pop("y")), model, metrics)

    assert len(traced_steps(Context(rule_id="T404", session=Session(Subject(Pops))))) == 2
