"""How long the desk's reads take at several sizes: python -m tests.bench.queries FOLDER SIZE [SIZE …]

FOLDER keeps a data folder a size, each with an embedded PostgreSQL and demo data, loaded when it is empty.
Prints a Markdown table: p50 and p95 in ms of each read through the services, and how much it grows from the
first size to the last. --json prints the same as JSON. All sizes are measured in one run.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from refundlib.domain.people import Person

ROUNDS = 40
MO = Person("mo", "Mo Haddad", frozenset({"manager"}))
FIN = Person("fin", "Fin Larsen", frozenset({"finance"}))
Reads = dict[str, Callable[[], Any]]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("sizes", type=int, nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--one", is_flag=True, hidden=True, help="Measures one size in this process.")
def main(folder: Path, sizes: tuple[int, ...], as_json: bool, one: bool) -> None:
    """Measures each size in a process of its own, one after the other."""
    if one:
        click.echo(json.dumps(measure(sizes[0])))
        return
    results = []
    for size in sizes:
        home = folder / str(size)
        home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "REFUNDS_HOME": str(home)}
        command = [sys.executable, "-m", "tests.bench.queries", str(folder), str(size), "--one"]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        results.append(json.loads(done.stdout.splitlines()[-1]))
    click.echo(json.dumps(results, indent=1) if as_json else table(results))


def measure(size: int) -> dict[str, Any]:
    """Loads the demo when there is none; every read's p50 and p95."""
    from sqlalchemy import text

    from refundlib.bootstrap import desk_here
    from refundlib.services import rollup
    from refundlib.services.demo import load_demo

    with desk_here(as_owner=True) as desk:
        started = time.monotonic()
        with desk.reading() as conn:
            empty = not conn.execute(text("SELECT EXISTS (SELECT FROM marketplace.charges)")).scalar()
        if empty:
            load_demo(desk, charges=size, seed=7, as_of=datetime.now(UTC).replace(microsecond=0))
        loaded_seconds = time.monotonic() - started if empty else None
        started = time.monotonic()
        rollup.rebuild(desk)
        rebuilt_seconds = time.monotonic() - started
        with desk.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            # As autovacuum does a minute later.
            conn.execute(text("VACUUM ANALYZE refunds.rollup_days, refunds.rollup_pros"))
        with desk.reading() as conn:
            counts = {
                name: conn.execute(text(f"SELECT count(*) FROM {name}")).scalar()
                for name in (
                    "marketplace.charges",
                    "marketplace.messages",
                    "refunds.reports",
                    "refunds.rollup_days",
                )
            }
            disk = conn.execute(text("SELECT pg_database_size(current_database())")).scalar()
    with desk_here() as desk:
        times = {name: timed(read) for name, read in reads(desk)}
    return {
        "size": size,
        "rows": counts,
        "disk_gb": round(disk / 1e9, 2),
        "demo_data_seconds": loaded_seconds,
        "rebuild_seconds": round(rebuilt_seconds, 1),
        "ms": times,
    }


