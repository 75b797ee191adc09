"""The demo marketplace: the same seed gives the same rows, and what is loaded holds every invariant."""

from datetime import UTC, datetime

import pytest

from refundlib.demo.market import Scale, rows
from refundlib.domain.errors import WrongState
from refundlib.services import demo
from refundlib.services.checking import check
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.status import status
from tests.market import Market

AS_OF = datetime(2026, 3, 20, 12, tzinfo=UTC)


def test_same_seed_same_rows() -> None:
    """Seed, size and time make the marketplace; another seed makes another."""
    first = list(rows(Scale(500, 7, AS_OF)))
    assert first == list(rows(Scale(500, 7, AS_OF)))
    assert first != list(rows(Scale(500, 8, AS_OF)))


def test_demo_is_whole(owner_desk: Desk, market: Market) -> None:
    """2,000 charges: all six reasons, every outcome, claims in every state, and every invariant holds."""
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    figures = status(owner_desk)
    assert figures["charges"] == 2000
    assert 10 <= figures["open_reports"] <= 80
    assert market.one("SELECT count(DISTINCT reason) FROM refunds.reports") == 6
    assert market.one("SELECT count(*) FROM refunds.reports WHERE decided_at > deadline_at") > 0
    assert market.one("SELECT count(*) FROM refunds.reports WHERE state = 'waiting_on_pro'") > 0
    assert market.one("SELECT count(*) FROM refunds.people") == 8
    answer = check(owner_desk)
    assert answer["ok"], answer


def test_a_large_demo_is_made_of_copies(
    owner_desk: Desk, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four markets of one: four times the charges, the first's open claims, and every invariant holds."""
    monkeypatch.setattr(demo, "FIRST_MAX", 500)
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    figures = status(owner_desk)
    assert figures["charges"] == 2000
    assert figures["reports"] - figures["decisions"] == figures["open_reports"] < 20
    assert market.one("SELECT count(DISTINCT left(charge_id, 2)) FROM marketplace.charges") == 4
    answer = check(owner_desk)
    assert answer["ok"], answer
    load_demo(owner_desk, charges=2000, seed=7, as_of=AS_OF)
    assert status(owner_desk) == figures


def test_again_changes_nothing_and_another_is_refused(owner_desk: Desk) -> None:
    """The same demo twice is there once; another one on top is refused with a sentence."""
    load_demo(owner_desk, charges=300, seed=7, as_of=AS_OF)
    before = status(owner_desk)
    load_demo(owner_desk, charges=300, seed=7, as_of=AS_OF)
    assert status(owner_desk) == before
    with pytest.raises(WrongState, match="already"):
        load_demo(owner_desk, charges=300, seed=8, as_of=AS_OF)
