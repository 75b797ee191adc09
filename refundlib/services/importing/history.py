"""History posted: payments, charges, refunds and card refunds of the folder, through the journal, in order.

Every event of one pro and currency meets the account as the events before left it; what cannot be posted
is a bad row. Ledger rows are written in batches by COPY, in the import's one transaction.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db import staging
from refundlib.db.queries import queries
from refundlib.domain.errors import CardRefundRefused, ShortOfCover
from refundlib.domain.journal import (
    BALANCE,
    HELD,
    Account,
    Lot,
    PaymentLeft,
    PlannedPayout,
    Posting,
    card_until,
    plan_payouts,
)
from refundlib.domain.policy import Policy
from refundlib.services.importing.folder import Progress, RowError
from refundlib.services.policies import in_force, policies

ACTOR: Final = "import"
EVENTS_A_PAGE: Final = 20_000
POSTINGS_A_BATCH: Final = 10_000

Row = dict[str, Any]
_FILES: Final = {
    "payment": ("payments.csv", "amount"),
    "refund": ("decisions.csv", "decided_at"),
    "charge": ("charges.csv", "amount"),
}


class _Bad(Exception):  # noqa: N818 - a bad row is a finding
    """An event that cannot be posted: its column and why; derived when a bad row stands behind it."""

    def __init__(self, column: str, reason: str, *, derived: bool = False) -> None:
        super().__init__(reason)
        self.column = column
        self.derived = derived


@dataclass
class _Standing:
    """What the database had before, for the accounts of the folder."""

    versions: list[Policy]
    accounts: dict[tuple[str, str], Row]
    lots: dict[tuple[str, str], dict[str, Lot]]
    behind: dict[str, tuple[str, ...]]
    left: dict[str, PaymentLeft]
    payouts: dict[str, list[tuple[PlannedPayout, str]]]
    states: dict[str, str]

    @classmethod
    def read(cls, conn: Connection) -> "_Standing":
        lots: dict[tuple[str, str], dict[str, Lot]] = {}
        payouts: dict[str, list[tuple[PlannedPayout, str]]] = {}
        states: dict[str, str] = {}
        queries.import_history.lock_reports(conn)
        accounts = {
            (row["pro_id"], row["currency"]): row for row in queries.import_history.lock_accounts(conn)
        }
        for row in queries.import_history.lots(conn):
            key = (row.pop("pro_id"), row.pop("currency"))
            lots.setdefault(key, {})[row["lot_id"]] = Lot(**{**row, "payment_ids": tuple(row["payment_ids"])})
        for row in queries.import_history.payouts_to_settle(conn):
            payout = PlannedPayout(row["payout_id"], row["payment_id"], row["amount"])
            payouts.setdefault(row["card_refund_id"], []).append((payout, row["lot_id"]))
            states[row["payout_id"]] = row["state"]
        return cls(
            policies(conn),
            accounts,
            lots,
            {
                row["charge_id"]: tuple(row["payment_ids"])
                for row in queries.import_history.payments_behind(conn)
            },
            {
                row["payment_id"]: PaymentLeft(row["payment_id"], row["paid_at"], row["left_minor"])
                for row in queries.import_history.payments_of_card_refunds(conn)
            },
            payouts,
            states,
        )


@dataclass
class _Group:
    """One pro's events in one currency, posted in order on the account."""

    account: Account
    standing: _Standing
    pro_seq: int
    known_lots: dict[str, tuple[int, datetime | None]]
    behind: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left: dict[str, PaymentLeft] = field(default_factory=dict)
    payouts: dict[str, list[tuple[PlannedPayout, str]]] = field(default_factory=dict)
    new_payouts: list[tuple[str, PlannedPayout]] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    now: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, standing: _Standing, pro_id: str, currency: str) -> "_Group":
        key = (pro_id, currency)
        row = standing.accounts.get(key, {"balance": 0, "held": 0, "pro_seq": 0})
        lots = standing.lots.get(key, {})
        account = Account(pro_id, currency, row["balance"], row["held"], dict(lots))
        known = {lot_id: (lot.remaining, lot.card_until) for lot_id, lot in lots.items()}
        return cls(account, standing, row["pro_seq"], known)

    def post(self, event: Row) -> list[Posting]:
        """The postings of one event. Raises _Bad; the account is as before then."""
        return list(getattr(self, f"_{event['kind']}")(event))

    def _payment(self, event: Row) -> Iterator[Posting]:
        self.left[event["id"]] = PaymentLeft(event["id"], event["at"], event["amount"])
        yield self.account.pay(event["id"], event["amount"], event["at"])

    def _charge(self, event: Row) -> Iterator[Posting]:
        try:
            posting = self.account.charge(event["id"], event["amount"], event["at"], event["payment_id"])
        except ShortOfCover as short:
            self.bad.add(event["charge_id"])
            missing = f"{short.shortfall_minor} {event['currency']}"
            raise _Bad("amount", f"is {event['amount']}; the balance is short of it by {missing}") from short
        self.behind[event["id"]] = posting.payment_ids
        yield posting

    def _refund(self, event: Row) -> Iterator[Posting]:
        until = card_until(event["at"], in_force(self.standing.versions, event["at"]).card_refund_days)
        try:
            behind = self._behind(event)
        except _Bad:
            self.bad.add(event["report_id"])
            raise
        yield self.account.credit(event["id"], event["amount"], event["at"], behind, until)

    def _behind(self, event: Row) -> tuple[str, ...]:
        charge_id = event["charge_id"]
        if charge_id in self.bad:
            raise _Bad(
                "report_id",
                f"names a report on {charge_id}, a charge that is not taken",
                derived=True,
            )
        behind = self.behind.get(charge_id, self.standing.behind.get(charge_id))
        if behind is not None:
            return behind
        if event["charged_at"] >= event["at"]:
            raise _Bad("decided_at", f"is before charge {charge_id} was made")
        raise _Bad(
            "report_id",
            f"is about charge {charge_id}, which is not in the ledger yet; start the worker first",
        )

    def _card_refund(self, event: Row) -> Iterator[Posting]:
        lot_id = f"refund:{event['report_id']}.1"
        try:
            if event["report_id"] in self.bad or event["charge_id"] in self.bad:
                raise _Bad("report_id", "names a report whose refund is not taken", derived=True)
            planned, posting = self._request(event, lot_id)
        except _Bad:
            self.bad.add(event["id"])
            raise
        self.payouts[event["id"]] = [(payout, lot_id) for payout in planned]
        self.new_payouts += [(event["id"], payout) for payout in planned]
        yield posting

    def _request(self, event: Row, lot_id: str) -> tuple[tuple[PlannedPayout, ...], Posting]:
        lot = self.account.lots.get(lot_id)
        if lot is None:
            raise _Bad("report_id", "names a report whose credit is not on the balance any more")
        try:
            lefts = [left for payment_id in lot.payment_ids if (left := self._left(payment_id))]
            planned = plan_payouts(event["id"], event["amount"], lefts, event["currency"])
            posting = self.account.request_card_refund(event["id"], lot_id, event["amount"], event["at"])
        except CardRefundRefused as refused:
            raise _Bad("amount", f"is {event['amount']}: {refused}") from refused
        for payout in planned:
            self._move_left(payout.payment_id, -payout.amount)
        return planned, posting

    def _left(self, payment_id: str) -> PaymentLeft | None:
        return self.left.get(payment_id) or self.standing.left.get(payment_id)

    def _move_left(self, payment_id: str, amount: int) -> None:
        before = self._left(payment_id)
        if before is not None:
            self.left[payment_id] = PaymentLeft(payment_id, before.paid_at, before.left + amount)

    def _settling(self, event: Row, *states: str) -> list[tuple[PlannedPayout, str]]:
        """The payouts of a card refund that are in one of the states now: new ones are pending."""
        if event["id"] in self.bad:
            return []  # the request said so
        payouts = self.payouts.get(event["id"]) or self.standing.payouts.get(event["id"], [])
        return [each for each in payouts if self._state(each[0].payout_id) in states]

    def _state(self, payout_id: str) -> str:
        return self.now.get(payout_id) or self.standing.states.get(payout_id, "pending")

    def _succeeded(self, event: Row) -> Iterator[Posting]:
        # What the desk learned from the processor before the folder told it is settled already.
        for payout, _lot_id in self._settling(event, "pending"):
            self.now[payout.payout_id] = "succeeded"
            yield self.account.succeed_payout(payout.payout_id, payout.amount, event["at"])

    def _failed(self, event: Row) -> Iterator[Posting]:
        return self._returned(event, "card_refund_failed", "pending")

    def _reversed(self, event: Row) -> Iterator[Posting]:
        return self._returned(event, "card_refund_reversed", "succeeded")

    def _returned(self, event: Row, kind: Any, state: str) -> Iterator[Posting]:
        for payout, lot_id in self._settling(event, state):
            self.now[payout.payout_id] = kind.removeprefix("card_refund_")
            yield self.account.return_payout(payout.payout_id, lot_id, payout.amount, event["at"], kind)
            lot = self.account.lots[lot_id]
            days = in_force(self.standing.versions, lot.opened_at).card_refund_days
            if lot.card_until is not None:
                lot.card_until = max(lot.card_until, card_until(event["at"], days))
            self._move_left(payout.payment_id, payout.amount)


