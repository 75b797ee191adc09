"""`refunds demo-data`: the demo marketplace through the import's own door, then a few claims half done."""

import csv
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from refundlib.db import copies
from refundlib.db.queries import queries
from refundlib.demo import processor
from refundlib.demo.market import PREFIX, Scale, rows
from refundlib.domain.errors import CardRefundRefused, Refusal, WrongState
from refundlib.domain.exchange import TABLES
from refundlib.domain.people import Person
from refundlib.domain.policy import LABELS
from refundlib.domain.reconciling import complete_until
from refundlib.services import batches, card_refunds, decisions, reconciliation, rollup, triage
from refundlib.services.desk import Desk
from refundlib.services.importing import import_folder
from refundlib.services.importing.folder import Progress
from refundlib.services.ledger import start_of
from refundlib.services.people import save_person
from refundlib.services.policy_drafts import Draft, newest, published, write_draft
from refundlib.services.queue import Filters, page

PEOPLE: Final = (
    ("dana", "Dana Reyes", "support", "America/New_York"),
    ("eli", "Eli Novak", "support", "America/Chicago"),
    ("mo", "Mo Haddad", "manager", "America/New_York"),
    ("noor", "Noor Aziz", "manager", "America/Los_Angeles"),
    ("fin", "Fin Larsen", "finance", "UTC"),
    ("ines", "Ines Ferro", "finance", "UTC"),
    ("ada", "Ada Okoye", "admin", "UTC"),
    ("vic", "Vic Marsh", "viewer", "UTC"),
)
_SETUP: Final = Person("demo-data", "The demo data", frozenset({"admin"}))
# A market of this size is made row by row; a larger one is made of copies of it.
FIRST_MAX: Final = 50_000
WAITING: Final = 6
PROPOSED: Final = 4
# What finance finds: card refunds to send, some in a batch, and the processor's report of the last days.
TO_SEND: Final = 12
IN_BATCH: Final = 4
REPORT_DAYS: Final = 14


@dataclass(frozen=True)
class DemoLoaded:
    """What was loaded, by file."""

    counts: dict[str, int]


