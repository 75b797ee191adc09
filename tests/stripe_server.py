"""A card processor on loopback that keeps state and fails as Stripe documents, for the official SDK.

It keeps charges, refunds, idempotency keys and events; refuses over-refunds; signs webhooks. A fault is put
in line with `faults` and taken by the next request that makes a refund:
stall_before, stall_after: no answer, without or after acting; error_before, error_after: 500 likewise;
busy: 429; disputed: refused for good. The shapes are Stripe's (tests/data/stripe/fixtures.json).
"""

import copy
import hashlib
import hmac
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.conftest import DATA

KEY = "sk_test_desk"
SECRET = "whsec_desk"
STALL_SECONDS = 3.0
_SHAPES = json.loads((DATA / "stripe" / "fixtures.json").read_text(encoding="utf-8"))["resources"]
Thing = dict[str, Any]


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status: int, type_: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": {"type": type_, "message": message, "code": code}}


class StripeServer:
    """The state behind the API; every method may be called while requests are served."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.charges: dict[str, Thing] = {}
        self.refunds: dict[str, Thing] = {}
        self.events: list[Thing] = []
        self.faults: deque[str] = deque()
        self.next_status = "succeeded"
        self.requests = 0
        self._answers: dict[str, tuple[str, int, Thing]] = {}
        self.address = ""

    # -- what a test does ---------------------------------------------------------------------------------

    def charge(self, charge_id: str, amount: int, currency: str = "usd", intent: str | None = None) -> None:
        """A payment that can be refunded."""
        with self.lock:
            self.charges[charge_id] = _shaped(
                "charge",
                id=charge_id,
                amount=amount,
                amount_refunded=0,
                currency=currency,
                payment_intent=intent,
            )

    def change(self, refund_id: str, status: str, failure_reason: str | None = None) -> Thing:
        """What happens to a refund later; its event."""
        with self.lock:
            refund = self.refunds[refund_id]
            back = status in ("failed", "canceled") and refund["status"] not in ("failed", "canceled")
            if back:
                self.charges[refund["charge"]]["amount_refunded"] -= refund["amount"]
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

    # -- the API ------------------------------------------------------------------------------------------

    def create(self, fields: dict[str, str], key: str | None) -> tuple[int, Thing]:
        """POST /v1/refunds, with the fault that is due."""
        with self.lock:
            self.requests += 1
            fault = self.faults.popleft() if self.faults else ""
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
            created=int(time.time()),
            metadata=metadata,
            status=self.next_status,
        )
        self.refunds[refund["id"]] = refund
        charge["amount_refunded"] += amount
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
            created=int(time.time()),
            data={"object": copy.deepcopy(refund)},
        )
        self.events.append(event)
        return event


def _shaped(kind: str, **fields: Any) -> Thing:
    return {**copy.deepcopy(_SHAPES[kind]), **fields}


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
