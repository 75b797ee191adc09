"""The card processor's webhooks, whether the desk is well, and the way to the marketplace's routes.

Streamlit's routes come after these and answer any path and method with the app's page, status 200. So
an address here answers every method itself, and a wrong one under /webhooks or /api is told that it is wrong.
"""

import asyncio
from typing import Final

import structlog
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from refundlib.domain.errors import ForgedEvent, Refusal
from refundlib.services.payouts import hear
from refundlib.web.doors import Door, OpenDesk, TooLarge, body_of, later, no

EVENT_BYTES_MAX: Final = 256 * 1024
EVENT_SECONDS_MAX: Final = 10.0
# Requests at an address at once: more are sent away, so that whoever may write to us cannot fill the memory.
OPEN_MAX: Final = 64
# Of the server's threads. The app's own files are read on them too, and an event may wait for the processor.
EVENT_THREADS_MAX: Final = 4
PROBE_THREADS_MAX: Final = 2

log = structlog.get_logger("web")


def routes(desk: OpenDesk, api_key: SecretStr | None = None) -> list[Route]:
    """The routes beside the app. desk() gives the one desk of this process, or raises a Refusal for now.

    api_key: what the marketplace shows at /api; without it there is nothing at that address.
    """
    event_threads = asyncio.Semaphore(EVENT_THREADS_MAX)
    probe_threads = asyncio.Semaphore(PROBE_THREADS_MAX)

    async def stripe(request: Request) -> Response:
        try:
            async with asyncio.timeout(EVENT_SECONDS_MAX):
                body = await body_of(request, EVENT_BYTES_MAX)
        except TooLarge:
            log.warning("event", outcome="too large")
            return no(413, "This message is too large.")
        except (TimeoutError, ClientDisconnect):
            log.warning("event", outcome="broken off")
            return no(408, "The message did not arrive in time.")
        signature = request.headers.get("stripe-signature", "")
        async with event_threads:
            return await run_in_threadpool(_heard, desk, body, signature)

    async def healthz(_request: Request) -> Response:
        async with probe_threads:
            return await run_in_threadpool(_health, desk)

    nowhere = Door((), _nothing_here, OPEN_MAX)
    return [
        Route("/webhooks/stripe", Door(("POST",), stripe, OPEN_MAX)),
        Route("/webhooks{rest:anything}", nowhere),
        Route("/healthz", Door(("GET", "HEAD"), healthz, OPEN_MAX)),
        Route("/api{rest:anything}", nowhere if api_key is None else _marketplace(desk, api_key)),
    ]


def _marketplace(desk: OpenDesk, api_key: SecretStr) -> ASGIApp:
    # Read here: FastAPI takes a fifth of a second, which a desk without a key does not pay at its start.
    from refundlib.web.api import api
    from refundlib.web.api_gate import Gate

    return Gate(api_key, api(desk))


async def _nothing_here(_request: Request) -> Response:
    return no(404, "There is nothing at this address.")


def _heard(desk: OpenDesk, body: bytes, signature: str) -> Response:
    """What is answered to an event. Any refusal but a forged one is ours: the sender shall try again."""
    try:
        # The header is anybody's: the comparison of signatures cannot take letters beyond ASCII.
        payout_id = hear(desk(), body, signature if signature.isascii() else "")
    except ForgedEvent as refusal:
        log.warning("event", outcome="forged", why=str(refusal))
        return no(400, "This message is not signed with our secret.")
    except Refusal as refusal:
        log.warning("event", outcome="put off", why=str(refusal))
        return later()
    log.info("event", outcome="heard" if payout_id else "not ours", payout_id=payout_id)
    return JSONResponse({"received": True})


def _health(desk: OpenDesk) -> Response:
    """Whether the database answers."""
    try:
        with desk().reading() as conn:
            conn.exec_driver_sql("SELECT 1")
    except Exception as error:  # whatever it is, the desk is not well
        log.warning("not well", why=type(error).__name__)
        return JSONResponse({"ok": False}, 503)
    return JSONResponse({"ok": True})
