"""Where mails belong, and the reasons their words give: rules by themselves, without a database."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundlib.domain.claim import REASONS
from refundlib.domain.language.mails import reason_of
from refundlib.domain.placing import (
    Candidate,
    Clues,
    Known,
    KnownPro,
    KnownReport,
    Placement,
    place,
    report_of,
)
from refundlib.domain.received_mail import ReadMail

MOSS = KnownPro("P1", "Moss Price & Sons", "Moss@Pros.example")
AT = datetime(2026, 3, 3, 2, tzinfo=UTC)  # the evening of the second, in New York


def mail(words: str, *, subject: str = "", sender: str = "moss@pros.example", **more: object) -> ReadMail:
    """A mail that says this; more: other fields of it."""
    given_fields = {
        "fingerprint": "f", "message_id": "", "answers_to": (), "from_name": "", "from_address": sender,
        "reply_to": "", "forwarded_from": (), "subject": subject, "body": words, "words": words,
        "sent_at": None, "is_automatic": False, "attachments": (), "left_out": (), "raw": b"x",
        "size_bytes": 1,
    }  # fmt: skip
    return ReadMail(**{**given_fields, **more})  # type: ignore[arg-type]


def charge(charge_id: str, name: str, pro_id: str = "P1", **more: object) -> Candidate:
    """A charge of a pro, with its customer's name."""
    lead_id = charge_id.replace("C", "L")
    fields = {
        "category": "house_cleaning",
        "customer_email": "",
        "customer_phone": "",
        "charged_at": AT,
    } | more
    return Candidate(charge_id, lead_id, pro_id, MOSS.name, customer_name=name, **fields)  # type: ignore[arg-type]


def placed(it: ReadMail, *candidates: Candidate, reports: tuple[KnownReport, ...] = ()) -> Placement:
    """Where a mail goes when Moss is the only pro."""
    return place(it, Known([MOSS], reports, candidates))


@pytest.mark.parametrize(
    ("words", "charge_id"),
    [
        ("It is C1, not L2", "C1"),
        ("the lead l2 of Ana Smith", "C2"),
        ("ANA SMITH", "C1"),
        ("Mr Jones never wrote", "C2"),
        ("about jones", "C2"),
        ("Keep up with the joneses", None),
        ("She jones for it, Sir", None),
        ("The Price is too high", None),
        ("Call me at 212-736-5000", "C3"),
        ("mail to PRICE@home.example", "C3"),
    ],
)
def test_the_strongest_clue_decides(words: str, charge_id: str | None) -> None:
    """Ids before contacts before names; last names with a capital, and never the pro's own."""
    charges = (
        charge("C1", "Ana Smith"),
        charge("C2", "Bo Jones"),
        charge("C3", "Al Price", customer_email="price@home.example", customer_phone="+1 (212) 736 5000"),
    )
    assert placed(mail(words), *charges).charge_id == charge_id


@pytest.mark.parametrize(
    "words",
    [
        "Ana Smith, the house cleaning",
        "Ana Smith on March 2nd",
        "Ana Smith, 2 de marzo",
        "Ana Smith 3/2/2026",
    ],
)
def test_a_day_or_a_category_chooses(words: str) -> None:
    """Of two conversations with the same name the one is meant whose day or category is named."""
    other = charge("C2", "Ana Smith", category="roofing", charged_at=datetime(2026, 2, 9, 12, tzinfo=UTC))
    assert placed(mail(words), charge("C1", "Ana Smith"), other).charge_id == "C1"
    two = placed(mail("Ana Smith"), charge("C1", "Ana Smith"), other)
    assert (two.state, "C1 (Ana Smith) and C2 (Ana Smith)" in two.why) == ("unplaced", True)


def test_an_old_thread_about_another_charge() -> None:
    """A decided report is answered, another charge named: that is proposed; else it says what was decided."""
    decided = KnownReport("R-1", "C1", "P1", MOSS.name, "denied", is_thread=True)
    both = (charge("C1", "Ana Smith", denied_report="R-1"), charge("C2", "Bo Jones"))
    assert placed(mail("Now Bo Jones said no"), *both, reports=(decided,)).charge_id == "C2"
    assert "R-1 is denied already" in placed(mail("Why?"), *both, reports=(decided,)).why
    foreign = mail("Me too", sender="else@pros.example")
    assert placed(foreign, *both, reports=(decided,)).state == "unplaced"


def test_several_reports_wait() -> None:
    """A mail that names two reports and answers none is nobody's answer by itself."""
    two = tuple(KnownReport(f"R-{n}", f"C{n}", "P1", MOSS.name, "open") for n in (1, 2))
    assert "R-1 and R-2" in placed(mail("R-1 and R-2"), reports=two).why


