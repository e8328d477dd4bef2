"""Let the tests of the suite import the builders that they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
