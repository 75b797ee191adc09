"""The marketplace's routes: who is let in, what is filed, once a key, and the sentence for what is not."""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, get_args

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from refundlib.config import Settings, read_settings
from refundlib.domain.claim import REASONS
from refundlib.domain.errors import BadFigure, MigrationBehind
from refundlib.domain.people import Person
from refundlib.services import triage
from refundlib.services.answers import ANSWER_CHARACTERS_MAX
from refundlib.services.checking import check
from refundlib.services.claims import claim
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.files import attachment
from refundlib.services.intake import DETAILS_CHARACTERS_MAX
from refundlib.services.marketplace_feed import post_new
from refundlib.web import api, api_gate
from refundlib.web.api_models import Code, Reason
from refundlib.web.routes import routes
from tests.conftest import Clock, opened_desk
from tests.mail.server import free_port
from tests.market import Market
from tests.web.test_webhooks import METHODS, WAIT_SECONDS, run, serving

KEY = "a-key-of-the-marketplace-0123456789"
REPORTS, CHECK, REASONS_PATH = "/api/reports", "/api/reports/check", "/api/reasons"
People = dict[str, Person]
OpenDesk = Callable[[], Desk]


def picture(colour: str = "red") -> bytes:
    """A small PNG."""
    out = BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def attached(name: str, content: bytes) -> dict[str, str]:
    """A file as it is sent."""
    return {"name": name, "content": base64.b64encode(content).decode()}


@dataclass
class Product:
    """The marketplace's product: asks the routes of a desk, before those of an app that takes every path."""

    desk: OpenDesk
    key: str | None = KEY
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    def client(self) -> httpx.AsyncClient:
        """A client of the routes in this process."""

        async def page(_request: Request) -> Response:
            return HTMLResponse("the app's page")

        ours = routes(self.desk, None if self.key is None else SecretStr(self.key))
        app = Starlette(routes=[*ours, Route("/{path:path}", page, methods=METHODS)])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://desk.example", headers=self.headers)

    def ask(self, method: str, path: str, *, request_key: str | None = None, **more: Any) -> httpx.Response:
        """One request."""
        if request_key is not None:
            more["headers"] = {**more.get("headers", {}), "Idempotency-Key": request_key}

        async def asked() -> httpx.Response:
            async with asyncio.timeout(WAIT_SECONDS), self.client() as asking:
                return await asking.request(method, path, **more)

        return run(asked())

    def file(self, asked: dict[str, Any], request_key: str = "k") -> httpx.Response:
        """Files a report."""
        return self.ask("POST", REPORTS, request_key=request_key, json=asked)

    def check(self, asked: dict[str, Any]) -> httpx.Response:
        """What a report would be."""
        return self.ask("POST", CHECK, json=asked)

    def see(self, report_id: str, pro_id: str = "pro-a") -> httpx.Response:
        """How a report stands."""
        return self.ask("GET", f"{REPORTS}/{report_id}", params={"pro_id": pro_id})

    def answer(self, report_id: str, request_key: str = "k", **more: Any) -> httpx.Response:
        """Answers for pro-a."""
        asked = {"pro_id": "pro-a", "body": "Here it is.", **more}
        return self.ask("POST", f"{REPORTS}/{report_id}/answers", request_key=request_key, json=asked)


@pytest.fixture
def product(desk: Desk) -> Product:
    return Product(lambda: desk)


def charged(market: Market, name: str = "a", *, amount: int = 2500) -> dict[str, Any]:
    """A charge whose customer's first answer was a clear no; the request that reports it."""
    pro, lead = market.pro(f"pro-{name}"), market.lead(f"lead-{name}")
    market.pay(f"pay-{name}", pro, amount)
    market.charge(f"charge-{name}", lead, pro, amount)
    market.say(f"m1-{name}", lead, pro, "pro", "Hi! I can do it for $240.")
    market.say(f"m2-{name}", lead, pro, "customer", "No thanks")
    return {"pro_id": pro, "charge_id": f"charge-{name}", "reason": "clear_no"}


