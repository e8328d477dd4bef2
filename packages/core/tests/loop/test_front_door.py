"""Every public name of `assay.core` can be imported from its front door, and importing it starts no TensorFlow."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import assay.core
import pytest

SOURCE = Path(assay.core.__file__)


def test_importing_the_front_door_does_not_import_tensorflow():
    code = "import sys, assay.core; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_for_type_checkers_are_the_names_at_run_time():
    tree = ast.parse(SOURCE.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    typed = {alias.asname: node.module for node in imports if node.module != "typing" for alias in node.names}

    assert typed == {name: f"assay.core.{module}" for name, module in assay.core._HOME.items()}


@pytest.mark.parametrize("name", dir(assay.core))
def test_name_is_found_in_its_home(name):
    home = importlib.import_module(f"assay.core.{assay.core._HOME[name]}")

    assert getattr(assay.core, name) is getattr(home, name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Trayner'"):
        _ = assay.core.Trayner
