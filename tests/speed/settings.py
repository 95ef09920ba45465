"""The test settings, for processes whose connections are tapped; see `taps`."""

import os
from pathlib import Path

from tests.settings import *  # noqa: F403
from tests.speed import taps

taps.install(Path(os.environ[taps.DIRECTORY]))