def many_charged(market: Market, number: int) -> list[str]:
    """Charges of pro-m, each of a lead of its own whose customer's first answer was a clear no; their ids."""
    market.pro("pro-m")
    market.pay("pay-m", "pro-m", 2500 * number)
    values: dict[str, Any] = {"n": number, "now": market.desk.clock()}
    for table, columns in {
        "customers": "'c-m' || i, 'Cal Customer', 'cal@customers.example', '+1 650-253-0000'",
        "leads": "'lead-m' || i, 'opportunity', 'c-m' || i, 'plumbing', '10001', 'Leak under the sink', :now",
        "charges (charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with)": (
            "'charge-m' || i, 'lead-m' || i, 'pro-m', 2500, 'USD', :now, 'balance'"
        ),
        "messages (message_id, lead_id, pro_id, sender, body, sent_at)": (
            "'m-' || i || s, 'lead-m' || i, 'pro-m', s, b, :now"
        ),
    }.items():
        said = "(VALUES ('pro', 'Hi! I can do it.'), ('customer', 'No thanks')) AS said (s, b)"
        more = f" CROSS JOIN {said}" if table.startswith("messages") else ""
        market.write(
            f"INSERT INTO marketplace.{table} SELECT {columns} FROM generate_series(0, :n - 1) i{more}",
            **values,
        )
    while post_new(market.desk).more:
        pass
    return [f"charge-m{i}" for i in range(number)]


def count(market: Market, table: str) -> int:
    return int(market.one(f"SELECT count(*) FROM refunds.{table}"))


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The sentence of a refusal with this status and code."""
    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert set(answer.json()) <= {"code", "sentence", "report_id"}
    return str(answer.json()["sentence"])


# -- what is done -----------------------------------------------------------------------------------


def test_a_report_is_filed_and_seen(product: Product, market: Market, desk: Desk) -> None:
    """201 with the report as the pro sees it and where it is; the same there, and the books are whole."""
    answer = product.file(charged(market))
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert report == {
        "report_id": "R-1001",
        "charge_id": "charge-a",
        "lead_id": "lead-a",
        "pro_id": "pro-a",
        "pro_name": "Pro-A Services",
        "category": "plumbing",
        "kind": "opportunity",
        "reason": "clear_no",
        "state": "open",
        "headline": "We are looking at your report.",
        "reported_at": "2026-03-20T12:00:00Z",
        "charged_at": "2026-03-20T12:00:00Z",
        "charge_minor": 2500,
        "currency": "USD",
        "decide_by": "2026-03-22T12:00:00Z",
        "question": None,
        "decisions": [],
        "credit": None,
        "card_refunds": [],
        "may_appeal": False,
    }
    assert answer.headers["location"] == "/api/reports/R-1001?pro_id=pro-a"
    seen = product.ask("GET", answer.headers["location"])
    assert (seen.status_code, seen.json()) == (200, report)
    assert market.one("SELECT filed_by FROM refunds.reports") == "marketplace"
    assert check(desk)["ok"]


def test_the_checklist_before(product: Product, market: Market) -> None:
    """The eight checks, what they advise, both times; and nothing is written."""
    answer = product.check(charged(market))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["may_file"], said["why_not"], said["recommendation"]) == (True, None, "approve")
    assert [each["status"] for each in said["checks"]] == ["pass"] * 4 + ["not_applicable"] * 3 + ["pass"]
    assert said["checks"][7]["clause"] == "N1"
    assert said["headline"]
    assert said["report_until"] == "2026-04-19T12:00:00Z"
    assert said["decide_by"] == "2026-03-22T12:00:00Z"
    assert [count(market, table) for table in ("reports", "filed_requests", "files")] == [0, 0, 0]


def test_a_decided_report(product: Product, market: Market, desk: Desk, people: People) -> None:
    """Approved: the decision with its clause, the credit in minor units, what may go to the card."""
    product.file(charged(market))
    decide(desk, people["dana"], "R-1001", "approve", idempotency_key="d")
    seen = product.see("R-1001").json()
    assert (seen["state"], seen["headline"]) == ("approved", "Approved: $25.00 went to your balance.")
    (decided,) = seen["decisions"]
    assert (decided["decision"], decided["amount_minor"], decided["clause"]) == ("approve", 2500, "N1")
    assert seen["credit"]["card_most_minor"] == 2500
    assert seen["credit"]["card_until"] == "2026-04-03T12:00:00Z"


def test_what_a_reason_needs_gets_there(product: Product, market: Market) -> None:
    """The new zip, the new category, the number and the words are the claim's."""
    said = {
        "reason": "job_changed",
        "details": "It is in Boston now — “far”.",
        "changed_zip": "02134",
        "changed_category": "roofing",
        "number_tried": "+1 617 555 0123",
    }
    assert product.file({**charged(market), **said}).status_code == 201
    for name, value in said.items():
        assert market.one(f"SELECT {name} FROM refunds.reports") == value


