"""The check table, sentence by sentence, on hand-made claims."""

import copy
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from refundlib.bootstrap import judge_without_database
from refundlib.domain.policy import BUILT_IN
from refundlib.services.evaluate import run_evaluate

JUDGE = judge_without_database(BUILT_IN)
BUNDLE: dict[str, Any] = {
    "report": {
        "report_id": "r1",
        "reason": "clear_no",
        "details": "",
        "reported_at": "2026-03-04T15:00:00Z",
        "changed_zip": None,
        "changed_category": None,
    },
    "charge": {
        "charge_id": "c1",
        "amount": 2500,
        "currency": "USD",
        "charged_at": "2026-03-02T15:00:00Z",
        "refunded_amount": 0,
    },
    "lead": {
        "lead_id": "l1",
        "kind": "opportunity",
        "category": "plumbing",
        "zip": "10001",
        "description": "Leak under the sink",
        "created_at": "2026-03-02T10:00:00Z",
    },
    "pro": {"pro_id": "p1", "categories": ["plumbing"], "zip": "10001"},
    "customer": {"customer_id": "u1", "phone": "+1 650-253-0000"},
    "messages": [
        {"message_id": "m1", "sender": "pro", "body": "I can do it.", "sent_at": "2026-03-02T12:00:00Z"},
        {"message_id": "m2", "sender": "customer", "body": "No thanks", "sent_at": "2026-03-02T12:20:00Z"},
    ],
}


def bundle(reason: str = "clear_no", **changes: Any) -> dict[str, Any]:
    """The example with a reason and changes such as charge__amount=5 or messages=[…]."""
    it = copy.deepcopy(BUNDLE)
    it["report"]["reason"] = reason
    for path, value in changes.items():
        part, _, name = path.partition("__")
        if name:
            it[part][name] = value
        else:
            it[part] = value
    return it


def chat(*messages: str) -> list[dict[str, str]]:
    """Messages like "pro: Hello", a minute apart, before the report."""
    return [
        {
            "message_id": f"m{number}",
            "sender": text.split(": ", 1)[0],
            "body": text.split(": ", 1)[1],
            "sent_at": f"2026-03-02T12:{number:02}:00Z",
        }
        for number, text in enumerate(messages, start=1)
    ]


def status(check: str, it: dict[str, Any]) -> str:
    """The status of one check."""
    return next(each["status"] for each in JUDGE(it)["checks"] if each["id"] == check)  # type: ignore[index,union-attr]


@pytest.mark.parametrize(
    ("reported_at", "wanted"),
    [
        ("2026-04-01T15:00:00Z", "pass"),
        ("2026-04-01T15:00:01Z", "fail"),
        ("2026-03-02T14:59:59Z", "unsure"),
        ("2026-03-02T16:00:00+01:00", "pass"),
    ],
)
def test_within_window(reported_at: str, wanted: str) -> None:
    """Exactly 30 days counts; a second more does not; before the charge a person looks."""
    assert status("within_window", bundle(report__reported_at=reported_at)) == wanted


def test_refunded_before_and_no_conversation() -> None:
    """Anything refunded before fails; no message at all is unsure."""
    assert status("not_refunded_before", bundle(charge__refunded_amount=1)) == "fail"
    assert status("conversation_on_file", bundle(messages=[])) == "unsure"


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [("not_hired", "fail"), ("other", "unsure"), ("clear_no", "pass"), ("job_changed", "pass")],
)
def test_reason_qualifies(reason: str, wanted: str) -> None:
    """The four named reasons pass, not being hired fails, another is for a person."""
    assert status("reason_qualifies", bundle(reason)) == wanted


@pytest.mark.parametrize(
    ("changed_zip", "category", "offered", "wanted"),
    [
        ("90012", None, ["plumbing"], "pass"),
        ("10001-1234", None, ["plumbing"], "fail"),
        ("11201", None, ["plumbing"], "fail"),
        ("00000", None, ["plumbing"], "unsure"),
        ("09021", None, ["plumbing"], "unsure"),
        (None, "Roofing", ["plumbing"], "pass"),
        (None, "ROOFING", ["plumbing", "roofing"], "unsure"),
        (None, "Plumbing", ["plumbing"], "fail"),
        (None, "roofing", [], "unsure"),
        ("10001", "roofing", ["plumbing"], "pass"),
        ("11201", "roofing", ["roofing"], "unsure"),
        (None, None, ["plumbing"], "unsure"),
    ],
)
def test_job_changed(changed_zip: str | None, category: str | None, offered: list[str], wanted: str) -> None:
    """Far zips and work not offered pass; near and equal fail; the unknowable is unsure; any pass wins."""
    it = bundle("job_changed", report__changed_zip=changed_zip, report__changed_category=category)
    it["pro"]["categories"] = offered
    assert status("job_changed", it) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("We are hiring, join our team", "pass"),
        ("We are looking for employees", "pass"),
        ("I'm 16", "pass"),
        ("It is a minor leak", "fail"),
        ("The employee bathroom", "fail"),
        ("I'm 45", "fail"),
        ("When can you come?", "unsure"),
        ("I'm 15 minutes away", "unsure"),
        ("I want to hire a plumber", "fail"),
    ],
)
def test_terms_violated(text: str, wanted: str) -> None:
    """Employees wanted and minors pass; words that only sound so fail; nothing found is unsure."""
    assert status("terms_violated", bundle("terms_violation", messages=chat(f"customer: {text}"))) == wanted


