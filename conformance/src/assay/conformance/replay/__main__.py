"""`python -m assay.conformance.replay FOLDER`."""

import sys

from assay.conformance.replay.command import main

sys.exit(main())
