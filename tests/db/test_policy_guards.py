"""The database's guards of the policy: two persons, never for the past, in order; drafts settle for good."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from refundlib.db.engine import make_engine
from refundlib.db.files import sql_folder
from refundlib.db.migrate import migrate
from refundlib.db.queries import queries
from refundlib.domain.errors import Refusal, WrongState
from refundlib.domain.people import Person
from refundlib.domain.policy import BUILT_IN, CLAUSES, FIGURES
from refundlib.services.desk import Desk
from refundlib.services.policies import policies
from refundlib.services.policy_drafts import drop_draft, publish, revoke, write_draft
from tests.conftest import Clock, cloned
from tests.market import Market
from tests.services.test_policy_drafts import LONGER

People = dict[str, Person]
PUBLISH = """
    INSERT INTO refunds.policy_versions (version, effective_from, window_days, job_changed_miles, sla_hours,
        card_refund_days, spend_order, approval_limit_minor, clauses, sources, author, published_by, note,
        draft_id)
    SELECT version, CAST(:at AS timestamptz), {days}, job_changed_miles, sla_hours,
        card_refund_days, spend_order, approval_limit_minor, clauses, sources, 'mo', :by, note,
        {draft}
    FROM refunds.policy_drafts
"""


def execute(desk: Desk, statement: str, **values: Any) -> None:
    """One statement, past the services."""
    with desk.transaction() as conn:
        conn.execute(text(statement), values)


def wake_the_clock(market: Market) -> None:
    """The guards have the database's own time, as they do outside of the tests."""
    market.write(
        "CREATE OR REPLACE FUNCTION refunds.policy_clock() RETURNS timestamptz"
        " LANGUAGE sql STABLE AS $$ SELECT clock_timestamp() $$"
    )


BEFORE = """
    INSERT INTO refunds.policy_drafts (version, window_days, job_changed_miles, sla_hours, card_refund_days,
        spend_order, approval_limit_minor, clauses, sources, note, state, written_by, written_at)
    VALUES
        ('2026-03', 45, 25, 48, 14, 'fifo', 3000, '{"W1": "{window_days} days."}', '{}', 'Why', 'published',
            '{mo,noor}', '2026-03-01'),
        ('late', 9999, 9999, 99999, 14, 'fifo', 9000000000, '{"D1": "A person."}', '{}', 'Why', 'draft',
            '{mo}', '2026-03-03'),
        ('early', 30, 30, 48, 14, 'fifo', 3000, '{}', '{}', 'Changed after 2026-03 came', 'draft', '{mo}',
            '2026-03-05'),
        ('unknown', 30, 30, 48, 14, 'fifo', 3000, '{}', '{}', 'The audit does not tell', 'dropped', '{mo}',
            '2026-03-05');
    INSERT INTO refunds.audit (at, actor, roles, action, subject, reason)
    VALUES
        ('2026-03-02 12:00', 'mo', '{manager}', 'policy_drafted', 'policy:2', ''),
        ('2026-03-01', 'mo', '{manager}', 'policy_drafted', 'policy:3', '');
    INSERT INTO refunds.policy_versions (version, effective_from, window_days, job_changed_miles, sla_hours,
        card_refund_days, spend_order, approval_limit_minor, clauses, author, published_by, note)
    VALUES ('2026-03', '2026-03-02', 45, 25, 48, 14, 'fifo', 3000, '{"W1": "{window_days} days."}',
        'mo, noor', 'zoe', 'Why');
    SET session_replication_role = replica;
    INSERT INTO refunds.shadow_judgements
    SELECT draft_id, 1, 'R-' || draft_id, 'approve', 'deny', '[]', '2026-03-07' FROM refunds.policy_drafts;
    SET session_replication_role = DEFAULT;
"""


def test_what_was_there_before(server_url: str, tmp_path: Path) -> None:
    """Published versions get their words in full and their draft, and nothing else of them changes; open
    drafts know what they were begun from, and figures that no form can show come within the bounds."""
    folder = Path(shutil.copytree(sql_folder("migrations"), tmp_path / "migrations"))
    for path in folder.glob("*.sql"):
        if path.name >= "0019":
            path.unlink()
    with cloned(server_url, "template0") as url:
        engine = make_engine(url, statement_timeout_ms=0)
        migrate(engine, folder)
        with engine.begin() as conn:
            conn.exec_driver_sql(BEFORE)
            numbers = "SELECT to_jsonb(v) - 'clauses' - 'draft_id' FROM refunds.policy_versions v ORDER BY 1"
            before = conn.exec_driver_sql(numbers).scalars().all()
        migrate(engine)
        with engine.connect() as conn:
            assert conn.exec_driver_sql(numbers).scalars().all() == before
            newest, first = policies(conn)
            drafts = {row["version"]: row for row in queries.policies.drafts(conn)}
            of_draft = "SELECT draft_id FROM refunds.policy_versions WHERE version = '2026-03'"
            assert conn.exec_driver_sql(of_draft).scalar_one() == 1
            since = "SELECT DISTINCT shadow_since FROM refunds.shadow_judgements"
            assert conn.exec_driver_sql(since).scalars().all() == [datetime(2026, 3, 7, tzinfo=UTC)]
        engine.dispose()
    assert first == BUILT_IN
    assert newest.clauses == {**CLAUSES, "W1": "{window_days} days."}
    late = drafts["late"]
    assert drafts["early"]["based_on"] == first.version
    assert (late["based_on"], late["clauses"]) == ("2026-03", {**CLAUSES, "D1": "A person."})
    assert [late[name] for name, bounds in FIGURES.items() if late[name] == bounds.most] == [
        3650,
        5000,
        8760,
        1_000_000_000,
    ]


