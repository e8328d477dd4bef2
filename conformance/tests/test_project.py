import pytest
from assay.conformance import Kind, UsageError
from assay.conformance.project import find_project, read_expectations

TASKS = "def make():\n    return 1\n"


def write(folder, text):
    (folder / "pyproject.toml").write_text(text)
    (folder / "g_tasks.py").write_text(TASKS)
    return folder


def test_nearest_project_is_found_from_below(tmp_path):
    write(tmp_path, '[tool.assay]\nsubjects = ["g_tasks.py:make"]\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    project = find_project(below)

    assert project is not None
    assert [subject.name for subject in project.load_subjects()] == ["make"]


def test_subject_may_be_a_table(tmp_path):
    table = '{subject = "g_tasks.py:make", kind = "task", name = "mine", traits = {batch_statistics = true}}'
    write(tmp_path, f"[tool.assay]\nsubjects = [{table}]\n")

    (subject,) = find_project(tmp_path).load_subjects()

    assert (subject.name, subject.kind, subject.traits) == ("mine", Kind.TASK, {"batch_statistics": True})


def test_expectations_are_read(tmp_path):
    write(tmp_path, '[[tool.assay.expectations]]\nrule = "T403"\nreason = "padding"\nuntil = 2027-01-31\n')

    (expectation,) = find_project(tmp_path).expectations

    assert (expectation.rule, expectation.reason, expectation.until.year) == ("T403", "padding", 2027)


def test_expectations_may_have_a_file_of_their_own(tmp_path):
    path = tmp_path / "known.toml"
    path.write_text('[[expectations]]\nrule = "T403"\nreason = "padding"\n')

    assert read_expectations(path)[0].rule == "T403"
    with pytest.raises(UsageError, match="no file of expectations"):
        read_expectations(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[tool.assay]\nsubject = ["x"]\n', "no key 'subject'; the nearest is 'subjects'"),
        ('[tool.assay]\nsubjects = "x"\n', "must be a list"),
        ("[tool.assay\n", "cannot be read"),
    ],
)
def test_mistake_in_the_table_is_said(tmp_path, text, message):
    write(tmp_path, text)

    with pytest.raises(UsageError, match=message):
        find_project(tmp_path)


def test_mistake_in_a_subject_is_said(tmp_path):
    write(tmp_path, '[tool.assay]\nsubjects = [{subject = "g_tasks.py:make", knd = "task"}]\n')

    with pytest.raises(UsageError, match="no key 'knd'; the nearest is 'kind'"):
        find_project(tmp_path).load_subjects()
