"""Intake: a report is judged before it is filed, once a charge; files are what they are; late is told."""

from datetime import timedelta
from io import BytesIO
from threading import Barrier, Thread

import pytest
from PIL import Image

from refundlib.domain.errors import (
    BadFigure,
    BadFile,
    KeyUsed,
    NotAllowed,
    NotFound,
    NotYours,
    RefundedBefore,
    ReportedBefore,
    TooLate,
    WrongState,
)
from refundlib.domain.masking import HIDDEN
from refundlib.domain.people import MARKETPLACE, Person
from refundlib.services.claims import claim
from refundlib.services.decisions import decide, undo
from refundlib.services.desk import Desk
from refundlib.services.files import FILE_BYTES_MAX, FILES_MAX, File, attachment, examined
from refundlib.services.intake import Draft, file_report, prospect
from refundlib.services.marketplace_requests import (
    Filed,
    check_for_marketplace,
    file_for_marketplace,
    see_for_marketplace,
    what_stands_against,
)
from refundlib.services.triage import reopen, withdraw
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]
PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    """A real picture."""
    buffer = BytesIO()
    Image.new("RGB", size, (200, 120, 80)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def charged(market: Market) -> str:
    """A charge of $25 with a first "no", not reported yet."""
    pro, lead = market.pro("moss"), market.lead("l")
    market.pay("pay", pro, 5000)
    market.charge("c", lead, pro, 2500)
    market.say("m1", lead, pro, "pro", "Hi! I can do it for $240.")
    market.say("m2", lead, pro, "customer", "No thanks")
    return "c"


# -- before it is filed -------------------------------------------------------------------------------


def test_the_checklist_before_it_is_filed(desk: Desk, people: People, charged: str, clock: Clock) -> None:
    """What the checks say of a draft is what they say of the report it becomes; looking changes nothing."""
    draft = Draft(charged, "clear_no", "They refused at once.", number_tried=" ")
    ahead = prospect(desk, people["dana"], draft)
    assert (ahead.assessment.recommendation, ahead.obstacle, ahead.is_late) == ("approve", None, False)
    assert ahead.report_until == clock.now + timedelta(days=30)
    report = file_report(desk, people["dana"], draft)
    it = claim(desk, people["dana"], report)
    assert [(c.id, c.status, c.why) for c in it.assessment.checks] == [
        (c.id, c.status, c.why) for c in ahead.assessment.checks
    ]
    assert it.report["deadline_at"] == ahead.decide_by == clock.now + timedelta(hours=48)
    assert (it.report["filed_by"], it.report["channel"], it.changes) == ("dana", "chat", [])
    assert it.facts["report"] == {**ahead.facts["report"], "report_id": report}


def test_what_the_reason_needs_is_kept(desk: Desk, people: People, charged: str) -> None:
    """New zip, new category and the number tried are on the claim, as they were given."""
    draft = Draft(
        charged, "job_changed", changed_zip="90012", changed_category="roofing", number_tried="212 555 0100"
    )
    it = claim(desk, people["dana"], file_report(desk, people["dana"], draft))
    assert it.report["number_tried"] == it.facts["report"]["number_tried"] == "212 555 0100"
    assert (it.report["changed_zip"], it.report["changed_category"]) == ("90012", "roofing")
    assert it.changes == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reason": "boredom"}, "no reason 'boredom'"),
        ({"channel": "fax"}, "no channel 'fax'"),
        ({"details": "x" * 10_001}, "can have 10000 characters"),
        ({"details": "a\x00b"}, "signs that can be read"),
        ({"details": "a\ud800b"}, "signs that can be read"),
        ({"changed_zip": "1" * 101}, "can have 100 characters"),
    ],
)
def test_bad_words(desk: Desk, people: People, charged: str, wrong: dict[str, str], words: str) -> None:
    """What cannot be kept is told before anything is written."""
    with pytest.raises(BadFigure, match=words):
        prospect(desk, people["dana"], Draft(**{"charge_id": charged, "reason": "other", **wrong}))


def test_no_such_charge(desk: Desk, people: People) -> None:
    """A charge that is not here is told with what to do."""
    with pytest.raises(NotFound, match="There is no charge 'zz' here"):
        file_report(desk, people["dana"], Draft("zz", "other"))