def test_reasons_in_words(product: Product) -> None:
    """Every reason with its clause, its words, and the fields that say more; the schema knows the same."""
    reasons = product.ask("GET", REASONS_PATH).json()["reasons"]
    assert {each["reason"] for each in reasons} == set(REASONS) == set(get_args(Reason))
    by_name = {each["reason"]: each for each in reasons}
    assert by_name["job_changed"]["fields"] == ["changed_zip", "changed_category", "details"]
    assert (by_name["clear_no"]["clause"], by_name["clear_no"]["fields"]) == ("N1", [])
    assert all(each["title"] and each["qualifies"] and each["does_not"] for each in reasons)


def test_files_land(product: Product, market: Market, desk: Desk, people: People) -> None:
    """Files come with a report and with an answer; the same one twice is kept once; all can be read."""
    files = [attached("chat", picture()), attached("again.png", picture())]
    assert product.file({**charged(market), "attachments": files}).status_code == 201
    pdf = b"%PDF-1.4 an invoice"
    assert product.answer("R-1001", attachments=[attached("invoice.PDF", pdf)]).status_code == 200
    rows = claim(desk, people["dana"], "R-1001").attachments
    assert [row["name"] for row in rows] == ["chat.png", "invoice.PDF"]
    read = [attachment(desk, people["dana"], "R-1001", row["sha256"]).content for row in rows]
    assert read == [picture(), pdf]


def test_an_answer_ends_the_pause(
    product: Product, market: Market, desk: Desk, clock: Clock, people: People
) -> None:
    """Asked at five hours, answered three later: open again, the deadline three hours on; kept once a key."""
    product.file(charged(market))
    clock.advance(timedelta(hours=5))
    triage.ask_pro(desk, people["dana"], "R-1001", "Which number did you call?")
    waiting = product.see("R-1001").json()
    assert (waiting["state"], waiting["question"]) == ("waiting_on_pro", "Which number did you call?")
    assert waiting["decide_by"] is None
    clock.advance(timedelta(hours=3))
    for _ in range(2):
        answered = product.answer("R-1001", "once", body=" The one on the lead. ")
        assert answered.status_code == 200, answered.text
        assert answered.json()["state"] == "open"
        assert answered.json()["decide_by"] == "2026-03-22T15:00:00Z"
    assert market.one("SELECT body FROM refunds.answers") == "The one on the lead."


# -- once -------------------------------------------------------------------------------------------


def test_the_same_key_files_once(product: Product, market: Market) -> None:
    """Again with its key, defaults written out, later and after the deadline: 200, the same report."""
    asked = charged(market)
    first = product.file(asked)
    again = product.file({**asked, "details": "", "changed_zip": None, "attachments": []})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert count(market, "reports") == 1


