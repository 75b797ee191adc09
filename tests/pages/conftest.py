"""What every test of a page needs."""

from collections.abc import Iterator

import pytest

from refundlib.services.desk import Desk
from refundlib.ui import desk as ui_desk


@pytest.fixture(autouse=True)
def desk_of_the_test(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pages open the test's desk."""
    ui_desk.desk.clear()
    monkeypatch.setattr(ui_desk, "open_desk_for_app", lambda: desk)
    yield
    ui_desk.desk.clear()
