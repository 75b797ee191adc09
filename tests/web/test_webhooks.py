"""The card processor's webhooks: believed only when signed, answered so that none is lost, nothing told."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from refundlib.config import Settings
from refundlib.domain.errors import DatabaseDown
from refundlib.domain.payout import PayoutNews, PayoutOrder
from refundlib.domain.people import WORKER, Person
from refundlib.payments.stripe import TOLERANCE_SECONDS, StripeProcessor
from refundlib.services.card_refunds import request
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk, Processor
from refundlib.services.payouts import send
from refundlib.ui import desk as ui_desk
from refundlib.web import routes as web
from tests.conftest import Clock, opened_desk
from tests.mail.server import free_port
from tests.market import Market
from tests.stripe_server import KEY, SECRET, StripeServer, stripe_server
from tests.test_launch import below

ROOT = Path(__file__).resolve().parents[2]
STRIPE = "/webhooks/stripe"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WAIT_SECONDS = 20
People = dict[str, Person]
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[StripeServer]:
    """The processor, with the payment of claim a; it keeps refunds pending."""
    with stripe_server() as state:
        state.charge("ch_pay-a", 2500)
        state.next_status = "pending"
        yield state


@pytest.fixture
def desk(desk: Desk, server: StripeServer) -> Desk:
    """A desk whose card processor is the one on loopback."""
    return replace(desk, processor=StripeProcessor(KEY, SECRET, server.address, timeout_seconds=5))


@pytest.fixture
def payout(market: Market, desk: Desk, people: People) -> str:
    """A payout of $25 that was sent and is pending."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    (payout_id,) = request(desk, people["dana"], report).payout_ids
    assert send(desk, WORKER, payout_id) == "pending"
    return payout_id


def change(server: StripeServer, status: str = "succeeded", why: str | None = None) -> dict[str, Any]:
    """What happens to the only refund at the processor; its event."""
    (ref,) = server.refunds
    return server.change(ref, status, why)


def state(market: Market) -> str:
    return str(market.one("SELECT state FROM refunds.payouts"))


def app(desk: Callable[[], Desk]) -> Starlette:
    """Our routes before one that takes every path and method, as Streamlit's do."""

    async def page(_request: Request) -> Response:
        return HTMLResponse("the app's page")

    return Starlette(routes=[*web.routes(desk), Route("/{path:path}", page, methods=METHODS)])


