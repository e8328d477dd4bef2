"""What the tests of all templates use."""

import pytest
from assay.reference_tasks.templates import TEMPLATES


@pytest.fixture(params=TEMPLATES)
def template(request):
    """Each template in turn."""
    return TEMPLATES[request.param]