# -- one open report a charge -------------------------------------------------------------------------


def test_a_second_report_leads_to_the_first(desk: Desk, people: People, charged: str) -> None:
    """While one is to be decided, another one is refused with the id of the first."""
    first = file_report(desk, people["dana"], Draft(charged, "clear_no"))
    with pytest.raises(ReportedBefore, match="has a report already") as refused:
        file_report(desk, people["eli"], Draft(charged, "other"))
    assert refused.value.report_id == first
    found = prospect(desk, people["eli"], Draft(charged, "other")).obstacle
    assert found is not None
    assert found.report_id == first


def test_at_one_moment(market: Market, desk: Desk, people: People, charged: str) -> None:
    """Eight people file at one moment: one report, seven are told which."""
    start, refused, made = Barrier(8), [], []

    def file() -> None:
        start.wait()
        try:
            made.append(file_report(desk, people["dana"], Draft(charged, "clear_no")))
        except ReportedBefore as refusal:
            refused.append(refusal.report_id)

    threads = [Thread(target=file) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), set(refused)) == (1, set(made))
    assert market.one("SELECT count(*) FROM refunds.reports") == 1


def test_after_a_refund(desk: Desk, people: People, charged: str) -> None:
    """A refunded charge is not reported again; after an undo it is the old report that is open."""
    first = file_report(desk, people["dana"], Draft(charged, "clear_no"))
    decide(desk, people["dana"], first, "approve", idempotency_key="k")
    with pytest.raises(RefundedBefore, match=r"was refunded before: \$25\.00 on report"):
        file_report(desk, people["dana"], Draft(charged, "other"))
    undo(desk, people["mo"], first, "By mistake")
    with pytest.raises(ReportedBefore, match="has a report already"):
        file_report(desk, people["dana"], Draft(charged, "other"))


def test_after_a_withdrawal(desk: Desk, people: People, charged: str) -> None:
    """A report that was taken back does not stand in the way."""
    withdraw(desk, people["dana"], file_report(desk, people["dana"], Draft(charged, "other")), "Wrong reason")
    assert file_report(desk, people["dana"], Draft(charged, "clear_no"))


def test_the_database_holds_it(market: Market, desk: Desk, people: People, charged: str) -> None:
    """A denied report is not opened again while another one is: the service says so, the index refuses it."""
    first = file_report(desk, people["dana"], Draft(charged, "other"))
    decide(desk, people["dana"], first, "deny", idempotency_key="k", reason="No")
    second = file_report(desk, people["dana"], Draft(charged, "clear_no"))
    with pytest.raises(WrongState, match=second):
        reopen(desk, people["mo"], first, "New facts")
    with pytest.raises(Exception, match="one_open_report_a_charge"):
        market.write(
            """UPDATE refunds.reports
            SET state = 'open', standing_decision_id = NULL, decided_at = NULL WHERE report_id = :r""",
            r=first,
        )


# -- for the marketplace ------------------------------------------------------------------------------


def ask(desk: Desk, key: str, pro: str = "moss", charge: str = "c", sha: str = "s") -> Filed:
    """A request of the marketplace."""
    return file_for_marketplace(
        desk, MARKETPLACE, pro, Draft(charge, "clear_no"), request_key=key, request_sha256=sha
    )


def test_a_request_again_files_once(market: Market, desk: Desk, charged: str) -> None:
    """The same key gives the first report, also many times at once; another body under it is refused."""
    start, answers = Barrier(6), []

    def send() -> None:
        start.wait()
        answers.append(ask(desk, "k"))

    threads = [Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.report_id for answer in answers}) == 1
    assert sum(answer.is_new for answer in answers) == 1
    with pytest.raises(KeyUsed):
        ask(desk, "k", sha="other")
    assert market.one("SELECT count(*) FROM refunds.reports") == 1


