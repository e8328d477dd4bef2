import textwrap

import pytest
from assay.conformance import Kind, Subject, UsageError
from assay.conformance.importing import kind_of, load_subjects


@pytest.fixture
def module(tmp_path):
    def write(text, name="things.py"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return tmp_path

    return write


def load(folder, spec, **options):
    return load_subjects(spec, folder=folder, **options)


def test_file_and_attribute(module):
    folder = module("def make():\n    return 41 + 1\n")

    (subject,) = load(folder, "things.py:make")

    assert (subject.name, subject.origin, subject.factory()) == ("make", "things.py:make", 42)


def test_absolute_path(module):
    folder = module("def make():\n    return 1\n")

    assert load_subjects(f"{folder / 'things.py'}:make")[0].factory() == 1


def test_neighbours_of_a_file_can_be_imported(module):
    module("VALUE = 7\n", name="a_neighbour_of_things.py")
    folder = module("import a_neighbour_of_things as n\n\ndef make():\n    return n.VALUE\n", name="b_things.py")

    assert load(folder, "b_things.py:make")[0].factory() == 7


def test_module_and_attribute():
    (subject,) = load_subjects("assay.conformance.specimens:SOUND_TASK")

    assert subject.kind is Kind.TASK
    assert subject.name == "sound task"
    assert subject.origin == "assay.conformance.specimens:SOUND_TASK"


def test_list_of_subjects_and_factories(module):
    folder = module(
        "from assay.conformance import Subject\nITEMS = [Subject(dict, name='one'), list]\n", name="c_items.py"
    )

    assert [subject.name for subject in load(folder, "c_items.py:ITEMS")] == ["one", "ITEMS[1]"]


def test_caller_adds_kind_sample_and_traits(module):
    folder = module("def make():\n    return 1\n", name="d_things.py")

    (subject,) = load(folder, "d_things.py:make", kind=Kind.TASK, sample=5, traits={"batch_statistics": True})

    assert (subject.kind, subject.sample, subject.traits) == (Kind.TASK, 5, {"batch_statistics": True})


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        ("x = 3", "x", "of type int; it must be a zero-argument factory"),
        ("ITEMS = []", "ITEMS", "empty list"),
        ("def mistake(): ...", "mistaek", "no attribute 'mistaek'; the nearest is 'mistake'"),
        ("class Task:\n    def __init__(self, params): ...", "Task", "needs the arguments params"),
        ("raise RuntimeError('no licence')", "x", "raised RuntimeError: no licence"),
        ("import a_module_that_is_not_there", "x", "raised ModuleNotFoundError"),
        ("raise SystemExit(1)", "x", "raised SystemExit"),
        ("def broken(:", "x", "raised SyntaxError"),
    ],
)
def test_what_cannot_be_a_subject_is_said_in_one_sentence(module, text, attribute, message):
    folder = module(text, name="e_things.py")

    with pytest.raises(UsageError, match=message) as caught:
        load(folder, f"e_things.py:{attribute}")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("things", "neither package.module:attr nor path/file.py:attr"),
        ("things.py:", "neither package.module:attr"),
        ("absent.py:x", "no file"),
        ("absent_package.module:x", "no module 'absent_package'"),
        ("assay.conformance.absent:x", r"no module 'assay\.conformance\.absent'"),
    ],
)
def test_what_cannot_be_found_is_said_in_one_sentence(tmp_path, spec, message):
    with pytest.raises(UsageError, match=message):
        load(tmp_path, spec)


def test_kind_that_cannot_be_told_asks_for_it(module):
    folder = module("def make():\n    return 1\n\ndef broken():\n    raise OSError('no disk')\n", name="f_things.py")

    with pytest.raises(UsageError, match=r"makes a int; say which of loss, .* \(--kind\)"):
        kind_of(load(folder, "f_things.py:make")[0])
    with pytest.raises(UsageError, match="raised OSError: no disk"):
        kind_of(load(folder, "f_things.py:broken")[0])


def test_function_of_two_arguments_is_a_loss():
    def squared(y_true, y_pred, *, scale=1.0):
        return scale * (y_true - y_pred) ** 2

    assert kind_of(Subject(squared)) is Kind.LOSS


def test_object_that_is_called_with_two_arguments_is_a_loss():
    class Squared:
        def __call__(self, logits, labels, sample_weight=None):
            return (logits - labels) ** 2

    assert kind_of(Subject(Squared)) is Kind.LOSS