def test_a_key_is_of_one_request(product: Product, market: Market) -> None:
    """The key with another body, another charge, for another answer: key_used, nothing done."""
    asked, other = charged(market), charged(market, "b")
    product.file(asked)
    for wrong in ({**asked, "details": "More."}, other):
        assert "Use a new one" in refused(product.file(wrong), 422, "key_used")
    product.answer("R-1001", "x")
    assert "Use a new one" in refused(product.answer("R-1001", "x", body="Another."), 422, "key_used")
    assert [count(market, table) for table in ("reports", "answers")] == [1, 1]


def test_many_at_once_with_one_key(product: Product, market: Market) -> None:
    """Eight at the same moment: one files, all are told of the same report."""
    asked = charged(market)
    gate = threading.Barrier(8)

    def send() -> httpx.Response:
        gate.wait(WAIT_SECONDS)
        return product.file(asked, "same")

    with ThreadPoolExecutor(8) as pool:
        answers = [each.result() for each in [pool.submit(send) for _ in range(8)]]
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert count(market, "reports") == 1


def test_many_at_once_with_keys_of_their_own(product: Product, market: Market) -> None:
    """Eight reports of one charge at the same moment: one is filed, the others are told which."""
    asked = charged(market)
    gate = threading.Barrier(8)

    def send(number: int) -> httpx.Response:
        gate.wait(WAIT_SECONDS)
        return product.file(asked, f"key-{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    (filed,) = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer is not filed:
            refused(answer, 409, "reported_before")
            assert answer.json()["report_id"] == filed.json()["report_id"]
    assert count(market, "reports") == 1


# -- what is refused, and its sentence --------------------------------------------------------------


def test_a_charge_not_known_here(product: Product, market: Market) -> None:
    """Foreign: 404 from the check and from filing."""
    asked = {**charged(market), "charge_id": "elsewhere-7"}
    for answer in (product.check(asked), product.file(asked)):
        assert refused(answer, 404, "not_found").startswith("There is no charge 'elsewhere-7' here")
    assert "R-9" in refused(product.see("R-9"), 404, "not_found")
    assert "R-9" in refused(product.answer("R-9"), 404, "not_found")


def test_anothers(product: Product, market: Market) -> None:
    """Another pro's charge or report: 403, nothing told of it."""
    asked, other = charged(market), charged(market, "b")["pro_id"]
    for answer in (product.check({**asked, "pro_id": other}), product.file({**asked, "pro_id": other})):
        assert refused(answer, 403, "not_yours") == "Charge charge-a is another pro’s."
    product.file(asked)
    for answer in (product.see("R-1001", other), product.answer("R-1001", pro_id=other)):
        assert refused(answer, 403, "not_yours") == "Report R-1001 is another pro’s."
    assert count(market, "answers") == 0


def test_doubled(product: Product, market: Market) -> None:
    """While a report is to be decided: 409 with its id; the check says so too, with its checks."""
    asked = charged(market)
    product.file(asked)
    answer = product.file(asked, "another-key")
    assert "R-1001 is still to be decided" in refused(answer, 409, "reported_before")
    assert answer.json()["report_id"] == "R-1001"
    said = product.check(asked).json()
    assert (said["may_file"], said["why_not"]) == (False, answer.json())
    assert len(said["checks"]) == 8


def test_refunded(product: Product, market: Market, desk: Desk, people: People) -> None:
    """After a refund: 409 with the report it was given on."""
    asked = charged(market)
    product.file(asked)
    decide(desk, people["dana"], "R-1001", "approve", idempotency_key="d")
    answer = product.file(asked, "k2")
    assert "refunded before: $25.00 on report R-1001" in refused(answer, 409, "refunded_before")
    assert answer.json()["report_id"] == "R-1001"
    assert product.check(asked).json()["why_not"] == answer.json()


def test_late(product: Product, market: Market, clock: Clock) -> None:
    """Exactly thirty days are within; a second more is told until when it was possible."""
    asked = charged(market)
    clock.advance(timedelta(days=30))
    assert product.check(asked).json()["may_file"]
    clock.advance(timedelta(seconds=1))
    answer = product.file(asked)
    assert "until 19 April 2026, 12:00 UTC, 30 days after" in refused(answer, 422, "too_late")
    assert product.check(asked).json()["why_not"] == {**answer.json(), "report_id": None}
    assert count(market, "reports") == 0


def test_an_answer_that_comes_too_late(product: Product, market: Market, desk: Desk, people: People) -> None:
    """After the decision: 409."""
    product.file(charged(market))
    decide(desk, people["dana"], "R-1001", "deny", idempotency_key="d", reason="It is not so.")
    assert "is denied" in refused(product.answer("R-1001"), 409, "wrong_state")


BAD_FILES = {
    "words": (attached("a.png", b"hello"), "is no PDF, JPEG or PNG"),
    "torn": (attached("a.png", picture()[:40]), "broken picture"),
    "empty": (attached("a.png", b""), "a.png is empty"),
    "not base64": ({"name": "a.png", "content": "%%%"}, "a.png is not in base64"),
    "letters": ({"name": "\u202ea.png", "content": "é"}, "is not in base64"),
    "large": (attached("a.pdf", b"%PDF-" + b" " * 10 * 1024 * 1024), "10.0 MB is the most"),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_bad_files(product: Product, market: Market, bad: str) -> None:
    """A file that is not taken: said which and why, and nothing is filed."""
    sent, words = BAD_FILES[bad]
    answer = product.file({**charged(market), "attachments": [attached("ok.png", picture()), sent]})
    assert words in refused(answer, 422, "bad_file")
    assert count(market, "reports") == 0
    assert count(market, "files") == 0


ELEVEN = [attached(f"{number}.png", picture()) for number in range(11)]
BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"charge_id": ...}, "charge_id is missing"),
    "null": ({"pro_id": None}, "pro_id must be a text"),
    "number": ({"charge_id": 7}, "charge_id must be a text"),
    "nul": ({"details": "a\x00b"}, "details is empty, or has signs that cannot be kept"),
    "half": ({"details": "\ud83d"}, "details has half a character in it"),
    "long": ({"details": "x" * (DETAILS_CHARACTERS_MAX + 1)}, "details can have at most 10000 characters"),
    "zip": ({"changed_zip": "1" * 101}, "changed_zip can have at most 100 characters"),
    "empty": ({"pro_id": ""}, "pro_id must have 1 or more characters"),
    "reason": ({"reason": "rude"}, "reason must be one of 'job_changed', 'terms_violation'"),
    "misspelt": ({"detials": "SECRET"}, "detials is not known here"),
    "half a name": ({"\ud83d": 1}, "The body has half a character in it"),
    "long name": ({"\n\u202e" + "x" * 200: 1}, "??" + "x" * 58 + "… is not known here"),
    "eleven": ({"attachments": ELEVEN}, "attachments can have at most 10 entries"),
    "no name": ({"attachments": [{"content": ""}]}, "attachments.0.name is missing"),
}


