"""The card processor's webhooks, and whether the desk is well.

Streamlit's routes come after these and answer any path and method with the app's page, status 200. So
an address here answers every method itself, and a wrong one under /webhooks is told that it is wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from refundlib.domain.errors import ForgedEvent, Refusal
from refundlib.services.desk import Desk
from refundlib.services.payouts import hear

EVENT_BYTES_MAX: Final = 256 * 1024
EVENT_SECONDS_MAX: Final = 10.0
# Requests at an address at once: more are sent away, so that whoever may write to us cannot fill the memory.
OPEN_MAX: Final = 64
# Of the server's threads. The app's own files are read on them too, and an event may wait for the processor.
EVENT_THREADS_MAX: Final = 4
PROBE_THREADS_MAX: Final = 2

log = structlog.get_logger("web")

OpenDesk = Callable[[], Desk]
Answer = Callable[[Request], Awaitable[Response]]


class _TooLarge(Exception):  # noqa: N818 - an answer, not a programming error
    """The body is larger than EVENT_BYTES_MAX."""


def routes(desk: OpenDesk) -> list[Route]:
    """The routes beside the app. desk() gives the one desk of this process, or raises a Refusal for now."""
    event_threads = asyncio.Semaphore(EVENT_THREADS_MAX)
    probe_threads = asyncio.Semaphore(PROBE_THREADS_MAX)

    async def stripe(request: Request) -> Response:
        try:
            async with asyncio.timeout(EVENT_SECONDS_MAX):
                body = await _body(request)
        except _TooLarge:
            log.warning("event", outcome="too large")
            return _no(413, "This message is too large.")
        except (TimeoutError, ClientDisconnect):
            log.warning("event", outcome="broken off")
            return _no(408, "The message did not arrive in time.")
        signature = request.headers.get("stripe-signature", "")
        async with event_threads:
            return await run_in_threadpool(_heard, desk, body, signature)

    async def healthz(_request: Request) -> Response:
        async with probe_threads:
            return await run_in_threadpool(_health, desk)

    async def nowhere(_request: Request) -> Response:
        return _no(404, "There is nothing at this address.")

    return [
        Route("/webhooks/stripe", _Door(("POST",), stripe)),
        Route("/webhooks{rest:path}", _Door((), nowhere)),
        Route("/healthz", _Door(("GET", "HEAD"), healthz)),
    ]


@dataclass
class _Door:
    """One address: the methods it takes (none named: all), OPEN_MAX requests at once. It says JSON only."""

    methods: tuple[str, ...]
    answer: Answer
    open: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's way in."""
        if self.methods and scope["method"] not in self.methods:
            response = _no(405, "This address takes another method.", Allow=", ".join(self.methods))
        elif self.open >= OPEN_MAX:
            log.warning("turned away", path=scope["path"])
            response = _later()
        else:
            self.open += 1
            try:
                response = await self.answer(Request(scope, receive))
            except Exception as error:
                log.error("failed", path=scope["path"], why=type(error).__name__)
                await _no(500, "Something went wrong here. Send it again.")(scope, receive, send)
                raise  # for the server's log; our own would write the values of variables beside it
            finally:
                self.open -= 1
        await response(scope, receive, send)


def _heard(desk: OpenDesk, body: bytes, signature: str) -> Response:
    """What is answered to an event. Any refusal but a forged one is ours: the sender shall try again."""
    try:
        # The header is anybody's: the comparison of signatures cannot take letters beyond ASCII.
        payout_id = hear(desk(), body, signature if signature.isascii() else "")
    except ForgedEvent as refusal:
        log.warning("event", outcome="forged", why=str(refusal))
        return _no(400, "This message is not signed with our secret.")
    except Refusal as refusal:
        log.warning("event", outcome="put off", why=str(refusal))
        return _later()
    log.info("event", outcome="heard" if payout_id else "not ours", payout_id=payout_id)
    return JSONResponse({"received": True})


async def _body(request: Request) -> bytes:
    """The request's body; _TooLarge as soon as it is known to be, and no more of it is read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > EVENT_BYTES_MAX:
        raise _TooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > EVENT_BYTES_MAX:
            raise _TooLarge
    return bytes(body)


def _health(desk: OpenDesk) -> Response:
    """Whether the database answers."""
    try:
        with desk().reading() as conn:
            conn.exec_driver_sql("SELECT 1")
    except Exception as error:  # whatever it is, the desk is not well
        log.warning("not well", why=type(error).__name__)
        return JSONResponse({"ok": False}, 503)
    return JSONResponse({"ok": True})


def _later() -> Response:
    return _no(503, "This cannot be taken now. Send it again.")


def _no(status: int, sentence: str, **headers: str) -> Response:
    return JSONResponse({"error": sentence}, status, headers)
