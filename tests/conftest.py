"""Settings for every test."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import utils.system.cpu  # noqa: E402, F401
