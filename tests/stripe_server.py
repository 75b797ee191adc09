"""A card processor on loopback that keeps state and fails as Stripe documents, for the official SDK.

It keeps charges, refunds, idempotency keys and events; refuses over-refunds; signs webhooks. A fault is put
in line with `faults` and taken by the next request that makes a refund:
stall_before, stall_after: no answer, without or after acting; error_before, error_after: 500 likewise;
busy: 429; disputed: refused for good. The shapes are Stripe's (tests/data/stripe/fixtures.json).
`hold` stops such a request until the test lets it go on, before or after it is acted on.

Whatever moves its balance it writes down as a balance transaction, of which it makes Stripe's reports.
"""

import copy
import csv
import hashlib
import hmac
import io
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from refundlib.domain.money import exponent
from tests.conftest import DATA

KEY = "sk_test_desk"
SECRET = "whsec_desk"
STALL_SECONDS = 3.0
HELD_SECONDS_MAX = 60.0
AVAILABLE_AFTER_SECONDS = 2 * 86_400
DISPUTE_FEE = 1500
# What an export holds when nobody chose its columns.
DEFAULT_COLUMNS = (
    "balance_transaction_id", "created", "available_on", "currency", "gross", "fee", "net",
    "reporting_category", "description",
)  # fmt: skip
COLUMNS = (
    "balance_transaction_id", "created_utc", "created", "available_on_utc", "available_on", "currency",
    "gross", "fee", "net", "reporting_category", "source_id", "description", "customer_id", "charge_id",
    "payment_intent_id", "payment_method_type", "refund_metadata[payout_id]",
    "refund_metadata[card_refund_id]", "refund_metadata[report_id]", "trace_id",
)  # fmt: skip
# Stripe offers these for both reports; only the payout reconciliation has them unasked.
PAYOUT_COLUMNS = ("automatic_payout_id", "automatic_payout_effective_at_utc")
_SHAPES = json.loads((DATA / "stripe" / "fixtures.json").read_text(encoding="utf-8"))["resources"]
Thing = dict[str, Any]


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status: int, type_: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": {"type": type_, "message": message, "code": code}}


class Gate:
    """Stops one request at one place: reached is set there, open lets it go on, over says it was answered."""

    def __init__(self, place: Literal["before", "after", "nowhere"]) -> None:
        self.place = place
        self.reached, self.open, self.over = (threading.Event() for _ in range(3))

    def stop(self, place: str) -> None:
        """The request waits here, if this is the place."""
        if place == self.place:
            self.reached.set()
            self.open.wait(HELD_SECONDS_MAX)