@pytest.mark.parametrize(
    ("it", "words"),
    [
        (mail("about R-1"), "it only names the report"),
        (mail("R-1", sender="x@else.example"), "but x@else.example wrote it."),
        (
            mail("R-1", sender="x@else.example", reply_to="moss@pros.example"),
            "but x@else.example wrote it, and only the address to answer to is the pro's",
        ),
        (mail("R-1", sender="", from_name="Moss"), "but nobody who is named wrote it"),
        (mail("R-1", is_automatic=True), "Nobody wrote this"),
    ],
)
@pytest.mark.parametrize("is_thread", [True, False])
def test_only_the_pro_in_our_thread_answers_by_itself(it: ReadMail, words: str, is_thread: bool) -> None:
    """A number that is named, a Reply-To or a machine is no answer: a person reads it, beside the report."""
    report = KnownReport("R-1", "C1", "P1", MOSS.name, "waiting_on_pro", is_thread)
    where = placed(it, charge("C1", "Ana Smith", open_report="R-1"), reports=(report,))
    if is_thread and it.from_address == "moss@pros.example" and not it.is_automatic:
        assert (where.state, where.report_id) == ("answer", "R-1")
        return
    assert (where.state, where.pro_id, where.charge_id) == ("unplaced", "P1", "C1")
    assert "It seems to answer report R-1" in where.why
    assert words in where.why
    assert report_of(where.why) == "R-1"


def test_reports_that_sentences_name() -> None:
    """The report a sentence leads to; none where there is none, or several."""
    decided = KnownReport("R-1", "C1", "P1", MOSS.name, "denied", is_thread=True)
    both = (charge("C1", "Ana Smith", denied_report="R-7"), charge("C2", "Bo Jones", open_report="R-8"))
    assert report_of(placed(mail("Why?"), *both, reports=(decided,)).why) == "R-1"
    assert report_of(placed(mail("Ana Smith"), *both).why) == "R-7"
    assert report_of(placed(mail("Bo Jones"), *both).why) == "R-8"
    assert report_of(placed(mail("Hello"), *both).why) is None
    assert report_of(placed(mail("Ana Smith and Bo Jones"), *both).why) is None


@pytest.mark.parametrize("name", ["Ana Smith", "Ana Smith{}"], ids=["all fit", "none fits"])
def test_500_conversations_are_compared_in_a_moment(name: str) -> None:
    """While a mail is placed its mailbox is locked: a day or category chooses among few only."""
    charges = [
        charge(f"C{n}", name.format(n), category=f"category_{n}_of_many", charged_at=AT + timedelta(days=n))
        for n in range(500)
    ]
    it = mail("word " * 3_000 + "Ana Smith, the category_7_of_many")
    started = time.perf_counter()
    where = placed(it, *charges)
    assert time.perf_counter() - started < 0.5
    assert where.state == "unplaced"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("The customer said no thanks.", "clear_no"),
        ("His first reply was “We found somebody else, sorry”.", "clear_no"),
        ("The phone number is disconnected.", "invalid_phone"),
        ("I called and it was a wrong number", "invalid_phone"),
        ("The job is in another city.", "job_changed"),
        ("They wanted to hire employees.", "terms_violation"),
        ("It is spam", "terms_violation"),
        ("They hired someone else.", "not_hired"),
        ("She did not hire me", "not_hired"),
        ("El número de teléfono no existe", "invalid_phone"),
        ("I was charged twice for this", "other"),
        ("", "other"),
    ],
)
def test_reasons(words: str, reason: str) -> None:
    """What a pro's words say, in English and Spanish."""
    assert reason_of(words)[0] == reason


def test_clues() -> None:
    """Ids, addresses and numbers of a text; an address is no id, and no number of one digit counts."""
    it = Clues.of("Re R-12: ch-3 of A.b@C.example, +1 (212) 736-5000 or 000-000-0000 or 12345")
    assert {"R-12", "ch-3", "CH-3"} <= set(it.ids)
    assert not {"A.b", "C.example", "B@C"} & set(it.ids)
    assert it.addresses == ("a.b@c.example",)
    assert it.numbers == ("2127365000",)


@given(st.text(max_size=300), st.text(max_size=40), st.booleans())
def test_any_words_are_placed(words: str, subject: str, is_automatic: bool) -> None:
    """Whatever a mail says, it goes somewhere, with a sentence and a reason there is."""
    it = mail(words, subject=subject, is_automatic=is_automatic)
    where = placed(it, charge("C1", words[:20]), charge("C2", subject, customer_phone=words))
    assert where.why
    assert where.reason in (None, *REASONS)
    assert (where.state == "proposed") <= (where.charge_id is not None)
