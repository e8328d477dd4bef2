"""Input files are found, or the message says what is missing."""

import pytest
from assay.reference_tasks.vision.inputs.paths import InputFilesError, file_sizes, find_files


@pytest.fixture
def files(tmp_path):
    for name in ("a-1", "a-2", "b-1"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_glob_gives_sorted_files(files):
    assert find_files(f"{files}/a-*") == [f"{files}/a-1", f"{files}/a-2"]


@pytest.mark.parametrize("as_list", [True, False])
def test_several_paths(files, as_list):
    paths = [f"{files}/b-1", f"{files}/a-*"]

    assert find_files(paths if as_list else ", ".join(paths)) == [f"{files}/{name}" for name in ("a-1", "a-2", "b-1")]


def test_file_that_two_globs_match_is_read_once(files):
    assert find_files([f"{files}/a-1", f"{files}/a-*"]) == [f"{files}/a-1", f"{files}/a-2"]


def test_package_path_is_found_wherever_the_package_is_installed():
    found = find_files("package://assay.reference_tasks.classification/data/digits/validation-*")

    assert [path.rpartition("/")[2] for path in found] == [
        "validation-00000-of-00002.tfrecord",
        "validation-00001-of-00002.tfrecord",
    ]


def test_unmatched_glob_among_others_is_named(files):
    with pytest.raises(InputFilesError, match=r"no file matches '.*/c-\*'.*relative path starts from"):
        find_files(f"{files}/a-*,{files}/c-*")


def test_missing_directory_is_named(tmp_path):
    with pytest.raises(InputFilesError, match=r"no file matches '.*nowhere/data'"):
        find_files(f"{tmp_path}/nowhere/data")


@pytest.mark.parametrize("empty", ["", [], " , "])
def test_no_path_is_refused(empty):
    with pytest.raises(InputFilesError, match="names no file"):
        find_files(empty)


def test_unknown_package_is_named():
    with pytest.raises(InputFilesError, match=r"package://no\.such/data.*cannot be imported"):
        find_files("package://no.such/data")


def test_empty_files_are_refused(tmp_path):
    (tmp_path / "empty").write_text("")

    with pytest.raises(InputFilesError, match="all 1 files are empty"):
        file_sizes(find_files(f"{tmp_path}/empty"))


def test_directory_is_refused_with_the_glob_to_use(tmp_path):
    with pytest.raises(InputFilesError, match=r"is a directory.*\*\.tfrecord"):
        file_sizes([str(tmp_path)])