@dataclass
class _Batch:
    """Ledger rows that wait to be written."""

    postings: list[tuple[int, Posting]] = field(default_factory=list)
    groups: list[_Group] = field(default_factory=list)

    def write(self, conn: Connection) -> None:
        """Writes in the order of the foreign keys: accounts, transactions, lots, then what names them."""
        for group in self.groups:
            _write_account(conn, group)
        rows = queries.import_history.reserve_transactions(conn, count=len(self.postings))
        numbered = [(row["transaction_id"], *each) for row, each in zip(rows, self.postings, strict=True)]
        staging.copy_into(conn, "refunds.ledger_transactions", _TRANSACTION, map(_transaction, numbered))
        staging.copy_into(
            conn, "refunds.ledger_entries", _ENTRY, (e for n in numbered for e in _entries(n[0], n[2]))
        )
        staging.copy_into(
            conn, "refunds.lots", _LOT, (lot for group in self.groups for lot in _new_lots(group))
        )
        staging.copy_into(
            conn, "refunds.lot_movements", _MOVEMENT, (m for n in numbered for m in _movements(n[0], n[2]))
        )
        self.postings, self.groups = [], []


_TRANSACTION: Final = [
    "transaction_id",
    "kind",
    "source_id",
    "pro_id",
    "currency",
    "occurred_at",
    "pro_seq",
    "actor",
]
_ENTRY: Final = ["transaction_id", "leg", "account", "pro_id", "currency", "amount"]
_MOVEMENT: Final = ["transaction_id", "lot_id", "amount"]
_LOT: Final = [
    "lot_id",
    "pro_id",
    "currency",
    "kind",
    "source_id",
    "opened_at",
    "amount",
    "remaining",
    "payment_ids",
    "card_until",
]