@pytest.mark.parametrize(
    ("phone", "words", "wanted"),
    [
        ("", "Hello", "pass"),
        ("none", "Hello", "pass"),
        ("000-000-0000", "Hello", "pass"),
        ("123", "Hello", "pass"),
        ("4915112345678", "Hello", "unsure"),
        ("+49 151 12345678", "Hello", "fail"),
        ("(212) 555-0123", "Hello", "unsure"),
        ("650-253-0000", "Hello", "fail"),
        ("650-253-0000 ext. 12", "Hello", "fail"),
        ("650-253-0000", "The number is disconnected", "unsure"),
        ("650-253-0000", "Wrong number", "unsure"),
    ],
)
def test_phone_invalid(phone: str, words: str, wanted: str) -> None:
    """No number, one digit, or no valid number passes; valid abroad, fictional or called dead is unsure."""
    it = bundle("invalid_phone", customer__phone=phone, messages=chat(f"pro: {words}"))
    assert status("phone_invalid", it) == wanted


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        (("pro: Hi", "customer: No thanks"), "pass"),
        (("pro: Hi", "customer: no", "customer: we hired someone else"), "pass"),
        (("pro: Hi", "customer: Yes please", "pro: Great", "customer: No thanks"), "fail"),
        (("customer: No thanks", "pro: Hi", "customer: Sounds good"), "fail"),
        (("pro: Hi", "system: No thanks", "customer: Maybe later"), "unsure"),
        (("pro: Hi", "customer: No, the upstairs one"), "fail"),
        (("pro: Hi", "customer: No problem"), "fail"),
        (("pro: Hi", "customer: Can you do it for $100?"), "fail"),
        (("pro: Hi", "customer: not the warranty, but yes to the repair"), "fail"),
        (("pro: Hi",), "unsure"),
        (("customer: No thanks",), "unsure"),
    ],
)
def test_first_response(messages: tuple[str, ...], wanted: str) -> None:
    """The first response after the pro's first message decides, consecutive messages joined."""
    assert status("first_response_clear_no", bundle(messages=chat(*messages))) == wanted


def test_leads_have_no_clear_no() -> None:
    """Leads are charged when bought: the ground does not exist for them."""
    assert status("first_response_clear_no", bundle(lead__kind="lead")) == "fail"


def test_messages_after_the_report_are_ignored() -> None:
    """What is said after the report does not count."""
    late = {"message_id": "m9", "sender": "customer", "body": "No thanks", "sent_at": "2026-03-05T00:00:00Z"}
    it = bundle(messages=[BUNDLE["messages"][0], late])
    assert status("first_response_clear_no", it) == "unsure"


def test_eight_checks_in_order_and_evidence() -> None:
    """All eight, always; the evidence is the words in code points."""
    answer = JUDGE(bundle(messages=chat("pro: Hi", "customer: 😀 No thanks!")))
    checks: Any = answer["checks"]
    assert [each["clause"] for each in checks] == ["W1", "B1", "W2", "N1", "J1", "T1", "P1", "N1"]
    (evidence,) = checks[-1]["evidence"]
    assert "😀 No thanks!"[evidence["start"] : evidence["end"]] == "No thanks"
    assert answer["recommendation"] == "approve"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(BUNDLE)), inner),
    max_leaves=20,
)


@options(deadline=None, derandomize=True, max_examples=200)
@given(lines=st.lists(st.binary(max_size=40) | ANY_JSON.map(lambda it: json.dumps(it).encode()), max_size=5))
def test_evaluate_never_crashes(lines: list[bytes]) -> None:
    """Whatever comes in, each line that is not blank gives one JSON object."""
    clean = [line.replace(b"\n", b" ") for line in lines]
    out = io.BytesIO()
    run_evaluate(io.BytesIO(b"\n".join(clean)), out, JUDGE)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all("error" in answer or "checks" in answer for answer in answers)


@options(deadline=None, derandomize=True, max_examples=200)
@given(
    text=st.text(max_size=200), part=st.sampled_from(["lead", "customer", "report", "pro"]), data=st.data()
)
def test_any_text_in_any_field(text: str, part: str, data: st.DataObject) -> None:
    """Any text in any field gives an answer or a sentence, and evidence inside the text."""
    it = copy.deepcopy(BUNDLE)
    it[part][data.draw(st.sampled_from(sorted(it[part])))] = text
    it["messages"][1]["body"] = text
    it["report"]["reason"] = data.draw(
        st.sampled_from(["clear_no", "terms_violation", "invalid_phone", "job_changed"])
    )
    out = io.BytesIO()
    run_evaluate(io.BytesIO(json.dumps(it).encode()), out, JUDGE)
    answer = json.loads(out.getvalue())
    for check in answer.get("checks", []):
        for evidence in check["evidence"]:
            assert 0 <= evidence["start"] <= evidence["end"]
            if evidence.get("message_id") == "m2":
                assert evidence["end"] <= len(text)