@pytest.mark.parametrize("bad", BAD_FIELDS)
def test_bad_fields(product: Product, market: Market, bad: str) -> None:
    """One sentence that names the field and never gives the value back."""
    change, words = BAD_FIELDS[bad]
    asked = {name: value for name, value in {**charged(market), **change}.items() if value is not ...}
    sentence = refused(
        product.ask(
            "POST",
            REPORTS,
            request_key="k",
            content=json.dumps(asked),
            headers={"content-type": "application/json"},
        ),
        422,
        "bad_request",
    )
    assert sentence.startswith(words)
    assert sentence.endswith(". Correct it, then send it again.")
    assert "SECRET" not in sentence
    assert len(sentence) < 300
    assert count(market, "reports") == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"\xff\xfe{", b"[" * 100_000, b"9" * 10_000, b'{"a": NaN}', b"null"]
)
def test_no_json(product: Product, body: bytes) -> None:
    """No JSON object, by its type or by its content: one sentence."""
    for kind in ("application/json", "text/plain"):
        answer = product.ask("POST", CHECK, content=body, headers={"content-type": kind})
        assert refused(answer, 422, "bad_request").endswith("then send it again.")


@pytest.mark.parametrize("request_key", [None, "", "x" * 201, "two words", "né", "\x7f"])
def test_bad_keys(product: Product, market: Market, request_key: str | None) -> None:
    """Without an idempotency key, or with one that cannot be one, nothing is filed."""
    headers = {} if request_key is None else {b"Idempotency-Key": request_key.encode("latin-1")}
    answer = product.ask("POST", REPORTS, json=charged(market), headers=headers)
    assert refused(answer, 422, "bad_request").startswith("The header Idempotency-Key")
    assert count(market, "reports") == 0
    assert product.file(charged(market, "b"), "x" * 200).status_code == 201


