"""The database's own guards: append-only tables, zero sum at commit, the role with least rights."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from refundlib.domain.errors import Refusal
from refundlib.domain.people import Person
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from tests.market import Market

APPEND_ONLY = {
    "ledger_transactions": "note",
    "ledger_entries": "amount",
    "lot_movements": "amount",
    "audit": "reason",
    "decisions": "note",
    "snapshots": "facts",
    "policy_versions": "note",
    "policy_revocations": "reason",
    "proposals": "note",
}
REFUSED = (DBAPIError, psycopg.Error, Refusal)


@pytest.fixture
def decided(market: Market, desk: Desk, people: dict[str, Person]) -> Market:
    """A marketplace with one decided claim, so that every table has a row but proposals."""
    decide(desk, people["dana"], market.claim(people["dana"]), "approve", idempotency_key="k")
    return market


@pytest.mark.parametrize(("table", "column"), APPEND_ONLY.items())
@pytest.mark.parametrize("who", ["owner", "app"])
def test_append_only(decided: Market, table: str, column: str, who: str) -> None:
    """UPDATE, DELETE and TRUNCATE on an append-only table fail, for the owner and for the app."""
    desk = decided.owner if who == "owner" else decided.desk
    for statement in (
        f"UPDATE refunds.{table} SET {column} = {column}",
        f"DELETE FROM refunds.{table}",
        f"TRUNCATE refunds.{table} CASCADE",
    ):
        with pytest.raises(REFUSED), desk.transaction() as conn:
            conn.execute(text(statement))


def post_entries(desk: Desk, amounts: tuple[int, ...]) -> None:
    """A transaction with entries of some amounts on one account, past the door."""
    with desk.transaction() as conn:
        number = conn.execute(
            text(
                """INSERT INTO refunds.ledger_transactions (kind, source_id, currency, occurred_at, actor)
                VALUES ('adjustment', 'x', 'USD', now(), 'test') RETURNING transaction_id"""
            )
        ).scalar_one()
        for leg, amount in enumerate(amounts):
            conn.execute(
                text("INSERT INTO refunds.ledger_entries VALUES (:t, :leg, 'bank', NULL, 'USD', :amount)"),
                {"t": number, "leg": leg, "amount": amount},
            )


@pytest.mark.parametrize("amounts", [(100, -99), (100, -100, 5), (100,), ()])
def test_unbalanced_fails_at_commit(owner_desk: Desk, amounts: tuple[int, ...]) -> None:
    """A transaction whose entries do not sum to zero, or that has none, is refused at commit."""
    with pytest.raises(REFUSED):
        post_entries(owner_desk, amounts)
    with owner_desk.reading() as conn:
        assert conn.execute(text("SELECT count(*) FROM refunds.ledger_transactions")).scalar_one() == 0


def test_foreign_leg_fails_at_commit(owner_desk: Desk) -> None:
    """Entries in two currencies that sum to zero are refused all the same."""
    with pytest.raises(REFUSED), owner_desk.transaction() as conn:
        conn.execute(
            text(
                """WITH t AS (
                    INSERT INTO refunds.ledger_transactions (kind, source_id, currency, occurred_at, actor)
                    VALUES ('adjustment', 'x', 'USD', now(), 'test') RETURNING transaction_id)
                INSERT INTO refunds.ledger_entries
                SELECT transaction_id, leg, 'bank', NULL, currency, amount
                FROM t, (VALUES (1, 'USD', 100), (2, 'EUR', -100)) AS e (leg, currency, amount)"""
            )
        )


SPOILED = {
    "lots": "UPDATE refunds.balances SET balance = balance + 1",
    "one_decision": "UPDATE refunds.reports SET round = 2",
    "complete": "DELETE FROM refunds.outbox",
    "history": "ALTER TABLE refunds.audit DISABLE TRIGGER append_only",
    "card_refunds": "UPDATE refunds.balances SET held = held + 1",
}


@pytest.mark.parametrize(("invariant", "statement"), SPOILED.items())
def test_check_finds_what_is_spoiled(decided: Market, invariant: str, statement: str) -> None:
    """A database spoiled behind the desk's back fails the check, and the check names the invariant."""
    assert check(decided.owner)["ok"]
    decided.write(statement)
    answer = check(decided.owner)
    assert not answer["ok"]
    assert invariant in {each["id"] for each in answer["invariants"] if not each["ok"]}
