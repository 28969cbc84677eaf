from collections.abc import Iterator

import pytest

from rebound_tts.ops.readiness import _migrated
from rebound_tts.ops.tallies import tallies


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    """What other tests counted in this process, and what they learned of the migrations, is forgotten."""
    tallies.take()
    _migrated.cache_clear()
    yield
    tallies.take()
    _migrated.cache_clear()