def client(desk: Callable[[], Desk]) -> httpx.AsyncClient:
    """Asks the routes in this process, from another host, without a cookie."""
    transport = httpx.ASGITransport(app(desk), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://desk.example")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in a thread of its own: after a browser's test a loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def ask(desk: Desk | Callable[[], Desk], method: str, path: str, **more: Any) -> httpx.Response:
    """One request."""

    async def asked() -> httpx.Response:
        asking = client((lambda: desk) if isinstance(desk, Desk) else desk)
        async with asyncio.timeout(WAIT_SECONDS), asking:
            return await asking.request(method, path, **more)

    return run(asked())


def post(desk: Desk | Callable[[], Desk], body: bytes, signature: str | bytes) -> httpx.Response:
    """An event, as Stripe sends it."""
    return ask(desk, "POST", STRIPE, content=body, headers={b"stripe-signature": signature})


def told(answer: httpx.Response) -> set[str]:
    """The names in a JSON answer."""
    assert answer.headers["content-type"] == "application/json"
    return set(answer.json())


def test_an_event_brings_the_outcome(desk: Desk, payout: str, market: Market, server: StripeServer) -> None:
    """A signed event: the payout has its outcome, the answer says nothing else, the log one line, no body."""
    with capture_logs() as lines:
        answer = post(desk, *server.signed(change(server)))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert "set-cookie" not in answer.headers
    assert state(market) == "succeeded"
    assert lines == [{"log_level": "info", "event": "event", "outcome": "heard", "payout_id": payout}]


def test_twice_and_out_of_order(desk: Desk, payout: str, market: Market, server: StripeServer) -> None:
    """The last event first, each twice: the payout is what the processor has now, and money moved once."""
    events = [change(server), change(server, "failed", "expired_or_canceled_card")]
    for event in (*reversed(events), *events):
        assert post(desk, *server.signed(event)).status_code == 200
    assert state(market) == "failed"
    assert market.balance("pro-a") == 2500
    assert check(desk)["ok"]


def test_events_of_others(desk: Desk, payout: str, market: Market, server: StripeServer) -> None:
    """A refund made by hand at the processor, or news of something else: received, and nothing is done."""
    server.charge("ch_other", 500)
    _, other = server.create({"charge": "ch_other"}, None)
    change_of_other = server.change(other["id"], "failed")
    del server.refunds[other["id"]]
    for event in (change_of_other, {**change(server), "type": "charge.succeeded"}):
        answer = post(desk, *server.signed(event))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert state(market) == "pending"


@pytest.mark.parametrize("forgery", ["secret", "old", "body", "none", "words", "letters", "bytes"])
def test_forged_events(desk: Desk, payout: str, market: Market, server: StripeServer, forgery: str) -> None:
    """Another secret, an old event played again, a changed body, no signature, nonsense: 400, no belief."""
    body, signature = server.signed(change(server))
    moment = signature.partition(",")[0]
    forged: dict[str, tuple[bytes, str | bytes]] = {
        "secret": server.signed(server.events[-1], secret="whsec_other"),
        "old": server.signed(server.events[-1], at=time.time() - TOLERANCE_SECONDS - 1),
        "body": (body + b" ", signature),
        "none": (body, ""),
        "words": (body, "believe me"),
        "letters": (body, f"{moment},v1=é".encode("latin-1")),
        "bytes": (b"\xff\xfe" + body, signature),
    }
    answer = post(desk, *forged[forgery])
    assert (answer.status_code, told(answer)) == (400, {"error"})
    assert payout not in answer.text
    assert state(market) == "pending"
    assert post(desk, body, signature).status_code == 200


def test_without_a_secret_nobody_is_believed(desk: Desk, owner_desk: Desk, server: StripeServer) -> None:
    """No secret, or no processor at all: 400, even for what is signed with an empty secret."""
    body, signature = server.signed({"object": "event", "type": "refund.updated"}, secret="")
    for deaf in (replace(desk, processor=StripeProcessor(KEY, "", server.address)), owner_desk):
        answer = post(deaf, body, signature)
        assert (answer.status_code, told(answer)) == (400, {"error"})
        assert "REFUNDS_" not in answer.text


def sized(server: StripeServer, size_bytes: int) -> tuple[bytes, str]:
    """A signed event of exactly this size."""
    event = change(server)
    bare, _ = server.signed({**event, "more": ""})
    return server.signed({**event, "more": "x" * (size_bytes - len(bare))})


def test_too_large(desk: Desk, payout: str, market: Market, server: StripeServer) -> None:
    """Above 256 KiB: 413, though it is signed; of exactly that size it is heard."""
    answer = post(desk, *sized(server, web.EVENT_BYTES_MAX + 1))
    assert (answer.status_code, told(answer)) == (413, {"error"})
    assert state(market) == "pending"
    assert post(desk, *sized(server, web.EVENT_BYTES_MAX)).status_code == 200
    assert state(market) == "succeeded"


@pytest.mark.parametrize("says_so", [False, True])
def test_too_large_is_not_read(desk: Desk, *, says_so: bool) -> None:
    """A body that says it is too large is not read at all; one that does not, up to the limit."""
    chunk, read = b" " * 64 * 1024, 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100 * web.EVENT_BYTES_MAX:
            read += len(chunk)
            yield chunk

    headers = {"content-length": str(100 * web.EVENT_BYTES_MAX)} if says_so else {}
    answer = ask(desk, "POST", STRIPE, content=endless(), headers=headers)
    assert (answer.status_code, told(answer)) == (413, {"error"})
    assert read <= (0 if says_so else web.EVENT_BYTES_MAX + len(chunk))


def test_a_body_that_does_not_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins a message and leaves it is not waited for."""
    monkeypatch.setattr(web, "EVENT_SECONDS_MAX", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = ask(desk, "POST", STRIPE, content=stalled())
    assert (answer.status_code, told(answer)) == (408, {"error"})


@pytest.mark.parametrize("method", METHODS)
def test_methods_and_addresses(desk: Desk, method: str) -> None:
    """Other methods are refused and wrong addresses not there; the app's page would say 200 to all."""
    answers = {path: ask(desk, method, path) for path in (STRIPE, "/healthz")}
    if method != "POST":
        assert (answers[STRIPE].status_code, answers[STRIPE].headers["allow"]) == (405, "POST")
    if method not in ("GET", "HEAD"):
        assert (answers["/healthz"].status_code, answers["/healthz"].headers["allow"]) == (405, "GET, HEAD")
    for path in ("/webhooks", "/webhooks/", f"{STRIPE}/", f"{STRIPE}/x", "/webhooks/payouts"):
        answer = ask(desk, method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert ask(desk, method, "/queue").status_code == 200


def test_database_down(
    desk: Desk, payout: str, market: Market, server: StripeServer, clock: Clock, settings: Settings
) -> None:
    """No database: 503, so that the event is sent again; then it is heard. /healthz says the same."""
    signed = server.signed(change(server))
    nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    with opened_desk(nowhere, clock, settings) as opened:
        lost = replace(opened, processor=desk.processor)
        answer, health = post(lost, *signed), ask(lost, "GET", "/healthz")
    assert (answer.status_code, told(answer)) == (503, {"error"})
    assert "127.0.0.1" not in answer.text
    assert (health.status_code, health.json()) == (503, {"ok": False})
    assert post(desk, *signed).status_code == 200
    assert state(market) == "succeeded"
    health = ask(desk, "GET", "/healthz")
    assert (health.status_code, health.json()) == (200, {"ok": True})


def test_words_of_the_processor_we_do_not_know(desk: Desk, payout: str, server: StripeServer) -> None:
    """A state of a refund that means nothing here: 503, it is to come again."""
    answer = post(desk, *server.signed(change(server, "on_hold")))
    assert (answer.status_code, told(answer)) == (503, {"error"})
    assert "re_" not in answer.text


@dataclass
class Holding:
    """A processor that says what it has of an order when it is let go, or fails by a mistake of ours."""

    real: Processor
    mistake: Exception | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    is_set = True

    def read_event(self, body: bytes, signature: str) -> PayoutNews | None:
        """As the real one."""
        return self.real.read_event(body, signature)

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        """As the real one, but later."""
        if self.mistake:
            raise self.mistake
        self.asked.set()
        assert self.let_go.wait(WAIT_SECONDS)
        return self.real.look_up(order, processor_ref)

    def submit(self, order: PayoutOrder) -> PayoutNews:
        """Never asked for here."""
        raise NotImplementedError


def test_a_mistake_of_ours_is_not_shown(desk: Desk, payout: str, server: StripeServer) -> None:
    """An error nobody thought of: 500, so that the event comes again, and none of its words."""
    wrong = replace(desk, processor=Holding(desk.processor, RuntimeError(f"{payout} went wrong")))
    answer = post(wrong, *server.signed(change(server)))
    assert (answer.status_code, told(answer)) == (500, {"error"})
    assert payout not in answer.text


def test_a_slow_processor_holds_nobody_up(
    desk: Desk, payout: str, market: Market, server: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an event waits for the processor others are answered, and events beyond the limit put off."""
    monkeypatch.setattr(web, "OPEN_MAX", 1)
    holding = Holding(desk.processor)
    body, signature = server.signed(change(server))

    async def meanwhile() -> None:
        async with client(lambda: replace(desk, processor=holding)) as asking:

            async def event() -> httpx.Response:
                return await asking.post(STRIPE, content=body, headers={"stripe-signature": signature})

            first = asyncio.create_task(event())
            assert await asyncio.to_thread(holding.asked.wait, WAIT_SECONDS)
            assert (await asking.get("/healthz")).status_code == 200
            assert (await event()).status_code == 503
            assert not first.done()
            holding.let_go.set()
            assert (await first).status_code == 200
            assert (await event()).status_code == 200

    run(meanwhile())
    assert state(market) == "succeeded"


def test_one_desk_for_pages_and_routes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened once for many at a time, and for the pages too; anew after a refusal, and when cleared."""
    opened: list[bool] = []

    def open_it() -> Desk:
        opened.append(True)
        if len(opened) == 1:
            raise DatabaseDown("It is not there yet.")
        return desk

    async def many() -> list[int]:
        async with client(ui_desk.desk) as asking:
            answers = await asyncio.gather(*(asking.get("/healthz") for _ in range(8)))
        return [answer.status_code for answer in answers]

    monkeypatch.setattr(ui_desk, "open_desk_for_app", open_it)
    ui_desk.desk.clear()
    assert ask(ui_desk.desk, "GET", "/healthz").status_code == 503
    assert run(many()) == [200] * 8
    assert ui_desk.desk() is desk
    assert len(opened) == 2
    ui_desk.desk.clear()
    assert run(many()) == [200] * 8
    assert len(opened) == 3
    ui_desk.desk.clear()


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """The address of the real app, freshly started; ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port=0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        # It listens when it says so: whoever connects is answered as soon as it can.
        address = next((line.split()[-1] for line in process.stdout if " URL: " in line), None)
        assert address, f"the app ended with {process.wait()} before it said its address"
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)


@pytest.fixture
def served(database_url: str, server: StripeServer, tmp_path: Path) -> Iterator[str]:
    """The address of the real app on the test's database and processor."""
    with serving(
        REFUNDS_DATABASE_URL=database_url,
        REFUNDS_HOME=str(tmp_path),
        REFUNDS_STRIPE_KEY=KEY,
        REFUNDS_STRIPE_WEBHOOK_SECRET=SECRET,
        REFUNDS_STRIPE_URL=server.address,
    ) as address:
        yield address


@pytest.mark.process
def test_the_served_app_hears_before_anybody_came(
    payout: str, market: Market, server: StripeServer, served: str
) -> None:
    """The real server, no page ever opened, under another name: the event is heard, and nothing else told."""
    body, signature = server.signed(change(server))
    with httpx.Client(base_url=served, headers={"host": "desk.example"}, timeout=WAIT_SECONDS) as asking:
        forged = asking.post(STRIPE, content=body, headers={"stripe-signature": f"{signature}0"})
        assert (forged.status_code, told(forged), state(market)) == (400, {"error"}, "pending")
        heard = asking.post(STRIPE, content=body, headers={"stripe-signature": signature})
        assert (heard.status_code, heard.json()) == (200, {"received": True})
        assert "set-cookie" not in heard.headers
        assert state(market) == "succeeded"
        assert asking.get(STRIPE).status_code == 405
        for path in ("/webhooks", f"{STRIPE}/", "/webhooks/payouts"):
            nothing = asking.get(path)
            assert (nothing.status_code, told(nothing)) == (404, {"error"})
        health = asking.get("/healthz")
        assert (health.status_code, health.json()) == (200, {"ok": True})
        assert asking.get("/_stcore/health").text == "ok"
        assert "<title>" in asking.get("/queue").text


@pytest.mark.process
def test_sigterm_stops_the_embedded_database() -> None:
    """The app alone, on an embedded database a route was the first to open: its end is the database's end."""
    with tempfile.TemporaryDirectory(prefix="refund-desk-web-") as folder:
        Path(folder).chmod(0o755)  # the database's user must get there
        home = Path(folder) / "home"
        with serving(REFUNDS_HOME=str(home), REFUNDS_DATABASE_URL="") as address:
            assert httpx.get(f"{address}/healthz", timeout=60).json() == {"ok": True}
            assert below(home) != []
        assert below(home) == []
