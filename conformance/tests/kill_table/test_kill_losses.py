"""The kill table of the loss rules."""

import pytest
from assay.conformance.model import Kind

from conformance.tests.kill_table.cases import assert_killed, assert_passes, mutants_of, twins_of

pytestmark = pytest.mark.flavour


@pytest.mark.parametrize(("entry", "mutant"), mutants_of(Kind.LOSS))
def test_mutant_fails_its_own_rule(entry, mutant):
    assert_killed(entry, mutant)


@pytest.mark.parametrize(("twin", "kind", "entry", "mode"), twins_of(Kind.LOSS))
def test_twin_passes_every_rule_of_its_kind(twin, kind, entry, mode):
    assert_passes(twin, kind, entry, mode)
