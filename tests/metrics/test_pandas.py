"""Every metric equals an independent computation with pandas from the raw rows, on sample and random work."""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from refundlib.domain.errors import Refusal
from refundlib.domain.people import Person
from refundlib.domain.statistics import FUNNEL_DEVIATIONS, survival_hour
from refundlib.services import card_refunds, decisions, rollup, triage
from refundlib.services.checking import check
from refundlib.services.demo import load_demo
from refundlib.services.desk import Desk
from refundlib.services.importing import import_folder
from refundlib.services.metrics import (
    DIMENSIONS,
    Cut,
    at_the_desk,
    cases,
    figures,
    mail_delay,
    metrics,
    pauses,
    spread_of_pros,
)
from refundlib.services.queue import Filters, page
from tests.conftest import DATA, Clock
from tests.market import Market
from tests.metrics.raw import UNDECIDED, Raw

SAMPLE = DATA / "sample"
FROM, TO = date(2026, 3, 1), date(2026, 11, 1)
NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
CASES = [(name, by) for name, dimensions in DIMENSIONS.items() for by in (None, *dimensions)]
COLUMNS = ("key", "currency", "n", "k", "rate", "amount_n", "amount_k", "amount_rate")
# In the sample nobody undid or reopened anything.
NOT_IN_SAMPLE = {"rework"}


def compare(desk: Desk, actor: Person, from_: date, to: date, *, empty: set[str]) -> None:
    """Every metric, whole and by each of its dimensions, has exactly pandas' rows."""
    raw = Raw(desk)
    for name, by in CASES:
        rows = metrics(desk, actor, name, from_, to, by)["rows"]
        ours = sorted(
            ({each: row[each] for each in COLUMNS} for row in rows), key=lambda row: tuple(row.values())[:2]
        )
        theirs = raw.expected(name, from_, to, by)
        assert theirs or name in empty, f"{name} by {by} compares nothing"
        assert ours == theirs, f"{name} by {by}"
    compare_spread(desk, actor, raw, from_, to)


def compare_spread(desk: Desk, actor: Person, raw: Raw, from_: date, to: date) -> None:
    """Pros counted by (charges, refunds), those outside the limits alone, as pandas counts them."""
    pros = pd.DataFrame(raw.expected("refund_rate", from_, to, "pro")).groupby("key")[["n", "k"]].sum()
    rate, centre = pros["k"] / pros["n"], pros["k"].sum() / pros["n"].sum()
    outside = (rate - centre).abs() > FUNNEL_DEVIATIONS * (centre * (1 - centre) / pros["n"]) ** 0.5
    cells = pros[~outside].reset_index().groupby(["n", "k"])["key"].agg(["min", "size"]).reset_index()
    theirs = {(name, pros_alike, n, k, False) for n, k, name, pros_alike in cells.itertuples(index=False)}
    theirs |= {(row.Index, 1, row.n, row.k, True) for row in pros[outside].itertuples()}
    rows = spread_of_pros(desk, actor, from_, to)
    assert {tuple(row.values()) for row in rows} == theirs
    assert sum(row["pros"] for row in rows) == len(pros)


def test_metrics_equal_pandas_on_the_sample(
    owner_desk: Desk, clock: Clock, people: dict[str, Person]
) -> None:
    """Each metric on the sample, from the sums; and again with every sum thrown away and made anew."""
    clock.now = NOW
    import_folder(owner_desk, SAMPLE)
    compare(owner_desk, people["mo"], FROM, TO, empty=NOT_IN_SAMPLE)
    rollup.rebuild(owner_desk)
    compare(owner_desk, people["mo"], FROM, TO, empty=NOT_IN_SAMPLE)
    # From the middle of one month to the middle of another: by pro, months are only partly whole.
    compare(owner_desk, people["mo"], date(2026, 3, 17), date(2026, 10, 9), empty=NOT_IN_SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [8, 11])
def test_metrics_equal_pandas_on_random_work(
    owner_desk: Desk, clock: Clock, people: dict[str, Person], seed: int
) -> None:
    """Random work on a random marketplace: with marks waiting, once they are summed, and summed anew."""
    clock.now = NOW
    load_demo(owner_desk, charges=2000, seed=seed, as_of=NOW)
    from_, to = date(2025, 2, 3), date(2026, 12, 1)
    for _ in work(owner_desk, people, random.Random(seed), clock):
        clock.advance(timedelta(minutes=17))
    compare(owner_desk, people["mo"], from_, to, empty={"reversal_age"})
    while rollup.catch_up(owner_desk, limit=7).more:
        pass
    compare(owner_desk, people["mo"], from_, to, empty={"reversal_age"})
    assert check(owner_desk)["ok"]
    before = sums(owner_desk)
    rollup.rebuild(owner_desk)
    assert sums(owner_desk) == before