def test_the_first_version_is_the_built_in_one(desk: Desk) -> None:
    """Numbers and words; the migrations and the program say the same."""
    with desk.reading() as conn:
        assert policies(conn) == [BUILT_IN]


@pytest.mark.parametrize(
    ("by", "at", "days", "draft", "told"),
    [
        ("mo", "2026-03-20", "window_days", "draft_id", "who wrote a part of it"),
        ("", "2026-03-20", "window_days", "draft_id", "who wrote a part of it"),
        ("noor", "0001-01-01", "window_days", "draft_id", "in the past or before another"),
        ("noor", "2026-03-20", "999", "draft_id", "is not an open draft as it stands"),
        ("noor", "2026-03-20", "window_days", "NULL", "is not an open draft as it stands"),
    ],
)
@pytest.mark.parametrize("who", ["owner", "app"])
def test_no_version_past_the_rules(
    market: Market, people: People, by: str, at: str, days: str, draft: str, told: str, who: str
) -> None:
    """Whoever asks: by its author, before another, with other numbers than the draft's, or of no draft."""
    write_draft(market.desk, people["mo"], LONGER)
    asking = market.owner if who == "owner" else market.desk
    with pytest.raises((DBAPIError, Refusal), match=told):
        execute(asking, PUBLISH.format(days=days, draft=draft), by=by, at=at)


def test_never_for_the_past(market: Market, people: People, clock: Clock) -> None:
    """By the database's clock, to which the desk's may be five minutes late; a day to come is fine."""
    wake_the_clock(market)
    draft = write_draft(market.desk, people["mo"], LONGER)
    statement = PUBLISH.format(days="window_days", draft="draft_id")
    now = datetime.now(UTC)
    with pytest.raises((DBAPIError, Refusal), match="in the past"):
        execute(market.desk, statement, by="noor", at=now - timedelta(minutes=6))
    # The desk's clock is wrong: a sentence says what to do.
    clock.now = now - timedelta(days=1)
    with pytest.raises(WrongState, match="the clocks of the desk and of its database differ"):
        publish(market.desk, people["noor"], draft, revision=1)
    clock.now = now - timedelta(minutes=4)
    assert publish(market.desk, people["noor"], draft, revision=1)


def test_what_is_in_force_is_not_revoked(market: Market, people: People, clock: Clock) -> None:
    """By the database's clock; before, it is, once."""
    wake_the_clock(market)
    statement = "INSERT INTO refunds.policy_revocations VALUES (:version, 'mo', 'No', '2000-01-01')"
    clock.now = datetime.now(UTC)
    draft = write_draft(market.desk, people["mo"], LONGER)
    soon = clock.now + timedelta(days=1)
    publish(market.desk, people["noor"], draft, revision=1, effective_from=soon)
    with pytest.raises((DBAPIError, Refusal), match="cannot be revoked"):
        execute(market.desk, statement, version=BUILT_IN.version)
    revoke(market.desk, people["noor"], "2026-12", "The wrong year")
    with pytest.raises((DBAPIError, Refusal)):
        execute(market.desk, statement, version="2026-12")


@pytest.mark.parametrize(
    "change",
    [
        "window_days = 7, revision = revision + 1",
        "state = 'draft', version = 'again'",
        "written_by = written_by || ARRAY['noor']",
        "shadow_since = now()",
    ],
)
@pytest.mark.parametrize("how", ["published", "dropped"])
def test_settled_drafts_stay(market: Market, people: People, how: str, change: str) -> None:
    """Published or dropped, nothing of a draft changes any more."""
    draft = write_draft(market.desk, people["mo"], LONGER)
    if how == "published":
        publish(market.desk, people["noor"], draft, revision=1)
    else:
        drop_draft(market.desk, people["mo"], draft, "Not now")
    for desk in (market.owner, market.desk):
        with pytest.raises((DBAPIError, Refusal), match=f"was {how} and stays as it is"):
            execute(desk, f"UPDATE refunds.policy_drafts SET {change}")
    for statement in ("DELETE FROM refunds.policy_drafts", "TRUNCATE refunds.policy_drafts CASCADE"):
        with pytest.raises((DBAPIError, Refusal)):
            execute(market.owner, statement)


@pytest.mark.parametrize(
    "change",
    [
        "written_by = ARRAY['x']",
        "written_by = ARRAY['x', 'mo']",
        "revision = revision - 1",
        "window_days = 7",
        "based_on = NULL, revision = revision + 1",
        "state = 'published'",
    ],
)
def test_open_drafts_keep_their_authors(market: Market, people: People, change: str) -> None:
    """No author is lost, no change goes without its revision, published is only what is a version."""
    write_draft(market.desk, people["mo"], LONGER)
    for desk in (market.owner, market.desk):
        with pytest.raises((DBAPIError, Refusal)):
            execute(desk, f"UPDATE refunds.policy_drafts SET {change}")
    execute(market.desk, "UPDATE refunds.policy_drafts SET written_by = written_by || ARRAY['noor']")


@pytest.mark.parametrize("name", FIGURES)
def test_the_bounds_are_the_databases(market: Market, people: People, name: str) -> None:
    """The least and the most that the one table says are kept, and nothing beyond."""
    write_draft(market.desk, people["mo"], LONGER)
    bounds = FIGURES[name]
    step = 10**-bounds.decimals
    statement = f"UPDATE refunds.policy_drafts SET {name} = :value, revision = revision + 1"
    for value in (bounds.least, bounds.most):
        execute(market.desk, statement, value=value)
    for value in (bounds.least - step, bounds.most + step):
        with pytest.raises((DBAPIError, Refusal)):
            execute(market.desk, statement, value=value)
