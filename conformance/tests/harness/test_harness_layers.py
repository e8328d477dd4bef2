"""The layers of the harness: what is shared knows no kind, and pipelines know nothing of Tasks."""

import re
from pathlib import Path

import assay.conformance.harness as harness

ROOT = Path(harness.__file__).parent
IMPORTS = re.compile(r"^\s*(?:from|import) assay\.conformance\.harness\.(\w+)", re.MULTILINE)
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}


def folders_imported(path):
    return {name for name in IMPORTS.findall(path.read_text()) if name in FOLDERS}


def test_shared_modules_import_no_folder_of_a_kind():
    assert {path.name: folders_imported(path) for path in ROOT.glob("*.py") if folders_imported(path)} == {}


def test_pipelines_import_nothing_of_tasks():
    found = set().union(*(folders_imported(path) for path in (ROOT / "pipelines").glob("*.py")))

    assert found == {"pipelines"}
