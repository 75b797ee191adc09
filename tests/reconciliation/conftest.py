"""A month of activity, lived once; each test gets a clone of it."""

from collections.abc import Iterator

import pytest

from refundlib.config import Settings
from tests.conftest import Clock, cloned, maintenance
from tests.reconciliation.month import Month, live


@pytest.fixture(scope="module")
def lived(server_url: str, template: str) -> Iterator[tuple[str, Month]]:
    """The name of a database after a month, and what the month left."""
    from tests.conftest import _home

    with cloned(server_url, template) as url:
        month = live(url, Settings(home=_home(), database_url=None, smtp_url=None))
        yield url.rsplit("/", 1)[1].split("?")[0], month


@pytest.fixture
def month(lived: tuple[str, Month]) -> Month:
    """What the month left."""
    return lived[1]


@pytest.fixture
def clock(month: Month) -> Clock:
    """A clock that stands after the month."""
    return Clock(month.over_at)


@pytest.fixture
def database_url(server_url: str, lived: tuple[str, Month]) -> Iterator[str]:
    """A clone of the month's database."""
    with maintenance(server_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [lived[0]]
        )
    with cloned(server_url, lived[0]) as url:
        yield url