def reads(desk: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every read a page makes, by name, and the floor: a round trip that does nothing."""
    from sqlalchemy import text

    from refundlib.services import claims, queue
    from refundlib.services.metrics import Cut, at_the_desk, cases, figures, spread_of_pros

    def floor() -> None:
        with desk.reading() as conn:
            conn.execute(text("SELECT 1")).scalar()

    first = queue.page(desk, MO, queue.Filters())
    report = first.rows[0]["report_id"]
    last = datetime.now(UTC).date() + timedelta(days=1)
    half, year, both = (last - timedelta(days=days) for days in (182, 365, 730))
    whole = (date(year.year, year.month, 1), date(last.year, last.month, 1))
    yield "a round trip", floor
    yield "queue: first page", lambda: queue.page(desk, MO, queue.Filters())
    yield "queue: second page", lambda: queue.page(desk, MO, queue.Filters(), after=first.next_after)
    yield "queue: late invalid phones", lambda: queue.page(desk, MO, queue.Filters("late", "invalid_phone"))
    yield "queue: counters", lambda: queue.counters(desk, MO)
    yield "queue: decided, newest", lambda: queue.page(desk, MO, queue.Filters("decided"))
    yield "search: a rare word of chats", lambda: queue.page(desk, MO, queue.Filters(search="subcontractors"))
    yield "search: a common word of chats", lambda: queue.page(desk, MO, queue.Filters(search="estimate"))
    yield "search: a report's id", lambda: queue.page(desk, MO, queue.Filters(search=report))
    yield "claim", lambda: claims.claim(desk, MO, report)
    yield "claim: presence", lambda: queue.look(desk, MO, report)
    yield "rate by week, 6 months", lambda: figures(desk, MO, "refund_rate", half, last, "week")
    yield "rate by month, 24 months", lambda: figures(desk, MO, "refund_rate", both, last, "month")
    yield (
        "rate by category and region",
        lambda: figures(desk, MO, "refund_rate", year, last, "category", None, Cut(region="NY")),
    )
    yield "spread of pros, 12 whole months", lambda: spread_of_pros(desk, MO, *whole)
    yield "deadlines by arrival, 6 months", lambda: figures(desk, MO, "sla", half, last, "arrival")
    yield "deadlines by agent and kind", lambda: figures(desk, MO, "sla", year, last, "agent", "kind")
    yield "hours to a decision, 12 months", lambda: figures(desk, MO, "time_to_decision", year, last, "hour")
    yield (
        "alike claims by agent, 12 months",
        lambda: figures(desk, MO, "refund_activity", year, last, "agent", "alike"),
    )
    yield (
        "payouts by outcome, 12 months",
        lambda: figures(desk, MO, "payout_reversals", year, last, "outcome"),
    )
    yield "at the desk now", lambda: at_the_desk(desk, MO)
    yield "cases: newest refunded", lambda: cases(desk, MO, "refund_rate", half, last, hits=True)
    yield (
        "cases: newest overruled of one category",
        lambda: cases(desk, MO, "overrule", half, last, Cut(category="roofing"), hits=True),
    )
    yield from intake_reads(desk, report)
    yield from finance_reads(desk)


def intake_reads(desk: Any, report: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every read of the pages of intake; the pro is the one with the most charges of a sample."""
    from sqlalchemy import text

    from refundlib.services import conversations
    from refundlib.services.conversations import Filters, Scope
    from refundlib.services.intake import Draft, prospect
    from refundlib.services.pro_view import see_as_pro

    with desk.reading() as conn:
        pro, lead, charge = conn.execute(
            text(
                """SELECT c.pro_id, c.lead_id, c.charge_id
                FROM marketplace.charges c
                WHERE c.pro_id = (
                    SELECT n.pro_id FROM (SELECT pro_id FROM marketplace.charges LIMIT 20000) AS n
                    GROUP BY n.pro_id ORDER BY count(*) DESC LIMIT 1
                )
                ORDER BY c.charged_at DESC LIMIT 1"""
            )
        ).one()
    of_pro = Scope(pro_id=pro)
    yield "messages: people by a common name", lambda: conversations.find(desk, MO, "foster")
    yield "messages: people by a number", lambda: conversations.find(desk, MO, "(212) 555-0100")
    yield "messages: a busy pro", lambda: conversations.page(desk, MO, of_pro, Filters())
    unread = Filters(status="reported", unread=True)
    yield "messages: a busy pro, filtered", lambda: conversations.page(desk, MO, of_pro, unread)
    yield "messages: one chat", lambda: conversations.conversation(desk, MO, lead, pro)
    yield "report: the checklist live", lambda: prospect(desk, MO, Draft(charge, "clear_no"))
    yield "a report as its pro sees it", lambda: see_as_pro(desk, MO, report)


def finance_reads(desk: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every read of finance's pages."""
    from sqlalchemy import text

    from refundlib.services import batches, closing, ledger, reconciliation, statements

    now = desk.clock()
    today, week = ledger.start_of(now.date()), now - timedelta(days=7)
    with desk.reading() as conn:
        pro = conn.execute(text("SELECT pro_id FROM refunds.balances ORDER BY pro_seq DESC LIMIT 1")).scalar()
    yield "card refunds: stages", lambda: batches.stages(desk, FIN)
    yield "card refunds: to send", lambda: batches.on_the_way(desk, FIN, "to_send")
    yield "card refunds: arrived, newest", lambda: batches.settled(desk, FIN, "done")
    yield "trial balance now", lambda: ledger.trial_balance(desk, FIN)
    noon = today - timedelta(days=300, hours=12)
    yield "trial balance, a past noon", lambda: ledger.trial_balance(desk, FIN, noon)
    yield "journal: newest", lambda: ledger.journal(desk, FIN, ledger.Search(week, now))
    held = ledger.Search(week, now, account="pro_held")
    yield "journal: one account of a week", lambda: ledger.journal(desk, FIN, held)
    quarter = now - timedelta(days=90)
    yield "statement of the busiest pro", lambda: statements.statement(desk, FIN, pro, quarter, now)
    yield "reconciliation: breaks", lambda: reconciliation.breaks(desk, FIN)
    yield "reconciliation: to confirm", lambda: reconciliation.proposals(desk, FIN)
    yield "reconciliation: to post", lambda: reconciliation.to_post(desk, FIN)
    yield "reconciliation: lines", lambda: reconciliation.lines(desk, FIN)
    day = closing.next_day(desk, FIN)
    yield "daily close: what is missing", lambda: closing.readiness(desk, FIN, day)


def timed(read: Callable[[], Any]) -> dict[str, float]:
    """p50 and p95 of ROUNDS warm runs, in ms."""
    for _ in range(3):
        read()
    marks = [time.perf_counter()]
    for _ in range(ROUNDS):
        read()
        marks.append(time.perf_counter())
    took = sorted((after - before) * 1000 for before, after in pairwise(marks))
    return {"p50": round(statistics.median(took), 2), "p95": round(took[int(len(took) * 0.95) - 1], 2)}


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    head = ["read, ms p50 / p95", *(f"{each['size']:,} charges" for each in results), "growth"]
    lines = [head, ["---"] * len(head)]
    for name in results[0]["ms"]:
        cells = [f"{each['ms'][name]['p50']:.1f} / {each['ms'][name]['p95']:.1f}" for each in results]
        growth = results[-1]["ms"][name]["p50"] / results[0]["ms"][name]["p50"]
        lines.append([name, *cells, f"{growth:.2f} ×"])
    for name, unit in (("rebuild_seconds", "s"), ("demo_data_seconds", "s"), ("disk_gb", "GB")):
        cells = ["–" if each[name] is None else f"{each[name]:.1f} {unit}" for each in results]
        lines.append([name.replace("_", " "), *cells, ""])
    lines += [
        [f"rows of {name}", *(f"{each['rows'][name]:,}" for each in results), ""]
        for name in results[0]["rows"]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