class StripeServer:
    """The state behind the API; every method may be called while requests are served."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.charges: dict[str, Thing] = {}
        self.refunds: dict[str, Thing] = {}
        self.events: list[Thing] = []
        self.faults: deque[str] = deque()
        self.gates: deque[Gate] = deque()
        self.next_status = "succeeded"
        self.requests = 0
        self.transactions: list[Thing] = []
        self.clock: Callable[[], float] = time.time
        self._answers: dict[str, tuple[str, int, Thing]] = {}
        self.address = ""

    # -- what a test does ---------------------------------------------------------------------------------

    def charge(
        self,
        charge_id: str,
        amount: int,
        currency: str = "usd",
        intent: str | None = None,
        *,
        fee: int | None = None,
    ) -> None:
        """A payment that can be refunded. fee: what it cost us, in minor units; 2.9 % and 30 unless told."""
        with self.lock:
            charge = self.charges[charge_id] = _shaped(
                "charge",
                id=charge_id,
                amount=amount,
                amount_refunded=0,
                created=int(self.clock()),
                currency=currency,
                payment_intent=intent,
            )
            cost = (amount * 29 + 500) // 1000 + 30 if fee is None else fee
            moved = self._move("charge", amount, currency, fee=cost, source=charge_id, charge=charge)
            charge["balance_transaction"] = moved["id"]

    def change(self, refund_id: str, status: str, failure_reason: str | None = None) -> Thing:
        """What happens to a refund later; its event."""
        with self.lock:
            refund = self.refunds[refund_id]
            back = status in ("failed", "canceled") and refund["status"] not in ("failed", "canceled")
            if back:
                self.charges[refund["charge"]]["amount_refunded"] -= refund["amount"]
                self._move_refund("refund_failure", refund["amount"], refund)
            refund["status"] = status
            if failure_reason:
                refund["failure_reason"] = failure_reason
            return self._event("refund.failed" if status == "failed" else "refund.updated", refund)

    def signed(self, event: Thing, *, secret: str = SECRET, at: float | None = None) -> tuple[bytes, str]:
        """An event's body and the header that signs it."""
        body = json.dumps(event).encode()
        moment = int(at if at is not None else time.time())
        digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        return body, f"t={moment},v1={digest}"

    def hold(self, place: Literal["before", "after"]) -> Gate:
        """The next request that makes a refund is stopped before or after it is acted on."""
        gate = Gate(place)
        self.gates.append(gate)
        return gate

    def dispute(self, charge_id: str) -> str:
        """The card's bank takes a payment back, all of it, and Stripe its fee; the dispute's id."""
        with self.lock:
            charge = self.charges[charge_id]
            charge["disputed"] = True
            dispute_id = f"dp_{self._count('dispute') + 1:06d}"
            self._move(
                "dispute",
                -charge["amount"],
                charge["currency"],
                fee=DISPUTE_FEE,
                source=dispute_id,
                charge=charge,
                description=f"Chargeback withdrawal for {charge_id}",
            )
            return dispute_id

    def charge_fee(self, amount: int, description: str, currency: str = "usd") -> None:
        """A fee of Stripe's that belongs to no payment; amount is what it costs."""
        with self.lock:
            self._move("fee", -amount, currency, description=description)

    def pay_out(self, amount: int | None = None, currency: str = "usd") -> str:
        """Money goes to our bank; the payout's id.

        Without an amount it is an automatic payout of everything available, and what it contains gets its
        id. With one it is a payout by hand, of which Stripe does not say what it contains. Raises ValueError
        when there is nothing to pay out.
        """
        with self.lock:
            payout_id = f"po_{self._count('payout') + 1:06d}"
            contained = self._waiting(currency) if amount is None else []
            total = sum(each["net"] for each in contained) if amount is None else amount
            if total == 0:
                raise ValueError(f"nothing in {currency} is available")
            payout = self._move("payout", -total, currency, source=payout_id, description="STRIPE PAYOUT")
            payout["automatic"] = amount is None
            for each in contained:
                each["automatic_payout_id"] = payout_id
                each["automatic_payout_effective_at"] = payout["available_on"]
            return payout_id

    def balance(self, currency: str = "usd") -> int:
        """What Stripe has of ours, available or not, in minor units."""
        with self.lock:
            return sum(each["net"] for each in self.transactions if each["currency"] == currency)

    def report(
        self,
        kind: Literal["balance_change", "payout_reconciliation"] = "balance_change",
        *,
        from_: float | None = None,
        to: float | None = None,
        columns: Sequence[str] | None = None,
    ) -> str:
        """An itemized report as CSV; columns None: all of them. `to` is exclusive.

        balance_change: every transaction made in that time, payouts among them, so that it sums to the
        balance. (Stripe lists payouts apart.) payout_reconciliation: what the automatic payouts contain
        that reach the bank in that time, without the payouts.
        """
        by_payout = kind == "payout_reconciliation"
        when = "automatic_payout_effective_at" if by_payout else "created"
        names = columns if columns is not None else (*COLUMNS, *(PAYOUT_COLUMNS if by_payout else ()))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        with self.lock:
            for each in self.transactions:
                if _within(each[when], from_, to):
                    writer.writerow([_cell(each, name) for name in names])
        return out.getvalue()

    # -- the balance --------------------------------------------------------------------------------------

    def _move(
        self,
        category: str,
        amount: int,
        currency: str,
        *,
        fee: int = 0,
        source: str | None = None,
        charge: Thing | None = None,
        metadata: Thing | None = None,
        description: str | None = None,
    ) -> Thing:
        now = int(self.clock())
        moved = _shaped(
            "balance_transaction",
            id=f"txn_{len(self.transactions) + 1:06d}",
            created=now,
            available_on=now + AVAILABLE_AFTER_SECONDS,
            currency=currency,
            amount=amount,
            fee=fee,
            net=amount - fee,
            type=category,
            reporting_category=category,
            source=source,
            description=description,
            charge=charge["id"] if charge else None,
            payment_intent=charge["payment_intent"] if charge else None,
            metadata=metadata or {},
            automatic_payout_id=None,
            automatic_payout_effective_at=None,
        )
        self.transactions.append(moved)
        return moved

    def _move_refund(self, category: str, amount: int, refund: Thing) -> Thing:
        return self._move(
            category,
            amount,
            refund["currency"],
            source=refund["id"],
            charge=self.charges[refund["charge"]],
            metadata=dict(refund["metadata"]),
            description="REFUND FOR CHARGE" if category == "refund" else "REFUND FAILURE",
        )

    def _waiting(self, currency: str) -> list[Thing]:
        """What the next automatic payout contains: also payouts by hand, which left the balance at once."""
        now = self.clock()
        return [
            each
            for each in self.transactions
            if each["currency"] == currency
            and each["automatic_payout_id"] is None
            and not each.get("automatic")
            and (each["available_on"] <= now or each["reporting_category"] == "payout")
        ]

    def _count(self, category: str) -> int:
        return sum(each["reporting_category"] == category for each in self.transactions)

    # -- the API ------------------------------------------------------------------------------------------

    def create(self, fields: dict[str, str], key: str | None) -> tuple[int, Thing]:
        """POST /v1/refunds, with the fault that is due."""
        with self.lock:
            self.requests += 1
            fault = self.faults.popleft() if self.faults else ""
            gate = self.gates.popleft() if self.gates else Gate("nowhere")
        try:
            return self._answer(fields, key, fault, gate)
        finally:
            gate.over.set()

    def _answer(self, fields: dict[str, str], key: str | None, fault: str, gate: Gate) -> tuple[int, Thing]:
        gate.stop("before")
        if fault == "stall_before":
            time.sleep(STALL_SECONDS)
            raise ApiError(500, "api_error", "nobody listens any more")
        if fault == "error_before":
            raise ApiError(500, "api_error", "An unknown error occurred")
        if fault == "busy":
            raise ApiError(429, "invalid_request_error", "Too many requests", "rate_limit")
        if fault == "disputed":
            raise ApiError(
                400, "invalid_request_error", "The charge is disputed", "charge_for_pending_refund_disputed"
            )
        with self.lock:
            answer = self._create_once(fields, key)
        gate.stop("after")
        if fault == "stall_after":
            time.sleep(STALL_SECONDS)
        if fault == "error_after":
            raise ApiError(500, "api_error", "An unknown error occurred")
        return answer

    def _create_once(self, fields: dict[str, str], key: str | None) -> tuple[int, Thing]:
        asked = json.dumps(fields, sort_keys=True)
        if key is not None and key in self._answers:
            before, status, body = self._answers[key]
            if before != asked:
                raise ApiError(400, "idempotency_error", "Keys can only be used with the same parameters")
            return status, copy.deepcopy(body)
        refund = self._create(fields)
        if key is not None:
            self._answers[key] = (asked, 200, copy.deepcopy(refund))
        return 200, copy.deepcopy(refund)

    def _create(self, fields: dict[str, str]) -> Thing:
        charge = self._charge_of(fields)
        left = charge["amount"] - charge["amount_refunded"]
        amount = int(fields.get("amount", left))
        if left == 0:
            raise ApiError(
                400, "invalid_request_error", "Charge has been refunded", "charge_already_refunded"
            )
        if not 0 < amount <= left:
            raise ApiError(
                400, "invalid_request_error", f"Refund amount ({amount}) is greater than unrefunded ({left})"
            )
        metadata = {name[9:-1]: value for name, value in fields.items() if name.startswith("metadata[")}
        refund = _shaped(
            "refund",
            id=f"re_{len(self.refunds) + 1:06d}",
            amount=amount,
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            currency=charge["currency"],
            created=int(self.clock()),
            metadata=metadata,
            status=self.next_status,
        )
        self.refunds[refund["id"]] = refund
        charge["amount_refunded"] += amount
        # Stripe takes the money off the balance when it makes the refund, whatever becomes of it.
        refund["balance_transaction"] = self._move_refund("refund", -amount, refund)["id"]
        self._event("refund.created", refund)
        return refund

    def _charge_of(self, fields: dict[str, str]) -> Thing:
        for charge in self.charges.values():
            if charge["id"] == fields.get("charge") or (
                charge["payment_intent"] and charge["payment_intent"] == fields.get("payment_intent")
            ):
                return charge
        raise ApiError(404, "invalid_request_error", "No such charge", "resource_missing")

    def listed(self, fields: dict[str, str]) -> Thing:
        """GET /v1/refunds: newest first, by page."""
        with self.lock:
            charge = self._charge_of(fields)
            found = [each for each in reversed(self.refunds.values()) if each["charge"] == charge["id"]]
            after = fields.get("starting_after")
            if after:
                found = found[[each["id"] for each in found].index(after) + 1 :]
            page = found[: int(fields.get("limit", "10"))]
            more = len(found) > len(page)
            return {"object": "list", "url": "/v1/refunds", "has_more": more, "data": copy.deepcopy(page)}

    def one(self, refund_id: str) -> Thing:
        """GET /v1/refunds/…"""
        with self.lock:
            if refund_id not in self.refunds:
                raise ApiError(
                    404, "invalid_request_error", f"No such refund: {refund_id}", "resource_missing"
                )
            return copy.deepcopy(self.refunds[refund_id])

    def _event(self, type_: str, refund: Thing) -> Thing:
        event = _shaped(
            "event",
            id=f"evt_{len(self.events) + 1:06d}",
            type=type_,
            created=int(self.clock()),
            data={"object": copy.deepcopy(refund)},
        )
        self.events.append(event)
        return event


