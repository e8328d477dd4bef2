"""Names for new tasks."""

import pytest
from assay.reference_tasks.templates import NewTaskError
from assay.reference_tasks.templates.naming import check_name


@pytest.mark.parametrize(
    ("name", "distribution", "class_prefix"),
    [("birds", "birds", "Birds"), ("my_birds", "my-birds", "MyBirds"), ("birds2", "birds2", "Birds2")],
)
def test_distribution_and_classes_follow_from_the_name(name, distribution, class_prefix):
    checked = check_name(name)

    assert (checked.package, checked.distribution, checked.class_prefix) == (name, distribution, class_prefix)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'' is no name for a package"),
        ("2birds", "with a letter first, for example 'birds'"),
        ("MyBirds", "for example 'my_birds'"),
        ("my-birds", "for example 'my_birds'"),
        ("my.birds", "for example 'my_birds'"),
        ("vögel", "for example 'v_gel'"),
        ("../birds", "for example 'birds'"),
        ("_", "with a letter first\\.$"),
        ("birds\n", "for example 'birds'"),
        ("lambda", "is a keyword of Python"),
        ("random", "is a module of Python itself"),
        ("numpy", "there is a module 'numpy' already .*numpy"),
        ("assay", "there is a module 'assay' already"),
    ],
)
def test_name_that_cannot_be_a_new_package_is_refused(name, message):
    with pytest.raises(NewTaskError, match=message):
        check_name(name)


def test_folder_of_the_current_directory_is_no_module(tmp_path, monkeypatch):
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")

    assert check_name("birds").package == "birds"
