"""What the tests of the studio share: nothing runs beside the test unless it has a loop of its own."""

import pytest
from nagkit_widgets import Studio


@pytest.fixture
def studio(monkeypatch) -> Studio:
    """A studio on the table that opens first on this machine; without a loop its work is done in place."""
    monkeypatch.delenv("NAGKIT_HEADLESS", raising=False)
    return Studio(samples=32, labels=60)
