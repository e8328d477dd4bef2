"""The kill table of the Task rules: twins."""

import pytest
from assay.conformance.model import Kind

from conformance.tests.kill_table.cases import assert_passes, twins_of

pytestmark = pytest.mark.flavour


@pytest.mark.parametrize(("twin", "kind", "entry", "mode"), twins_of(Kind.TASK))
def test_twin_passes_every_rule_of_its_kind(twin, kind, entry, mode):
    assert_passes(twin, kind, entry, mode)
