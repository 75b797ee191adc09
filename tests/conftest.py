"""Every test runs on a real PostgreSQL: a migrated template database, cloned for each test that asks.

REFUNDS_TEST_DATABASE_URL names a server to use (its login must create databases); else an embedded one is
started for this run, shared by pytest's workers, and removed afterwards.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from refundlib.config import Settings, normal_database_url
from refundlib.domain.people import Person
from refundlib.services.desk import Desk
from tests.market import Market

DATA = Path(__file__).parent / "data"
_RUN = "REFUNDS_TEST_RUN"
# A crash of the machine may cost a test run its data; nothing else may.
_FAST_SERVER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}
# Any number: pytest's workers make the template one after the other.
_TEMPLATE_LOCK = 7_331_003


def pytest_configure(config: pytest.Config) -> None:
    """One name for the run, which pytest's workers inherit."""
    os.environ.setdefault(_RUN, uuid.uuid4().hex[:12])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller, which ends last, removes the run's server folder."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(_home(), ignore_errors=True)


def _home() -> Path:
    # Not below pytest's own folder: as root that one is closed to the server's user.
    return Path(tempfile.gettempdir()) / f"refund-desk-tests-{os.environ[_RUN]}"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server's maintenance database."""
    from refundlib.db.embedded import embedded_server

    if named := os.environ.get("REFUNDS_TEST_DATABASE_URL"):
        yield normal_database_url(named)
        return
    with embedded_server(_home(), _FAST_SERVER) as url:
        yield url


@contextmanager
def maintenance(url: str) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection to the server, for CREATE and DROP DATABASE."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection


def url_of(server: str, database: str) -> str:
    """The URL of another database of the server."""
    return make_url(server).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database with nothing in it, made once a run."""
    from refundlib.bootstrap import migrate_database

    name = f"template_{os.environ[_RUN]}"
    with maintenance(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone()
        if exists is None:
            connection.execute(f'CREATE DATABASE "{name}_new"')
            migrate_database(url_of(server_url, f"{name}_new"))
            _stop_policy_clock(url_of(server_url, f"{name}_new"))
            connection.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
    return name


def _stop_policy_clock(url: str) -> None:
    """The tests' clock stands in another year: the database's own guard of a policy's moment sleeps.

    tests/db/test_policy_guards.py wakes it.
    """
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION refunds.policy_clock() RETURNS timestamptz"
            " LANGUAGE sql STABLE AS $$ SELECT CAST('-infinity' AS timestamptz) $$"
        )


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh clone of a database; dropped at the end, whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    with maintenance(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_TEMPLATE_LOCK])
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield url_of(server_url, name)
    finally:
        with maintenance(server_url) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh, migrated, empty database."""
    with cloned(server_url, template) as url:
        yield url


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Moves the time forward."""
        self.now += by


@pytest.fixture
def clock() -> Clock:
    """A clock at noon, 20 March 2026, UTC."""
    return Clock(datetime(2026, 3, 20, 12, tzinfo=UTC))


PEOPLE = {
    person_id: Person(person_id, name, frozenset({role}))
    for person_id, name, role in [
        ("dana", "Dana Reyes", "support"),
        ("eli", "Eli Novak", "support"),
        ("mo", "Mo Haddad", "manager"),
        ("noor", "Noor Aziz", "manager"),
        ("fin", "Fin Larsen", "finance"),
        ("ines", "Ines Ferro", "finance"),
        ("ada", "Ada Okoye", "admin"),
        ("vic", "Vic Marsh", "viewer"),
    ]
}


@pytest.fixture
def people() -> dict[str, Person]:
    """The people of the tests: dana and eli (support), mo and noor (managers), fin and
    ines (finance), ada, vic."""
    return PEOPLE


def save_people(desk: Desk) -> None:
    """Writes the people of the tests."""
    from refundlib.services.people import save_person

    for person in PEOPLE.values():
        save_person(desk, PEOPLE["ada"], person.person_id, person.name, sorted(person.roles), True, "UTC")


@pytest.fixture
def settings() -> Settings:
    """Settings that owe nothing to this machine's environment."""
    return Settings(home=_home(), database_url=None, smtp_url=None, mail_from="refunds@desk.example")


@contextmanager
def opened_desk(url: str, clock: Clock, settings: Settings, *, as_owner: bool = False) -> Iterator[Desk]:
    """A desk on a database, closed at the end."""
    from refundlib.bootstrap import open_desk

    desk = open_desk(url, own_settings=settings, clock=clock, as_owner=as_owner)
    try:
        yield desk
    finally:
        desk.engine.dispose()


@pytest.fixture
def desk(database_url: str, clock: Clock, settings: Settings) -> Iterator[Desk]:
    """A desk with the app's role on a fresh database in which the people of the tests work."""
    with opened_desk(database_url, clock, settings) as desk:
        save_people(desk)
        yield desk


@pytest.fixture
def owner_desk(database_url: str, clock: Clock, settings: Settings) -> Iterator[Desk]:
    """A desk on the same database with the owner's rights: imports, demo data, and tests of the guards."""
    with opened_desk(database_url, clock, settings, as_owner=True) as desk:
        yield desk


@pytest.fixture
def market(owner_desk: Desk, desk: Desk) -> Market:
    """An empty marketplace to fill, on the database of `desk`."""
    return Market(owner_desk, desk)
