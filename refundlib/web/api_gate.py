"""The way in to the marketplace's routes: who has the key, how much at once, a line of log a request."""

import asyncio
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refundlib.web.api_models import Code, Problem
from refundlib.web.doors import TooLarge, body_of

# A request: one file of the largest kind in base64, and another one; or ten of three megabytes.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
BODY_SECONDS_MAX: Final = 30.0
# All requests together: what comes beyond is told to come again, so that no sender can fill the memory.
OPEN_MAX: Final = 128
HELD_BYTES_MAX: Final = 96 * 1024 * 1024
RETRY_AFTER_SECONDS: Final = 1
# In a request's scope: what its line of log says besides.
NOTES: Final = "refund-desk.notes"

log = structlog.get_logger("api")


class _Full(Exception):  # noqa: N818 - an answer, not a programming error
    """More bytes are held than HELD_BYTES_MAX."""


def problem(
    status: int,
    code: Code,
    sentence: str,
    report_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The one way in which something is refused at /api."""
    told = Problem(code=code, sentence=sentence, report_id=report_id)
    return JSONResponse(told.model_dump(exclude_none=True), status, headers)


def busy() -> Response:
    """Not now: the marketplace shall send the same request, with the same key, again."""
    return problem(
        503,
        "busy",
        "This cannot be taken now. Send it again, with the same key.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def failed() -> Response:
    """A mistake of ours, without its details."""
    return problem(500, "failed", "Something went wrong here. Send it again, with the same key.")


@dataclass
class Gate:
    """The door before `app`. It reads the body first, so that what is not allowed in never gets there."""

    key: SecretStr
    app: ASGIApp
    open: int = 0
    held_bytes: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's way in."""
        began, status, notes = time.perf_counter(), 499, scope.setdefault(NOTES, {})

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._let_in(scope, receive, noting)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=getattr(scope.get("route"), "path", "/api{rest:anything}"),
                status=status,
                report_id=notes.get("report_id"),
                ms=round((time.perf_counter() - began) * 1000, 1),
                **({"why": notes["why"]} if "why" in notes else {}),
            )

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if not self._has_key(request):
            refusal = problem(
                401,
                "unauthorized",
                "Show the desk's API key: Authorization: Bearer KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )
            return await refusal(scope, receive, send)
        if self.open >= OPEN_MAX:
            return await busy()(scope, receive, send)
        self.open += 1
        try:
            with self._counting() as count:
                return await self._with_body(request, count, send)
        finally:
            self.open -= 1

    async def _with_body(self, request: Request, count: Callable[[int], None], send: Send) -> None:
        """Reads the body, and hands the request on with it."""
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                body = await body_of(request, BODY_BYTES_MAX, count)
        except TooLarge:
            most = f"{BODY_BYTES_MAX // 1024 // 1024} MiB"
            response = problem(413, "too_large", f"{most} is the most. Send fewer or smaller files.")
        except TimeoutError:
            response = problem(408, "timed_out", "The request did not arrive in time. Send it again.")
        except _Full:
            response = busy()
        except ClientDisconnect:
            return None
        else:
            return await self._handed_on(request, body, send)
        return await response(request.scope, request.receive, send)

    async def _handed_on(self, request: Request, body: bytes, send: Send) -> None:
        unread = [body]

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await request.receive()

        try:
            await self.app(request.scope, receive, send)
        except Exception as error:  # it was answered; raised on for the server's own log
            request.scope[NOTES]["why"] = type(error).__name__
            raise

    def _has_key(self, request: Request) -> bool:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        shown, key = word.strip().encode("latin-1"), self.key.get_secret_value().encode()
        return hmac.compare_digest(shown, key) and scheme.lower() == "bearer"

    @contextmanager
    def _counting(self) -> Iterator[Callable[[int], None]]:
        """Counts the bytes of one request, held until it is answered. The counter raises _Full."""
        held = 0

        def count(size_bytes: int) -> None:
            nonlocal held
            held += size_bytes
            self.held_bytes += size_bytes
            if self.held_bytes > HELD_BYTES_MAX:
                raise _Full

        try:
            yield count
        finally:
            self.held_bytes -= held


def notes_of(request: Request) -> dict[str, Any]:
    """What the request's line of log says besides: report_id, why."""
    notes: dict[str, Any] = request.scope[NOTES]
    return notes