def test_sentences_for_the_pro(
    market: Market, desk: Desk, people: People, charged: str, clock: Clock
) -> None:
    """Late, doubled, foreign, refunded and not-yours: each is told, by the check and by filing alike."""
    with pytest.raises(NotFound, match="There is no charge 'zz' here"):
        ask(desk, "1", charge="zz")
    market.pro("vega")
    with pytest.raises(NotYours, match="Charge c is another pro’s"):
        ask(desk, "2", pro="vega")
    report = ask(desk, "3").report_id
    with pytest.raises(ReportedBefore, match=f"{report} is still to be decided"):
        ask(desk, "4")
    with pytest.raises(NotYours):
        see_for_marketplace(desk, MARKETPLACE, "vega", report)
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    with pytest.raises(RefundedBefore, match="was refunded before"):
        ask(desk, "5")
    market.charge("d", market.lead("l2"), "moss", 1000)
    clock.advance(timedelta(days=30))
    assert what_stands_against(check_for_marketplace(desk, MARKETPLACE, "moss", Draft("d", "other"))) is None
    clock.advance(timedelta(seconds=1))
    with pytest.raises(TooLate, match="could be reported until 19 April 2026, 12:00 UTC, 30 days after"):
        ask(desk, "6", charge="d")
    assert file_report(desk, people["dana"], Draft("d", "other"))


# -- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"MZ\x90\x00 a program", "is no PDF, JPEG or PNG"),
        (b"<svg onload=alert(1)>", "is no PDF, JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n and nothing", "is a broken picture"),
        (b"\xff\xd8\xff\xe0 and nothing", "is a broken picture"),
        (b"%PDF-" + b"0" * FILE_BYTES_MAX, "10.0 MB is the most"),
    ],
)
def test_files_that_are_not_taken(content: bytes, words: str) -> None:
    """What a file is, is read from its content; the sentence names the file and what is taken."""
    with pytest.raises(BadFile, match=words) as refused:
        examined("proof.png", content)
    assert str(refused.value).startswith("proof.png")


def test_a_picture_that_would_fill_the_memory() -> None:
    """A few kilobytes that unfold to more than 50 million pixels are refused."""
    buffer = BytesIO()
    Image.new("1", (8000, 8000)).save(buffer, "PNG")
    with pytest.raises(BadFile, match="64,000,000 pixels"):
        examined("bomb.png", buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("a.png", picture(), ("a.png", "image/png")),
        ("photo.JPEG", picture("JPEG"), ("photo.JPEG", "image/jpeg")),
        ("../../etc/passwd", PDF, ("passwd.pdf", "application/pdf")),
        ("C:\\scan\x00\u202e.exe", PDF, ("scan .exe.pdf", "application/pdf")),
        ("\n", PDF, ("file.pdf", "application/pdf")),
        ("x" * 300 + ".pdf", PDF, ("x" * 116 + ".pdf", "application/pdf")),
    ],
)
def test_names(name: str, content: bytes, kept: tuple[str, str]) -> None:
    """A name keeps no folder and no hidden sign, and ends as the content is."""
    file = examined(name, content)
    assert (file.name, file.media_type) == kept


def test_evidence_lies_beside_the_report(desk: Desk, people: People, charged: str) -> None:
    """Files are kept under their hash, the same content once; a viewer sees that they are there."""
    files = [examined("a.png", picture()), examined("again.png", picture()), examined("b.pdf", PDF)]
    report = file_report(desk, people["dana"], Draft(charged, "clear_no"), files)
    rows = claim(desk, people["eli"], report).attachments
    assert [(row["name"], row["media_type"], row["size_bytes"]) for row in rows] == [
        ("a.png", "image/png", len(picture())),
        ("b.pdf", "application/pdf", len(PDF)),
    ]
    assert attachment(desk, people["eli"], report, rows[1]["sha256"]) == File("b.pdf", "application/pdf", PDF)
    hidden = claim(desk, people["vic"], report).attachments
    assert [row["name"] for row in hidden] == [HIDDEN] * 2
    with pytest.raises(NotAllowed):
        attachment(desk, people["vic"], report, rows[1]["sha256"])
    with pytest.raises(NotFound):
        attachment(desk, people["eli"], report, "0" * 64)


def test_too_many_files_file_nothing(market: Market, desk: Desk, people: People, charged: str) -> None:
    """More files than allowed: nothing of the report is written."""
    with pytest.raises(BadFile, match="These are 11 files"):
        file_report(desk, people["dana"], Draft(charged, "other"), [examined("b.pdf", PDF)] * (FILES_MAX + 1))
    assert market.one("SELECT count(*) FROM refunds.reports") == 0
