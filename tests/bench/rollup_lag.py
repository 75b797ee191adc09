"""How far the daily sums lie behind the decisions: python -m tests.bench.rollup_lag FOLDER SIZE [--rate 50]

FOLDER is that of tests.bench.queries. Decides open reports through the services at a steady rate from several
threads while another keeps the sums up as the worker does, and prints how long marks waited: p50, p95 and the
most, in seconds, with the rate that was reached. The decisions stay.
"""

import os
import statistics
import threading
import time
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

PAUSE_SECONDS = 1.0  # the worker's, between two looks for work
LOOKS_A_SECOND = 10


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("size", type=int)
@click.option("--rate", default=50, help="Decisions a second.")
@click.option("--seconds", default=60)
@click.option("--threads", default=4)
def main(folder: Path, size: int, rate: int, seconds: int, threads: int) -> None:
    """Decides at `rate` for `seconds`, and tells the lag."""
    os.environ["REFUNDS_HOME"] = str(folder / str(size))
    from refundlib.bootstrap import desk_here

    with desk_here() as desk:
        watch = Watch(desk)
        for part in (watch.keep_up, watch.look):
            threading.Thread(target=part, daemon=True).start()
        started = time.monotonic()
        done = _decide(desk, rate, seconds, threads, started)
        took = time.monotonic() - started
        time.sleep(15)
        watch.ended.set()
        lags = sorted(watch.lags(started, started + took))
    click.echo(
        f"{size:,} charges, {done / took:.0f} decisions a second for {took:.0f} s: sums behind by "
        f"{statistics.median(lags):.1f} s p50, {lags[int(len(lags) * 0.95) - 1]:.1f} s p95, "
        f"{lags[-1]:.1f} s at most; "
        f"a pass took {statistics.median(watch.passes):.2f} s p50, {max(watch.passes):.2f} s at most"
    )


def _decide(desk: Any, rate: int, seconds: int, threads: int, started: float) -> int:
    """Decides the open reports whose advice nobody has to look at, evenly over the time; how many were."""
    from sqlalchemy import text

    from refundlib.domain.people import Person
    from refundlib.services.decisions import decide

    with desk.reading() as conn:
        found = conn.execute(
            text(
                "SELECT report_id, recommendation FROM refunds.reports WHERE state = 'open' AND amount < 5000"
                " AND holder IS NULL ORDER BY deadline_at LIMIT :limit"
            ),
            {"limit": rate * seconds},
        ).all()
    mo = Person("mo", "Mo Haddad", frozenset({"manager"}))

    def one(number: int) -> None:
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        report_id, advice = found[number]
        way = "deny" if advice == "deny" else "approve"
        decide(desk, mo, report_id, way, idempotency_key=f"lag-{report_id}", reason="A measurement.")

    with ThreadPoolExecutor(threads) as pool:
        return len(list(pool.map(one, range(len(found)))))


class Watch:
    """Keeps the sums up in one thread, and looks in another at which marks wait."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.ended = threading.Event()
        self.passes: list[float] = []
        self.seen: list[tuple[float, int, int]] = []  # when, the newest mark made, the last one summed

    def keep_up(self) -> None:
        """As the worker does."""
        from refundlib.services.rollup import catch_up

        while not self.ended.is_set():
            began = time.monotonic()
            if any(catch_up(self.desk).counts.values()):
                self.passes.append(time.monotonic() - began)
            self.ended.wait(PAUSE_SECONDS)

    def look(self) -> None:
        """What waits, ten times a second."""
        from sqlalchemy import text

        newest = 0
        while not self.ended.wait(1 / LOOKS_A_SECOND):
            with self.desk.reading() as conn:
                row = conn.execute(text("SELECT min(mark_id), max(mark_id) FROM refunds.rollup_marks")).one()
            newest = max(newest, row[1] or 0)
            self.seen.append((time.monotonic(), newest, row[0] - 1 if row[0] else newest))

    def lags(self, from_: float, to: float) -> list[float]:
        """For each look in a time: how long after it all that had been marked was summed."""
        summed, best = [], 0
        for _, _, last in self.seen:
            best = max(best, last)
            summed.append(best)
        lags = []
        for at, newest, _ in self.seen:
            if from_ <= at <= to:
                later = bisect_right(summed, newest - 1)
                lags.append(self.seen[later][0] - at if later < len(self.seen) else float("inf"))
        return lags


if __name__ == "__main__":
    main()