def _transaction(numbered: tuple[int, int, Posting]) -> tuple[Any, ...]:
    number, pro_seq, it = numbered
    return (number, it.kind, it.source_id, it.pro_id, it.currency, it.occurred_at, pro_seq, ACTOR)


def _entries(number: int, it: Posting) -> Iterator[tuple[Any, ...]]:
    for leg, (account, amount) in enumerate(it.entries, start=1):
        yield (number, leg, account, it.pro_id if account in (BALANCE, HELD) else None, it.currency, amount)


def _movements(number: int, it: Posting) -> Iterator[tuple[Any, ...]]:
    if it.new_lot is not None:
        yield (number, it.new_lot.lot_id, it.new_lot.amount)
    for lot_id, amount in it.movements:
        yield (number, lot_id, amount)


def _new_lots(group: _Group) -> Iterator[tuple[Any, ...]]:
    account = group.account
    for lot in account.lots.values():
        if lot.lot_id not in group.known_lots:
            yield (
                lot.lot_id,
                account.pro_id,
                account.currency,
                lot.kind,
                lot.source_id,
                lot.opened_at,
                lot.amount,
                lot.remaining,
                list(lot.payment_ids),
                lot.card_until,
            )


def _write_account(conn: Connection, group: _Group) -> None:
    account = group.account
    queries.import_history.set_account(
        conn,
        pro_id=account.pro_id,
        currency=account.currency,
        balance=account.balance,
        held=account.held,
        pro_seq=group.pro_seq,
    )
    for lot_id, before in group.known_lots.items():
        lot = account.lots[lot_id]
        if (lot.remaining, lot.card_until) != before:
            queries.import_history.set_lot(
                conn, lot_id=lot_id, remaining=lot.remaining, card_until=lot.card_until
            )


class History:
    """Posts a folder's history. payouts: the planned payouts of new card refunds, for the caller to write."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.errors: list[tuple[RowError, bool]] = []
        self.payouts: list[tuple[str, PlannedPayout]] = []
        self._batch = _Batch()

    def post(self, progress: Progress) -> None:
        """Posts every event; what cannot be posted is in errors, each with whether it is derived."""
        queries.import_history.stage_events(self.conn)
        queries.import_history.index_events(self.conn)
        total = queries.import_history.count_events(self.conn)
        standing = _Standing.read(self.conn)
        group: _Group | None = None
        for event in self._events(progress, total):
            if group is None or (group.account.pro_id, group.account.currency) != (
                event["pro_id"],
                event["currency"],
            ):
                self._close(group)
                group = _Group.open(standing, event["pro_id"], event["currency"])
            self._post_event(group, event)
        self._close(group)
        self._batch.write(self.conn)

    def _events(self, progress: Progress, total: int) -> Iterator[Row]:
        after = 0
        while page := queries.import_history.events(self.conn, after=after, limit=EVENTS_A_PAGE):
            yield from page
            after = page[-1]["n"]
            progress("posting history", after, total)

    def _post_event(self, group: _Group, event: Row) -> None:
        try:
            postings = group.post(event)
        except _Bad as bad:
            file = _FILES.get(event["kind"], ("card_refunds.csv", ""))[0]
            self.errors.append((RowError(file, event["line"], bad.column, str(bad)), bad.derived))
            return
        for posting in postings:
            group.pro_seq += 1
            self._batch.postings.append((group.pro_seq, posting))

    def _close(self, group: _Group | None) -> None:
        if group is None:
            return
        self._batch.groups.append(group)
        self.payouts += group.new_payouts
        if len(self._batch.postings) >= POSTINGS_A_BATCH:
            self._batch.write(self.conn)
