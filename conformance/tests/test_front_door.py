"""The public names of `assay.conformance`, which are imported when they are first asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import assay.conformance
import pytest


def test_names_for_the_type_checker_are_those_that_are_there_at_run_time():
    tree = ast.parse(Path(assay.conformance.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.asname: node.module for node in block.body for alias in node.names}

    assert sorted(declared) == assay.conformance.__all__
    for name, module in declared.items():
        assert getattr(assay.conformance, name) is getattr(importlib.import_module(module), name)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        assay.conformance.chekc  # noqa: B018


def test_importing_the_package_imports_neither_numpy_nor_the_engine():
    program = (
        "import sys, assay.conformance; print({'numpy', 'tensorflow', 'assay.conformance.runner'} & {*sys.modules})"
    )

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "set()"