def work(desk: Desk, people: dict[str, Person], rng: random.Random, clock: Clock) -> Iterator[None]:
    """Sixty random deeds, what the rules refuse left undone; at last one undone and one reopened."""
    everybody = [people[name] for name in ("dana", "eli", "mo", "noor")]
    done: list[str] = []
    for number in range(60):
        rows = page(desk, people["mo"], Filters(), limit=200).rows
        fresh = not done or rng.random() < 0.6
        report_id = rng.choice([row["report_id"] for row in rows] if fresh else done)
        deed = rng.choice(
            ("approve", "deny", "ask", "withdraw") if fresh else ("undo", "reopen", "card", "deny")
        )
        actor = rng.choice(everybody)
        with suppress(Refusal):
            _do(desk, actor, deed, report_id, f"{number}", clock)
            done.append(report_id)
        yield
    one, other = (row["report_id"] for row in page(desk, people["mo"], Filters(amount_to=3000), limit=2).rows)
    for deed, report_id in (("approve", one), ("undo", one), ("deny", other), ("reopen", other)):
        _do(desk, people["mo"], deed, report_id, f"last-{deed}", clock)
        yield


def _do(desk: Desk, actor: Person, deed: str, report_id: str, key: str, clock: Clock) -> None:
    if deed in ("approve", "deny"):
        decisions.decide(desk, actor, report_id, deed, idempotency_key=key, reason="Looked at it.")
    elif deed == "ask":
        triage.ask_pro(desk, actor, report_id, "When did you call?")
    elif deed == "withdraw":
        triage.withdraw(desk, actor, report_id, "The pro asked for it.")
    elif deed == "undo":
        decisions.undo(desk, actor, report_id, "A mistake.")
    elif deed == "reopen":
        triage.reopen(desk, actor, report_id, "An appeal.")
    else:
        card_refunds.request(desk, actor, report_id)
    assert clock.now


def sums(desk: Desk) -> list[tuple[Any, ...]]:
    """Every sum that is kept."""
    with desk.reading() as conn:
        return sorted(
            tuple(row)
            for table in ("rollup_days", "rollup_pros")
            for row in conn.exec_driver_sql(f"SELECT '{table}', t.*::text FROM refunds.{table} t")
        )


def test_hours_to_a_decision(owner_desk: Desk, clock: Clock, people: dict[str, Person]) -> None:
    """Median and p90: the whole hours within which that share is decided, undecided ones counted as such."""
    clock.now = NOW
    import_folder(owner_desk, SAMPLE)
    to = date(2026, 11, 22)
    (row,) = metrics(owner_desk, people["mo"], "time_to_decision", FROM, to)["rows"]
    frame = Raw(owner_desk).time_to_decision()
    at = pd.to_datetime(frame["reported_at"], utc=True)
    frame = frame[(at >= pd.Timestamp(FROM, tz="UTC")) & (at < pd.Timestamp(to, tz="UTC"))]
    assert not frame["hit"].all(), "some are still undecided, else nothing is counted as such"
    assert row["median_hours"] == kaplan_meier(frame, 0.5)
    assert row["p90_hours"] == kaplan_meier(frame, 0.9)


def kaplan_meier(frame: pd.DataFrame, share: float) -> int | None:
    """The textbook's product, row by row."""
    left = 1.0
    hours = frame["hour"].astype(int)
    for hour in sorted(hours.unique()):
        ended = int((frame["hit"] & (hours == hour)).sum())
        left *= 1 - ended / int((hours >= hour).sum())
        if left <= 1 - share + 1e-12:
            return int(hour)
    return None


def test_kaplan_meier_by_hand() -> None:
    """Six claims: ended after 1, 2 and 4 hours, running for 2, 3 and 5: half have ended within 4 hours."""
    counts = [(1, 1, 0), (2, 1, 1), (3, 0, 1), (4, 1, 0), (5, 0, 1)]
    # 5/6 after 1; × 4/5 = 4/6 after 2; 2 at risk at 4: 4/6 × 1/2 = 1/3.
    assert survival_hour(counts, 0.5) == 4
    assert survival_hour(counts, 0.3) == 2
    assert survival_hour(counts, 0.9) is None
    assert survival_hour([], 0.5) is None


