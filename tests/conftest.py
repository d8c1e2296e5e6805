"""Where the tests find the evaluation data: FULLSCORE_DATA, or ../shared/data beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's business: a busy one is no failure.
settings.register_profile("fullscore", deadline=None)
settings.load_profile("fullscore")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of evaluation recordings; the test is skipped where it is absent."""
    folder = Path(os.environ.get("FULLSCORE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no evaluation data at {folder}: set FULLSCORE_DATA")
    return folder
