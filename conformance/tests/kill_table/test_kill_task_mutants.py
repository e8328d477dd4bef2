"""The kill table of the Task rules: mutants."""

import pytest
from assay.conformance.model import Kind

from conformance.tests.kill_table.cases import assert_killed, mutants_of

pytestmark = pytest.mark.flavour


@pytest.mark.parametrize(("entry", "mutant"), mutants_of(Kind.TASK))
def test_mutant_fails_its_own_rule(entry, mutant):
    assert_killed(entry, mutant)
