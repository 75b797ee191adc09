"""A month at the desk and at the stateful processor: payments, card refunds of every outcome, fees."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from refundlib.config import Settings
from refundlib.payments.stripe import StripeProcessor
from refundlib.services.batches import make
from refundlib.services.card_refunds import request
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.payouts import look_after, send_released
from tests.conftest import PEOPLE, Clock, opened_desk, save_people
from tests.market import Market
from tests.stripe_server import KEY, SECRET, StripeServer, stripe_server

BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAYS = 30
# What becomes of each day's card refund, in turn.
OUTCOMES = ("succeeded", "pending, then succeeded", "pending, then failed", "succeeded, then failed", "none")

Row = dict[str, str]


@dataclass
class Month:
    """What a month leaves: the processor's report of it, and when it is over."""

    report: str
    over_at: datetime


@dataclass
class Life:
    """The desk, its market and the processor, on one clock."""

    market: Market
    desk: Desk
    server: StripeServer
    clock: Clock

    def day(self, number: int) -> None:
        """A pro pays, is charged, gets the credit, asks for the card; older refunds go on."""
        outcome, name = OUTCOMES[number % len(OUTCOMES)], f"d{number:02}"
        amount = 1500 + 37 * number
        self.server.charge(f"ch_pay-{name}", amount)
        report = self.market.claim(PEOPLE["dana"], name, amount=amount)
        if outcome != "none":
            decide(self.desk, PEOPLE["dana"], report, "approve", idempotency_key=name)
            self.send(report, outcome.partition(",")[0])
        self.change(number - 3)
        if number % 7 == 6:
            self.server.charge_fee(150, "Monthly fee, a part")
            self.server.pay_out()

    def send(self, report: str, status: str) -> None:
        """Through a batch and the worker."""
        self.server.next_status = status
        payouts = request(self.desk, PEOPLE["dana"], report).payout_ids
        make(self.desk, PEOPLE["fin"], payouts, idempotency_key=report)
        send_released(self.desk)

    def change(self, number: int) -> None:
        """What the processor says later of the card refund of a day."""
        _, _, later = OUTCOMES[number % len(OUTCOMES)].partition(", then ")
        refund = next(
            (each for each in self.server.refunds.values() if each["charge"] == f"ch_pay-d{number:02}"), None
        )
        if refund is not None and later:
            self.server.change(refund["id"], later, "lost_or_stolen_card" if later == "failed" else None)


def live(url: str, settings: Settings) -> Month:
    """The month on a fresh database."""
    clock = Clock(BEGIN)
    with (
        stripe_server() as server,
        opened_desk(url, clock, settings) as plain,
        opened_desk(url, clock, settings, as_owner=True) as owner,
    ):
        server.clock = lambda: clock().timestamp()
        desk = replace(plain, processor=StripeProcessor(KEY, SECRET, server.address, timeout_seconds=5))
        save_people(desk)
        it = Life(Market(owner, desk), desk, server, clock)
        for number in range(DAYS):
            it.day(number)
            for _ in range(4):
                clock.advance(timedelta(hours=6))
                look_after(desk)
        clock.advance(timedelta(days=3))
        look_after(desk)
        return Month(server.report(), clock())


def rows_of(report: str) -> list[Row]:
    """A report as dicts, to spoil."""
    return list(csv.DictReader(io.StringIO(report)))


def written(rows: list[Row], *, without: tuple[str, ...] = ()) -> bytes:
    """Dicts as a report again; without some columns."""
    columns = [name for name in rows[0] if name not in without]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def first(rows: list[Row], category: str, that: Callable[[Row], bool] = lambda _row: True) -> Row:
    """The first line of a category for which something holds."""
    return next(row for row in rows if row["reporting_category"] == category and that(row))
