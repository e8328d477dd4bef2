"""`python -m assay.conformance` is the command `assay`."""

import sys

from assay.conformance.cli import main

sys.exit(main())