@pytest.mark.parametrize("body", [" \n\t ", "\x1f", "\x85", "x" * (ANSWER_CHARACTERS_MAX + 1)])
def test_bad_answers(product: Product, market: Market, body: str) -> None:
    """Nothing but blanks, or too much: refused by the schema."""
    product.file(charged(market))
    assert refused(product.answer("R-1001", body=body), 422, "bad_request").startswith("body ")


@pytest.mark.parametrize("report_id", ["%00", "x" * 101, "%ff", "a%0Ab", "..%2F", "R%2F1"])
def test_odd_ids(product: Product, report_id: str) -> None:
    """Whatever stands for an id in an address: not found, or not one."""
    answer = product.see(report_id)
    assert answer.json()["code"] in ("not_found", "bad_request")
    assert "page" not in answer.text
    assert product.ask("GET", f"{REPORTS}/R-1001").status_code == 422


# -- who is let in ----------------------------------------------------------------------------------


def test_off_without_a_key(desk: Desk, market: Market) -> None:
    """No key set: every address and method is one where nothing is, whatever is shown."""
    off = Product(lambda: desk, key=None)
    asked = charged(market)
    for path in ("/api", REPORTS, CHECK, REASONS_PATH, "/api/openapi.json", f"{REPORTS}/R-1001", "/api/x"):
        for method in METHODS:
            answer = off.ask(method, path, json=asked, request_key="k")
            assert answer.status_code == 404
            if method != "HEAD":
                assert answer.json() == {"error": "There is nothing at this address."}
    assert count(market, "reports") == 0


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer é"]
)
def test_without_the_key(desk: Desk, market: Market, shown: str | None) -> None:
    """No key, a wrong one, another scheme: 401 everywhere, the schema too, and no address is told apart."""
    headers = {} if shown is None else {b"authorization": shown.encode("latin-1")}
    stranger = Product(lambda: desk, headers=headers)  # type: ignore[arg-type]
    for path in (REPORTS, CHECK, REASONS_PATH, "/api/openapi.json", "/api/nothing", f"{REPORTS}/R-1001"):
        answer = stranger.ask("POST", path, json=charged(market, "a") if path == REPORTS else {})
        refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert count(market, "reports") == 0


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is easy to guess, or cannot be sent, stops the start with a sentence without it."""
    for weak in ("x" * 23, "é" * 24, "a key with blanks in it 12345"):
        monkeypatch.setenv("REFUNDS_API_KEY", weak)
        with pytest.raises(
            BadFigure, match=r"^REFUNDS_API_KEY cannot be used: it must have at least 24"
        ) as no:
            read_settings()
        assert weak not in str(no.value)
    monkeypatch.setenv("REFUNDS_API_KEY", "x" * 24)
    assert read_settings().api_key == SecretStr("x" * 24)
    monkeypatch.setenv("REFUNDS_API_KEY", "")
    assert read_settings().api_key is None


@pytest.mark.parametrize("method", [*METHODS, "TRACE"])
def test_methods_and_addresses(product: Product, method: str) -> None:
    """Another method is told which one it is; another address, that nothing is there."""
    ways = {REPORTS: "POST", CHECK: "POST", f"{REPORTS}/R-1001": "GET", REASONS_PATH: "GET"}
    ways |= {f"{REPORTS}/R-1001/answers": "POST"}
    for path, way in ways.items():
        answer = product.ask(method, path)
        if method != way:
            assert (answer.status_code, answer.headers["allow"]) == (405, way)
            if method != "HEAD":
                refused(answer, 405, "method_not_allowed")
    for path in (
        "/api",
        "/api/",
        f"{REPORTS}/",
        "/api/reportsx",
        "/apiary",
        "/api/docs",
        "/api/redoc",
        "/api%0A",
        "/webhooks/%0A",
    ):
        answer = product.ask(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert product.ask(method, "/queue").status_code in (200, 405)


# -- how much ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("says_so", [False, True])
@pytest.mark.parametrize("knows", [False, True])
def test_too_large_is_not_read(desk: Desk, *, says_so: bool, knows: bool) -> None:
    """A body that says it is too large is not read; another one up to the limit; a stranger's not at all."""
    chunk, read = b" " * 1024 * 1024, 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 10 * api_gate.BODY_BYTES_MAX:
            read += len(chunk)
            yield chunk

    product = Product(lambda: desk, headers={"Authorization": f"Bearer {KEY}"} if knows else {})
    headers = {"content-length": str(10 * api_gate.BODY_BYTES_MAX)} if says_so else {}
    answer = product.ask("POST", REPORTS, content=endless(), headers=headers)
    refused(answer, *((413, "too_large") if knows else (401, "unauthorized")))
    assert read <= (api_gate.BODY_BYTES_MAX + len(chunk) if knows and not says_so else 0)


