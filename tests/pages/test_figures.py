"""The pages of figures on nothing, one claim and a usual market; their lists, exports and second looks."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from refundlib.domain.errors import AlreadyDecided, BadFigure, NotAllowed, ReasonMissing, SamePerson
from refundlib.domain.people import Person
from refundlib.services import second_looks
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.metrics import figures
from refundlib.ui.export import csv_of, neutral, workbook_of
from tests.conftest import Clock
from tests.market import Market
from tests.pages.test_pages import run, said

PAGES = ("refund_rates", "sla", "payout_reversals", "quality")
NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
People = dict[str, Person]


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """The pages remember nothing of another test's desk."""
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def usual(owner_desk: Desk, market: Market, clock: Clock) -> Market:
    """A demo market of 1,500 charges."""
    clock.now = NOW
    load_demo(owner_desk, charges=1500, seed=7, as_of=NOW)
    return market


def titles(at: AppTest) -> list[str]:
    """Headings of the page."""
    return [str(each.value) for each in at.markdown if str(each.value).startswith("#")]


@pytest.mark.parametrize("name", PAGES)
def test_empty(market: Market, name: str) -> None:
    """Without anything each page says so, and shows no chart of nothing."""
    at = run(name, "mo")
    words = said(at)
    assert "No " in words or "no " in words
    assert not at.error


@pytest.mark.parametrize("name", PAGES)
def test_tiny(market: Market, desk: Desk, people: People, name: str) -> None:
    """One decided claim: no rate is made of it, and nothing breaks."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    at = run(name, "mo")
    assert not at.error
    if name in ("refund_rates", "quality"):
        assert "1 of 1" in said(at) or "1 decisions" in said(at)


@pytest.mark.parametrize("name", PAGES)
def test_usual(usual: Market, name: str) -> None:
    """A usual market: an answer on top, at least two charts, and the table behind each."""
    at = run(name, "mo")
    assert not at.error
    answer = next(title for title in titles(at) if title.startswith("### "))
    assert "%" in answer
    assert len(at.get("plotly_chart")) >= 2
    assert len(at.dataframe[-1].value) > 0
    assert len(at.get("download_button")) == 2


def test_filters_and_period_come_from_the_address(usual: Market) -> None:
    """A filter in the address changes the figures: one category has fewer charges than all."""
    table = "refund rate by week"
    whole = run("refund_rates", "mo", table=table).dataframe[-1].value["n"].sum()
    part = run("refund_rates", "mo", table=table, category="plumbing").dataframe[-1].value["n"].sum()
    assert 0 < part < whole
    longer = run("refund_rates", "mo", period="24 months", table="refund rate by month")
    assert longer.dataframe[-1].value["n"].sum() > whole


def test_own_days(usual: Market) -> None:
    """Days chosen in the calendar are the period, both included; at first the last four weeks are."""
    at = run("refund_rates", "mo", period="own days")
    first, last = at.date_input[0].value
    assert (last - first).days == 27
    at.date_input[0].set_value((first, first)).run()
    assert not at.error
    assert f"{first:%b} {first.day}, {first.year} to {first:%b} {first.day} in UTC days" in said(at)


def test_support_sees_their_own_and_not_the_rest(usual: Market) -> None:
    """Support opens deadlines and quality with their own figures; rates and payouts are refused."""
    assert "claims you decided" in said(run("sla", "dana"))
    for name in ("refund_rates", "payout_reversals"):
        assert len(run(name, "dana").warning) == 1


def test_figures_are_not_for_admins(market: Market) -> None:
    """Opened without the right to it, a page shows the refusal and nothing else."""
    for name in (*PAGES, "cases", "second_look"):
        at = run(name, "ada")
        assert len(at.warning) == 1
        assert not at.dataframe


def test_cases_behind_a_figure(usual: Market, desk: Desk, people: People) -> None:
    """The list has the figure's number of rows, and says what it counts."""
    days = (date(2026, 9, 1), date(2026, 11, 1))
    rows = figures(desk, people["mo"], "refund_activity", *days, "reason")
    row = next(each for each in rows if 0 < each["k"] <= 50)
    shown = {
        "metric": "refund_activity",
        "from": str(days[0]),
        "to": str(days[1]),
        "reason": row["key"],
        "hits": "1",
    }
    at = run("cases", "mo", **shown)
    assert len(at.dataframe[0].value) == row["k"]
    assert f"### {row['k']} approvals" in said(at)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({}, "belongs to a figure"),
        ({"metric": "nonsense"}, "belongs to a figure"),
        ({"metric": "sla", "from": "yesterday", "to": "2026-11-01"}, "names no day"),
        ({"metric": "sla", "from": "2026-11-02", "to": "2026-11-01"}, "ends on"),
        ({"metric": "sla", "from": "2026-11-01", "to": "2026-11-02", "after": "x"}, "does not exist"),
    ],
)
def test_cases_with_a_broken_address(market: Market, params: dict[str, str], word: str) -> None:
    """An address that names no figure or no day is a sentence."""
    assert word in said(run("cases", "mo", **params))


