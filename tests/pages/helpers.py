"""Four days of finance, lived in a moment: for the pages of money, in AppTest and in the browser."""

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from refundlib.domain.people import WORKER, Person
from refundlib.services import adjustments, batches, card_refunds, closing, reconciliation
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from tests.conftest import PEOPLE, Clock
from tests.market import Market

DAY = timedelta(days=1)
COLUMNS = (
    "balance_transaction_id", "created_utc", "currency", "gross", "fee", "net", "reporting_category",
    "description", "source_id", "charge_id", "refund_metadata[payout_id]",
)  # fmt: skip
DANA, ELI, FIN, INES = (PEOPLE[name] for name in ("dana", "eli", "fin", "ines"))


@dataclass
class Report:
    """A report of the processor, line by line."""

    lines: list[dict[str, str]] = field(default_factory=list)

    def add(
        self, line_id: str, at: datetime, category: str, gross: int, fee: int = 0, **more: str | None
    ) -> "Report":
        """A line; gross and fee in cents. more: source_id, charge_id, payout_id, description."""
        cells = {
            "balance_transaction_id": line_id,
            "created_utc": f"{at:%Y-%m-%d %H:%M:%S}",
            "currency": "usd",
            "gross": f"{gross / 100:.2f}",
            "fee": f"{fee / 100:.2f}",
            "net": f"{(gross - fee) / 100:.2f}",
            "reporting_category": category,
            "refund_metadata[payout_id]": more.pop("payout_id", None) or "",
        }
        self.lines.append({**cells, **{name: value or "" for name, value in more.items()}})
        return self

    def paid(self, name: str, at: datetime, amount: int = 2500, *, nameless: bool = False) -> "Report":
        """The charge of pay-NAME, with its fee; nameless: without the ids that prove it."""
        ref = None if nameless else f"ch_pay-{name}"
        return self.add(f"txn_{name}", at, "charge", amount, 103, source_id=ref, charge_id=ref)

    def text(self) -> bytes:
        """The file."""
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.lines)
        return buffer.getvalue().encode()


@dataclass
class Finance:
    """What finance finds after four days; claims by their name, payouts by that of their claim.

    a arrived; b failed after its day was closed; c is a credit unspent; d and e wait in a batch for a second
    person; f is to be sent; g is a credit spent in part; h is on its way. The first day is closed. Of the
    next two the report is imported, with a refund made by hand, a payment without ids, fees, a bank payout.
    """

    market: Market
    clock: Clock
    first_day: datetime
    claims: dict[str, str] = field(default_factory=dict)
    payouts: dict[str, str] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """The desk it all happens on."""
        return self.market.desk

    def credit(self, name: str) -> None:
        """A claim of $25, approved."""
        report = self.claims[name] = self.market.claim(DANA, name)
        decide(self.desk, ELI, report, "approve", idempotency_key=name)

    def ask(self, name: str) -> None:
        """A card refund of a credit, asked for."""
        self.credit(name)
        (self.payouts[name],) = card_refunds.request(self.desk, DANA, self.claims[name]).payout_ids

    def batch(self, *names: str) -> None:
        batches.make(self.desk, FIN, [self.payouts[n] for n in names], idempotency_key="-".join(names))

    def outcome(self, name: str, state: str, at: datetime | None = None, reason: str = "") -> None:
        """What the processor says of a payout."""
        payout = self.payouts[name]
        if state in ("pending", "succeeded") and self._state(payout) == "requested":
            card_refunds.mark_submitted(self.desk, WORKER, payout)
        card_refunds.record_outcome(
            self.desk,
            WORKER,
            payout,
            state,
            at=at or self.clock(),
            processor_ref=f"re_{name}",
            failure_reason=reason,
        )

    def _state(self, payout: str) -> str:
        return str(self.market.one("SELECT state FROM refunds.payouts WHERE payout_id = :p", p=payout))

    def take(self, report: Report, first: datetime, days: int) -> None:
        """Fin imports a report of some days."""
        from_day = first.date()
        reconciliation.import_report(
            self.desk,
            FIN,
            f"report-{from_day}.csv",
            report.text(),
            from_day=from_day,
            until_day=from_day + timedelta(days=days),
        )

    def adjust(self, key: str, actor: Person = FIN) -> str:
        """A proposed adjustment of $12.50 in favour of pro-c."""
        return adjustments.propose(
            self.desk,
            actor,
            debit="refunds_given",
            credit="pro_balance",
            amount_minor=1250,
            currency="USD",
            reason=f"Goodwill {key}",
            pro_id="pro-c",
            idempotency_key=key,
        )


def live(market: Market, clock: Clock) -> Finance:
    """The four days; they begin at ten in the morning, UTC, on the day of the clock."""
    first = clock().replace(hour=10, minute=0, second=0, microsecond=0)
    it = Finance(market, clock, first)
    _the_first_day(it)
    _its_close(it)
    _the_third_day(it)
    _the_fourth_day(it)
    return it


def _the_first_day(it: Finance) -> None:
    it.clock.now = it.first_day
    it.ask("a")
    it.ask("b")
    it.credit("c")
    it.batch("a")
    it.batch("b")
    it.outcome("a", "succeeded")
    it.outcome("b", "pending")


def _its_close(it: Finance) -> None:
    """On the second day, after noon; then b fails, of the first day."""
    at = it.first_day + timedelta(hours=1)
    report = Report().paid("a", it.first_day).paid("b", it.first_day).paid("c", it.first_day)
    for name in ("a", "b"):
        report.add(f"txn_out-{name}", at, "refund", -2500, source_id=f"re_{name}", payout_id=it.payouts[name])
    it.clock.now = it.first_day + DAY + timedelta(hours=3)
    it.take(report, it.first_day, 1)
    reconciliation.post_fees_and_payouts(it.desk, FIN)
    closing.close(it.desk, INES, it.first_day.date())
    it.outcome("b", "failed", it.first_day + timedelta(hours=13), "lost_or_stolen_card")


def _the_third_day(it: Finance) -> None:
    it.clock.now = it.first_day + 2 * DAY
    for name in ("d", "e", "f", "h"):
        it.ask(name)
    it.credit("g")
    it.market.charge("charge-more", it.market.lead("lead-more"), "pro-g", 1000)
    it.batch("d", "e")
    it.batch("h")
    it.outcome("h", "pending")
    adjustments.release(it.desk, INES, it.adjust("posted"))
    adjustments.refuse(it.desk, INES, it.adjust("refused"), "Twice the same.")
    it.adjust("waiting")


def _the_fourth_day(it: Finance) -> None:
    """After noon the report of the second and the third day is there."""
    third = it.first_day + 2 * DAY
    report = Report()
    for name in ("d", "e", "f", "h"):
        report.paid(name, third)
    report.paid("g", third, nameless=True)
    report.add("txn_out-h", third, "refund", -2500, source_id="re_h", payout_id=it.payouts["h"])
    report.add("txn_hand", third, "refund", -4000, source_id="re_hand", description="By hand")
    report.add("txn_bank", third, "payout", -2000, source_id="po_1", description="STRIPE PAYOUT")
    it.clock.now = it.first_day + 3 * DAY + timedelta(hours=3)
    it.take(report, it.first_day + DAY, 2)
    it.market.write(
        """INSERT INTO refunds.marketplace_balances
        VALUES ('pro-g', 'USD', 9900, :at), ('pro-c', 'USD', 3750, :at)""",
        at=it.clock(),
    )
