"""The folder of a bundle: files that are missing, cut short, changed or links are named, and nothing is unpickled."""

import io
import pickle

import numpy as np
import pytest
from assay.conformance.bundles.arrays import digest, from_npy, to_npy
from assay.conformance.bundles.folder import Folder, find_folders
from assay.conformance.bundles.manifest import BundleError
from replay_builders import small_bundle

pytest.importorskip("jax")


@pytest.fixture
def folder(tmp_path):
    return small_bundle(tmp_path / "bundle")


def read_all(path):
    opened = Folder(path)
    for program in opened.manifest.programs:
        opened.program(program)
        for case in program.cases:
            for one, tensor in zip(case.inputs, program.inputs, strict=True):
                opened.array(one, tensor)


def an_array(folder):
    opened = Folder(folder)
    return folder / "arrays" / f"{opened.manifest.programs[0].cases[0].inputs[0]}.npy"


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "complex64", "bfloat16"])
def test_array_of_any_dtype_comes_back(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([[0, 1], [1, 0]]).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)

    found = from_npy(to_npy(array), (2, 2), dtype)

    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert digest(found) == digest(array)


def test_digest_tells_shapes_and_dtypes_apart():
    zeros = np.zeros(4, np.float32)

    assert len({digest(zeros), digest(zeros.reshape(2, 2)), digest(zeros.astype(np.int32))}) == 3


def test_pickled_array_is_refused():
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)

    for content in (file.getvalue(), pickle.dumps(np.zeros(2))):
        with pytest.raises(ValueError, match="pickle"):
            from_npy(content, (1,), "float32")


def test_whole_folder_is_read(folder):
    read_all(folder)


def test_array_that_was_cut_short_is_named(folder):
    path = an_array(folder)
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(BundleError, match=f"{path.name} was cut short or changed"):
        read_all(folder)


def test_array_that_was_edited_is_named(folder):
    path = an_array(folder)
    path.write_bytes(to_npy(np.array([9.0, 9.0], np.float32)))

    with pytest.raises(BundleError, match=f"{path.name} was cut short or changed: its content is not what its name"):
        read_all(folder)


def test_array_that_was_blown_up_is_not_read(folder):
    path = an_array(folder)
    path.write_bytes(path.read_bytes() + b"\0" * 100_000)

    with pytest.raises(BundleError, match=r"it has \d+ bytes, and \d+ are possible"):
        read_all(folder)


def test_program_that_was_edited_is_named(folder):
    (path,) = (folder / "programs").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(BundleError, match=f"{path.name} was cut short or changed"):
        read_all(folder)


def test_missing_file_is_named(folder):
    path = an_array(folder)
    path.unlink()

    with pytest.raises(BundleError, match=f"{path.name} is missing: the bundle is not whole"):
        read_all(folder)


def test_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    path = an_array(folder)
    secret = tmp_path / "secret.npy"
    path.rename(secret)
    path.symlink_to(secret)

    with pytest.raises(BundleError, match="is a link or no plain file"):
        read_all(folder)


def test_folder_of_links_is_not_followed(folder, tmp_path):
    (folder / "arrays").rename(tmp_path / "elsewhere")
    (folder / "arrays").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BundleError, match="is a link or no plain file"):
        read_all(folder)


def test_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        find_folders(tmp_path)
    with pytest.raises(BundleError, match="There is no folder"):
        find_folders(tmp_path / "nowhere")


def test_bundles_within_a_folder_are_found_by_name(tmp_path):
    for name in ("b", "a"):
        small_bundle(tmp_path / name)

    assert [one.path.name for one in find_folders(tmp_path)] == ["a", "b"]


def test_folder_that_holds_something_else_is_not_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("the only copy")

    with pytest.raises(BundleError, match="is no bundle and not empty"):
        small_bundle(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_bundle_is_written_over_without_a_trace_of_the_old(folder):
    old = an_array(folder)
    (folder / "replay-cpu.json").write_text("{}")

    small_bundle(folder, expected=(1.0, 1.0))

    assert old.exists()  # the same argument
    assert len(list((folder / "arrays").iterdir())) == 2