def load_demo(
    desk: Desk,
    *,
    charges: int,
    seed: int,
    as_of: datetime,
    progress: Progress = lambda _step, _done, _total: None,
) -> DemoLoaded:
    """Loads the demo marketplace as of a moment. The desk must be opened with the owner's rights.

    Above FIRST_MAX charges a first market is made and copied under other ids, decided claims only, so that
    the queue keeps a size people can work; the number of charges is then a multiple of the first market's.
    Raises WrongState when another demo is there already; the same one again changes nothing.
    """
    markets = -(-charges // FIRST_MAX)
    scale = Scale(charges // markets, seed, as_of.astimezone(UTC).replace(microsecond=0))
    then = replace(desk, clock=lambda: scale.as_of)
    with _written(scale, progress) as folder:
        try:
            counts = import_folder(then, folder, progress=progress).counts
        except Refusal as refusal:
            raise WrongState(
                "Other demo data is there already: demo data is loaded once, into a database without it. "
                "Choose another REFUNDS_HOME or database for another demo."
            ) from refusal
    if markets > 1:
        counts = _grow(then, counts, markets - 1, scale.as_of, progress)
    for person_id, name, role, time_zone in PEOPLE:
        save_person(then, _SETUP, person_id, name, [role], True, time_zone)
    if counts["reports"]:
        _half_done(then)
        _finance_half_done(then)
        _policy_half_done(then)
    return DemoLoaded(counts)


def _grow(
    desk: Desk, counts: dict[str, int], more: int, as_of: datetime, progress: Progress
) -> dict[str, int]:
    """Copies the first market `more` times; the counts of all together."""
    with desk.transaction() as conn:
        if copies.are_there(conn, PREFIX):
            return counts
        copies.grow(conn, prefix=PREFIX, copies=more, until=as_of, progress=progress)
    with desk.transaction() as conn:
        copies.analyze(conn)
    rollup.rebuild(desk, progress)
    undecided = counts["reports"] - counts["decisions"]
    return {
        name: count * (more + 1) - (undecided * more if name == "reports" else 0)
        for name, count in counts.items()
    }


def _policy_half_done(desk: Desk) -> None:
    """A manager's draft, to be tried on history and published by the other; again it is refused."""
    mo = Person("mo", "Mo Haddad", frozenset({"manager"}))
    latest = newest(published(desk, mo))
    figures = {name: latest[name] for name in LABELS} | {"window_days": 45}
    draft = Draft(
        **figures,
        version=f"{desk.clock() + timedelta(days=31):%Y-%m}",
        clauses={},
        sources={},
        note="Pros say that 30 days are short for jobs that begin later. What would 45 cost?",
    )
    with suppress(WrongState):
        write_draft(desk, mo, draft)


@contextmanager
def _written(scale: Scale, progress: Progress) -> Iterator[Path]:
    """The demo as a folder in the exchange format, row by row, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="refund-desk-demo-") as name, ExitStack() as files:
        folder = Path(name)
        writers: dict[str, Any] = {}
        for table in TABLES[:-1]:
            file = files.enter_context((folder / table.file).open("w", newline="", encoding="utf-8"))
            columns = [column.name for column in table.columns if not column.optional]
            writers[table.name] = csv.DictWriter(file, columns, lineterminator="\n")
            writers[table.name].writeheader()
        done = 0
        for file_name, row in rows(scale):
            writers[file_name].writerow(row)
            if file_name == "charges":
                done += 1
                if done % 1000 == 0:
                    progress("making charges", done, scale.charges)
        files.close()
        yield folder


def _half_done(desk: Desk) -> None:
    """Some claims wait on their pro, some for a second approval."""
    dana = Person("dana", "Dana Reyes", frozenset({"support"}))
    early = replace(desk, clock=lambda: desk.clock() - timedelta(minutes=20))
    open_rows = page(desk, dana, Filters(recommendation="review"), limit=200).rows
    for row in open_rows[len(open_rows) // 4 :: max(1, len(open_rows) // 8)][:WAITING]:
        triage.ask_pro(
            early, dana, row["report_id"], "Could you tell us when you called, and what you heard?"
        )
    large = page(desk, dana, Filters(recommendation="approve", amount_from=3001), limit=PROPOSED).rows
    for row in large:
        decisions.decide(early, dana, row["report_id"], "approve", idempotency_key=f"demo-{row['report_id']}")


def _finance_half_done(desk: Desk) -> None:
    """Card refunds wait to be sent, a batch for its second person, and the processor's report is imported."""
    dana = Person("dana", "Dana Reyes", frozenset({"support"}))
    fin = Person("fin", "Fin Larsen", frozenset({"finance"}))
    payouts = _asked_for(desk, dana)
    hour_ago = _at(desk, desk.clock() - timedelta(hours=1))
    if len(payouts) > IN_BATCH:
        batches.make(hour_ago, fin, payouts[:IN_BATCH], idempotency_key=f"demo-{payouts[0]}")
    _import_report(desk, fin)


def _asked_for(desk: Desk, actor: Person) -> list[str]:
    """Payouts of card refunds asked for in the last two days."""
    now = desk.clock()
    with desk.reading() as conn:
        credits = queries.reconciliation.demo_credits(conn, now=now, limit=TO_SEND * 5)
    payouts: list[str] = []
    for number, credit in enumerate(credits):
        if len(payouts) >= TO_SEND:
            break
        at = max(now - timedelta(hours=3 * number + 2), credit["opened_at"] + timedelta(minutes=5))
        with suppress(CardRefundRefused):  # spent meanwhile, or its payments have given back all they can
            payouts += card_refunds.request(_at(desk, at), actor, credit["report_id"]).payout_ids
    return payouts


def _at(desk: Desk, moment: datetime) -> Desk:
    return replace(desk, clock=lambda: moment)


def _import_report(desk: Desk, actor: Person) -> None:
    until_day = complete_until(desk.clock())
    since, until = start_of(until_day - timedelta(days=REPORT_DAYS)), start_of(until_day)
    with desk.reading() as conn:
        payments = queries.reconciliation.demo_payments(conn, since=since, until=until)
        payouts = queries.reconciliation.demo_payouts(conn, since=since, until=until)
    text = processor.report(payments, payouts, since, until)
    reconciliation.import_report(
        desk,
        actor,
        f"balance-change-{since:%Y-%m-%d}.csv",
        text.encode(),
        from_day=since.date(),
        until_day=until.date(),
    )