def _shaped(kind: str, **fields: Any) -> Thing:
    return {**copy.deepcopy(_SHAPES[kind]), **fields}


def _within(seconds: int | None, from_: float | None, to: float | None) -> bool:
    return seconds is not None and (from_ is None or from_ <= seconds) and (to is None or seconds < to)


def _cell(moved: Thing, column: str) -> str:
    """What a report says of a transaction in a column."""
    if column.startswith("refund_metadata["):
        return str(moved["metadata"].get(column[16:-1], ""))
    return str(_CELLS[column](moved) or "")


def _major(amount: int, currency: str) -> str:
    return format(Decimal(amount).scaleb(-exponent(currency.upper())), "f")


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


_CELLS: dict[str, Callable[[Thing], Any]] = {
    "balance_transaction_id": lambda moved: moved["id"],
    "created_utc": lambda moved: _moment(moved["created"]),
    "created": lambda moved: _moment(moved["created"]),
    "available_on_utc": lambda moved: _moment(moved["available_on"]),
    "available_on": lambda moved: _moment(moved["available_on"]),
    "currency": lambda moved: moved["currency"],
    "gross": lambda moved: _major(moved["amount"], moved["currency"]),
    "fee": lambda moved: _major(moved["fee"], moved["currency"]),
    "net": lambda moved: _major(moved["net"], moved["currency"]),
    "reporting_category": lambda moved: moved["reporting_category"],
    "source_id": lambda moved: moved["source"],
    "description": lambda moved: moved["description"],
    "customer_id": lambda _moved: "",
    "charge_id": lambda moved: moved["charge"],
    "payment_intent_id": lambda moved: moved["payment_intent"],
    "payment_method_type": lambda moved: "card" if moved["charge"] else "",
    "trace_id": lambda moved: f"trace-{moved['automatic_payout_id']}" if moved["automatic_payout_id"] else "",
    "automatic_payout_id": lambda moved: moved["automatic_payout_id"],
    "automatic_payout_effective_at_utc": lambda moved: _moment(moved["automatic_payout_effective_at"]),
}


@contextmanager
def stripe_server() -> Iterator[StripeServer]:
    """Serves on a free port of loopback until the end; `address` says where."""
    state = StripeServer()
    config = uvicorn.Config(_app(state), host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    state.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.should_exit = server.force_exit = True
        thread.join(STALL_SECONDS + 5)


def _app(state: StripeServer) -> Starlette:
    async def refunds(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _refusal(ApiError(401, "invalid_request_error", "Invalid API Key provided"))
        try:
            if request.method == "POST":
                fields = dict(parse_qsl((await request.body()).decode()))
                key = request.headers.get("idempotency-key")
                status, body = await run_in_threadpool(state.create, fields, key)
                return JSONResponse(body, status)
            refund_id = request.path_params.get("refund_id")
            if refund_id:
                return JSONResponse(state.one(refund_id))
            return JSONResponse(state.listed(dict(request.query_params)))
        except ApiError as refused:
            return _refusal(refused)

    return Starlette(
        routes=[
            Route("/v1/refunds", refunds, methods=["GET", "POST"]),
            Route("/v1/refunds/{refund_id}", refunds, methods=["GET"]),
        ]
    )


def _refusal(refused: ApiError) -> JSONResponse:
    return JSONResponse(refused.body, refused.status)