# -- taken away -----------------------------------------------------------------------------------------


def test_no_cell_becomes_a_formula() -> None:
    """Text that a spreadsheet would run keeps its text and runs nothing, in CSV and workbook."""
    nasty = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "fine"]
    frame = pd.DataFrame({"=name": nasty, "n": range(len(nasty))})
    lines = csv_of(frame).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("'=name")
    assert [line.lstrip('"')[0] for line in lines[1:6]] == ["'"] * 5
    assert neutral(-5) == -5
    with zipfile.ZipFile(io.BytesIO(workbook_of({"a/b": frame, "second": frame}))) as book:
        sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
        assert len(sheets) == 2
        assert all(b"<f>" not in book.read(name) for name in sheets)


# -- second looks ---------------------------------------------------------------------------------------


def test_a_second_look_is_blind_repeatable_and_another_persons(
    market: Market, desk: Desk, people: People
) -> None:
    """Drawn by a seed, shown without the decision, refused to who decided, kept once, counted as kappa."""
    today = desk.clock().date()
    days = (today, date(today.year + 1, 1, 1))
    for number, decision in enumerate(["approve", "deny", "approve", "deny"]):
        report = market.claim(people["dana"], f"n{number}")
        decide(desk, people["dana"], report, decision, idempotency_key=report, reason="Read it.")
    assert second_looks.draw(desk, people["mo"], *days, 3, "seed") == 3
    first = market.one(
        "SELECT string_agg(decision_id, ' ' ORDER BY decision_id) FROM refunds.sampled_decisions"
    )
    assert second_looks.draw(desk, people["noor"], *days, 3, "seed") == 3
    again = "SELECT string_agg(DISTINCT decision_id, ' ' ORDER BY decision_id) FROM refunds.sampled_decisions"
    assert market.one(again) == first

    assert second_looks.following(desk, people["dana"]) is None
    row = second_looks.following(desk, people["eli"])
    assert row is not None
    assert not {"decision", "decided_by", "note"} & set(row)
    with pytest.raises(SamePerson):
        second_looks.record(desk, people["dana"], row["decision_id"], "approve", "Mine.")
    with pytest.raises(ReasonMissing):
        second_looks.record(desk, people["eli"], row["decision_id"], "approve", "  ")
    at = run("second_look", "eli")
    assert "A second look" in said(at)
    assert "Dana" not in said(at)
    while (row := second_looks.following(desk, people["eli"])) is not None:
        second_looks.record(desk, people["eli"], row["decision_id"], "approve", "Clear to me.")
        with pytest.raises(AlreadyDecided):
            second_looks.record(desk, people["mo"], row["decision_id"], "deny", "Late.")
    seen = second_looks.agreement(desk, people["mo"], *days)
    assert seen.n == 3
    assert {second for _first, second in seen.table} == {"approve"}
    assert check(desk)["ok"]


def test_who_may_draw_and_with_what(market: Market, desk: Desk, people: People) -> None:
    """A sample is a manager's, of a size that can be read, with a seed."""
    days = (date(2026, 1, 1), date(2026, 2, 1))
    with pytest.raises(NotAllowed):
        second_looks.draw(desk, people["dana"], *days, 5, "s")
    for size, seed in ((0, "s"), (1001, "s"), (5, " ")):
        with pytest.raises(BadFigure):
            second_looks.draw(desk, people["mo"], *days, size, seed)
