"""The daily sums never miss a change, whoever commits when."""

import shutil
import threading
from datetime import timedelta
from pathlib import Path

import psycopg

from refundlib.domain.people import Person
from refundlib.services import rollup
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.importing import import_folder
from refundlib.services.metrics import figures
from tests.conftest import DATA, Clock, maintenance
from tests.market import Market

People = dict[str, Person]


def activity(desk: Desk, people: People, clock: Clock) -> int:
    """Decisions counted from the sums alone: the day after, so that nothing is read live."""
    day = clock.now.date()
    rows = figures(desk, people["mo"], "refund_activity", day - timedelta(days=9), day)
    return sum(row["n"] for row in rows)


def test_a_decision_that_commits_late_is_never_missed(
    market: Market, desk: Desk, people: People, clock: Clock, database_url: str
) -> None:
    """A decision made before a pass and committed after it is in the sums after the next pass."""
    early, late = market.claim(people["dana"], "a"), market.claim(people["dana"], "b")
    with maintenance(database_url) as conn, conn.transaction():
        # Somebody's transaction holds the late one's mail open: its decision is made now and commits later.
        conn.execute("LOCK TABLE refunds.outbox IN EXCLUSIVE MODE")
        slow = threading.Thread(
            target=decide, args=(desk, people["dana"], late, "approve"), kwargs={"idempotency_key": "late"}
        )
        slow.start()
        wait_for_waiter(conn)
        rollup.catch_up(desk)
    slow.join()
    decide(desk, people["dana"], early, "approve", idempotency_key="early")
    clock.advance(timedelta(days=1))
    while rollup.catch_up(desk).is_anything:
        pass
    assert activity(desk, people, clock) == 2
    assert check(desk)["ok"]


def wait_for_waiter(conn: psycopg.Connection[tuple[bool]]) -> None:
    """Until another connection waits for a lock."""
    for _ in range(1000):
        waits = conn.execute("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted").fetchone()
        if waits and waits[0]:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_marked_days_are_read_from_the_rows(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Figures are right also while no worker runs: a day with a change that is not summed is read live."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    clock.advance(timedelta(days=1))
    assert activity(desk, people, clock) == 1
    rollup.catch_up(desk)
    assert activity(desk, people, clock) == 1


def test_sums_equal_a_rebuild_after_concurrent_work(
    market: Market, desk: Desk, people: People, clock: Clock
) -> None:
    """Eight people decide while two workers sum: at the end the sums are those of a rebuild."""
    reports = [market.claim(people["dana"], f"n{number}", amount=2000) for number in range(48)]
    stop = threading.Event()
    failures: list[Exception] = []

    def sum_up() -> None:
        try:
            while not stop.is_set():
                rollup.catch_up(desk, limit=3)
        except Exception as error:
            failures.append(error)

    def decide_some(mine: list[str]) -> None:
        for number, report in enumerate(mine):
            clock_hours = timedelta(hours=number)
            decide(
                desk, people["mo"], report, ("approve", "deny")[number % 2],
                idempotency_key=report, reason=f"After {clock_hours}.",
            )  # fmt: skip

    workers = [threading.Thread(target=sum_up) for _ in range(2)]
    people_at_work = [threading.Thread(target=decide_some, args=(reports[at::8],)) for at in range(8)]
    for thread in [*workers, *people_at_work]:
        thread.start()
    for thread in people_at_work:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    assert failures == []
    while rollup.catch_up(desk).is_anything:
        pass
    clock.advance(timedelta(days=1))
    assert activity(desk, people, clock) == len(reports)
    assert check(desk)["ok"]


def test_check_finds_a_wrong_sum(market: Market, desk: Desk, people: People) -> None:
    """A sum that somebody changed is found by `refunds check`."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    rollup.catch_up(desk)
    assert check(desk)["ok"]
    market.write(
        "UPDATE refunds.rollup_days SET k = k + 1 WHERE metric = 'refund_activity' AND slice = 'work'"
    )
    broken = [each for each in check(desk)["invariants"] if not each["ok"]]
    assert [each["id"] for each in broken] == ["rollups"]
    assert rollup.rebuild(desk) > 0
    assert check(desk)["ok"]


def test_leads_that_change_are_summed_anew(owner_desk: Desk, tmp_path: Path) -> None:
    """Leads imported again with another category: their charges, refunds and decisions move with them."""
    folder = shutil.copytree(DATA / "sample", tmp_path / "sample")
    import_folder(owner_desk, folder)
    rollup.rebuild(owner_desk)
    leads = folder / "leads.csv"
    leads.write_text(leads.read_text().replace(",plumbing,", ",moving,"))
    import_folder(owner_desk, folder)
    while rollup.catch_up(owner_desk).is_anything:
        pass
    assert check(owner_desk)["ok"]