def test_a_body_that_does_not_end(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins a request and leaves it is not waited for."""
    monkeypatch.setattr(api_gate, "BODY_SECONDS_MAX", 0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    refused(product.ask("POST", REPORTS, content=stalled()), 408, "timed_out")


def test_all_bodies_together(product: Product, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies beyond what may be held at once are put off, and what was held is free again."""
    asked = charged(market)
    monkeypatch.setattr(api_gate, "HELD_BYTES_MAX", 1000)
    large = {**asked, "details": "x" * 1000}

    async def both() -> list[httpx.Response]:
        async with product.client() as asking:
            headers = {"Idempotency-Key": "k"}
            return [await asking.post(REPORTS, json=body, headers=headers) for body in (large, asked)]

    put_off, filed = run(both())
    refused(put_off, 503, "busy")
    assert put_off.headers["retry-after"] == "1"
    assert filed.status_code == 201


@contextmanager
def held_up(market: Market, charge_id: str) -> Iterator[None]:
    """Another filing of the charge is under way."""
    with market.owner.transaction() as conn:
        conn.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(hashtextextended('report on ' || %s, 0))", (charge_id,)
        )
        yield


def test_too_many_at_once(product: Product, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of open requests: 503 with Retry-After, the webhooks unmoved; then all is taken."""
    monkeypatch.setattr(api_gate, "OPEN_MAX", 1)
    asked = charged(market)

    async def meanwhile() -> None:
        async with product.client() as asking:
            headers = {"Idempotency-Key": "k"}
            with held_up(market, asked["charge_id"]):
                first = asyncio.create_task(asking.post(REPORTS, json=asked, headers=headers))
                await asyncio.sleep(0.2)
                put_off = await asking.get(REASONS_PATH)
                refused(put_off, 503, "busy")
                assert put_off.headers["retry-after"] == "1"
                assert (await asking.get("/healthz")).status_code == 200
                assert not first.done()
            assert (await first).status_code == 201
            assert (await asking.get(REASONS_PATH)).status_code == 200

    run(meanwhile())


def test_database_down(product: Product, market: Market, clock: Clock, settings: Settings) -> None:
    """No database: 503 with Retry-After and nothing of where it is; the same key files afterwards, once."""
    asked = charged(market)
    nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    with opened_desk(nowhere, clock, settings) as lost, capture_logs() as lines:
        answer = Product(lambda: lost).file(asked)
    refused(answer, 503, "busy")
    assert answer.headers["retry-after"] == "1"
    assert "127.0.0.1" not in answer.text
    assert lines[0]["why"] == "DatabaseDown"
    assert product.file(asked).status_code == 201


def test_a_desk_that_cannot_be_opened(product: Product) -> None:
    """Whatever keeps the desk shut: 503, and its sentence is not for the marketplace."""

    def shut() -> Desk:
        raise MigrationBehind("Run `refunds migrate`.")

    answer = Product(shut).ask("GET", f"{REPORTS}/R-1001", params={"pro_id": "p"})
    refused(answer, 503, "busy")
    assert "migrate" not in answer.text


def test_a_mistake_of_ours_is_not_shown(desk: Desk, market: Market) -> None:
    """An error nobody thought of: 500, and none of its words."""

    def wrong() -> Desk:
        raise RuntimeError("SECRET")

    with capture_logs() as lines:
        answer = Product(wrong).file(charged(market))
    refused(answer, 500, "failed")
    assert "SECRET" not in answer.text
    assert [(line["status"], line["why"]) for line in lines] == [(500, "RuntimeError")]


# -- what is told of it -----------------------------------------------------------------------------


def test_one_line_a_request(product: Product, market: Market, desk: Desk) -> None:
    """Method, address, status, report, time; never a key, a name, a word or an id somebody made up."""
    with capture_logs() as lines:
        product.file({**charged(market), "details": "my words"}, "my-request-key")
        product.see("made-up")
        product.ask("GET", f"/api/{KEY}")
        Product(lambda: desk, headers={}).check({})
    assert [line.pop("ms") >= 0 for line in lines] == [True] * 4
    assert lines == [
        {
            "event": "request",
            "log_level": "info",
            "method": method,
            "path": path,
            "status": status,
            "report_id": of,
        }
        for method, path, status, of in [
            ("POST", "/api/reports", 201, "R-1001"),
            ("GET", "/api/reports/{report_id}", 404, None),
            ("GET", "/api{rest:anything}", 404, None),
            ("POST", "/api{rest:anything}", 401, None),
        ]
    ]


def test_the_schema(product: Product) -> None:
    """Every refusal is in the schema with its model and the headers it has; no page loads foreign scripts."""
    schema = product.ask("GET", "/api/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert set(schema["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(
        get_args(Code)
    )
    assert {code for _, code in api.REFUSALS.values()} < set(get_args(Code))
    operations = {
        f"{method} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        "post /api/reports/check",
        "post /api/reports",
        "get /api/reports/{report_id}",
        "post /api/reports/{report_id}/answers",
        "get /api/reasons",
    }
    for operation in operations.values():
        answers = operation["responses"]
        assert {"401", "405", "408", "413", "500", "503"} <= set(answers)
        assert set(answers["503"]["headers"]) == {"Retry-After"}
        assert operation["security"] == [{"HTTPBearer": []}]
    assert {"201", "200", "403", "404", "409", "422"} <= set(operations["post /api/reports"]["responses"])


@pytest.mark.process
def test_the_served_app(market: Market, database_url: str) -> None:
    """The real server with a key set: a report is filed and seen before anybody opened a page."""
    asked = charged(market)
    market.write("UPDATE marketplace.charges SET charged_at = :now", now=datetime.now(UTC))
    with (
        serving(REFUNDS_DATABASE_URL=database_url, REFUNDS_API_KEY=KEY) as address,
        httpx.Client(base_url=address, timeout=WAIT_SECONDS) as asking,
    ):
        assert asking.get(REASONS_PATH).status_code == 401
        asking.headers["Authorization"] = f"Bearer {KEY}"
        headers = {"Idempotency-Key": "k"}
        filed = [asking.post(REPORTS, json=asked, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in filed] == [201, 200]
        assert asking.get(filed[0].headers["location"]).json() == filed[1].json()
        assert asking.get("/api").status_code == 404
        assert "<title>" in asking.get("/queue").text