def test_every_figure_opens_its_cases(owner_desk: Desk, clock: Clock, people: dict[str, Person]) -> None:
    """The list behind a figure has as many rows as the figure says, in pages, without one twice."""
    clock.now = NOW
    import_folder(owner_desk, SAMPLE)
    for name in ("refund_rate", "refund_activity", "sla", "payout_reversals", "overrule", "time_to_decision"):
        for row in figures(owner_desk, people["mo"], name, FROM, TO, "category"):
            cut = Cut(category=row["key"])
            for hits, count, amount in (
                (False, row["n"], row["amount_n"]),
                (True, row["k"], row["amount_k"]),
            ):
                seen: list[str] = []
                money = 0
                after = None
                while True:
                    found, after = cases(
                        owner_desk, people["mo"], name, FROM, TO, cut, hits=hits, after=after, limit=40
                    )
                    ours = [each for each in found if each["currency"] == row["currency"]]
                    seen += [each["case_id"] for each in ours]
                    money += sum(each["hit_amount" if hits else "amount"] for each in ours)
                    if after is None:
                        break
                assert len(seen) == len(set(seen)) == count
                assert money == amount


def test_support_sees_their_own(owner_desk: Desk, clock: Clock, people: dict[str, Person]) -> None:
    """Support's figures are of what they decided; a manager's of everybody."""
    clock.now = NOW
    load_demo(owner_desk, charges=300, seed=5, as_of=NOW)
    from_, to = date(2024, 11, 1), date(2026, 12, 1)
    own = figures(owner_desk, replace(people["dana"]), "refund_activity", from_, to, "agent")
    everybody = figures(owner_desk, people["mo"], "refund_activity", from_, to, "agent")
    assert {row["key"] for row in own} == {"dana"}
    assert [row for row in everybody if row["key"] == "dana"] == own
    assert len({row["key"] for row in everybody}) > 1


def test_what_is_open_now(owner_desk: Desk, clock: Clock, people: dict[str, Person]) -> None:
    """Open, late, each bracket, the oldest, what falls due tonight and what still comes: as pandas has it."""
    clock.now = NOW
    load_demo(owner_desk, charges=2000, seed=8, as_of=NOW)
    now = at_the_desk(owner_desk, people["mo"])
    raw = Raw(owner_desk)
    reports = raw.reports.assign(
        **{
            name: pd.to_datetime(raw.reports[name], utc=True)
            for name in ("deadline_at", "opened_at", "reported_at")
        }
    )
    undecided = reports[reports["state"].isin(UNDECIDED)]
    running = undecided[undecided["state"] != "waiting_on_pro"]
    left = (running["deadline_at"] - raw.now).dt.total_seconds() / 3600
    expected = {
        "open": len(undecided),
        "waiting": len(undecided) - len(running),
        "late": (left < 0).sum(),
        "under_6": ((left >= 0) & (left < 6)).sum(),
        "under_12": ((left >= 6) & (left < 12)).sum(),
        "under_24": ((left >= 12) & (left < 24)).sum(),
        "beyond": (left >= 24).sum(),
        "due_tonight": (running["deadline_at"] < raw.now.normalize() + pd.Timedelta(days=1)).sum(),
    }
    assert {name: now[name] for name in expected} == expected
    assert min(expected.values()) > 0, "every bracket compares something"
    assert pd.Timestamp(now["oldest_at"]) == undecided["opened_at"].min()
    midnight = raw.now.normalize() + pd.Timedelta(days=1)
    weeks = [pd.Timedelta(days=7 * week) for week in range(1, 9)]
    came = sum(
        ((reports["reported_at"] >= raw.now - back) & (reports["reported_at"] < midnight - back)).sum()
        for back in weeks
    )
    assert now["usual_arrivals"] == pytest.approx(came / 8)


def test_pauses_and_mail(market: Market, desk: Desk, people: dict[str, Person], clock: Clock) -> None:
    """Two questions, one to a pro who had written since; mails sent after 4 and 10 minutes, one not."""
    days = (clock.now.date(), clock.now.date() + timedelta(days=1))
    answered, silent, later = (market.claim(people["dana"], name) for name in ("a", "b", "c"))
    clock.advance(timedelta(minutes=5))
    market.say("answer", "lead-a", "pro-a", "pro", "I called twice, nobody answers.")
    clock.advance(timedelta(minutes=5))
    for report in (answered, silent):
        triage.ask_pro(desk, people["dana"], report, "When did you call?")
    clock.advance(timedelta(minutes=5))
    market.say("too-late", "lead-b", "pro-b", "pro", "Yesterday.")
    decisions.decide(desk, people["dana"], later, "approve", idempotency_key="k")
    assert pauses(desk, people["mo"], *days) == {"n": 2, "k": 1}
    market.write(
        """UPDATE refunds.outbox SET state = 'sent', sent_at = created_at + CASE report_id
        WHEN :a THEN interval '4 minutes' ELSE interval '10 minutes' END WHERE report_id <> :later""",
        a=answered,
        later=later,
    )
    delay = mail_delay(desk, people["mo"], *days)
    assert (delay["n"], delay["median_minutes"], delay["p90_minutes"]) == (2, 7.0, pytest.approx(9.4))
