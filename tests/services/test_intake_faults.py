"""Intake where it could go wrong: other doors for who denied, keys, mails in time, readers who see nobody."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from refundlib.domain.errors import DeniedBefore, KeyUsed, Refusal, SamePerson, WrongState
from refundlib.domain.people import MARKETPLACE, Person
from refundlib.services import answers, conversations, files, triage
from refundlib.services.answers import ANSWERS_MAX, record_answer
from refundlib.services.claims import claim, claim_json
from refundlib.services.conversations import Filters, Scope, find, page
from refundlib.services.decisions import decide, second_approval, send_back, undo
from refundlib.services.desk import Desk
from refundlib.services.files import FILES_MAX, REPORT_FILES_MAX, attachment, examined
from refundlib.services.intake import Draft, file_report, prospect
from refundlib.services.marketplace_requests import answer_for_marketplace, file_for_marketplace
from refundlib.services.pro_view import see_as_pro
from refundlib.services.triage import ask_pro, reassign, reassign_all, reopen, take, withdraw
from tests.conftest import Clock
from tests.market import Market
from tests.services.test_intake import PDF

People = dict[str, Person]


def denied(market: Market, desk: Desk, people: People, by: str = "dana", **more: Any) -> str:
    """A claim that somebody denied, and Mo reopened."""
    report = market.claim(people["eli"], **more)
    decide(desk, people[by], report, "deny", idempotency_key="1", reason="No")
    reopen(desk, people["mo"] if by != "mo" else people["noor"], report, "New facts")
    return report


# -- who denied does not judge the appeal ---------------------------------------------------------------


def test_not_after_an_undo_either(market: Market, desk: Desk, people: People) -> None:
    """A denial two rounds ago counts as one a round ago."""
    report = denied(market, desk, people)
    decide(desk, people["eli"], report, "approve", idempotency_key="2")
    undo(desk, people["mo"], report, "By mistake")
    with pytest.raises(SamePerson):
        decide(desk, people["dana"], report, "deny", idempotency_key="3", reason="Still no")


def test_not_as_the_second_person(market: Market, desk: Desk, people: People) -> None:
    """Above the limit the one who denied neither releases nor sends back."""
    report = denied(market, desk, people, by="mo", amount=4000)
    decide(desk, people["eli"], report, "approve", idempotency_key="2")
    with pytest.raises(SamePerson):
        second_approval(desk, people["mo"], report, idempotency_key="3")
    with pytest.raises(SamePerson):
        send_back(desk, people["mo"], report, "I denied it")
    second_approval(desk, people["noor"], report, idempotency_key="3")


def test_no_other_door(market: Market, desk: Desk, people: People) -> None:
    """The one who denied cannot withdraw or take the appeal, and is not given it."""
    report = denied(market, desk, people)
    doors: list[Callable[[], Any]] = [
        lambda: withdraw(desk, people["dana"], report, "The pro took it back, I say"),
        lambda: take(desk, people["dana"], report),
        lambda: reassign(desk, people["mo"], report, "dana"),
    ]
    for door in doors:
        with pytest.raises(SamePerson):
            door()
    assert reassign_all(desk, people["mo"], [report], "dana") == [report]
    assert reassign_all(desk, people["mo"], [report], "eli") == []


def test_not_by_filing_again(market: Market, desk: Desk, people: People) -> None:
    """What was denied is not reported again for the same reason; for another reason it can be."""
    report = market.claim(people["eli"])
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="No")
    again = Draft("charge-a", "clear_no")
    for file in (
        lambda: file_report(desk, people["eli"], again),
        lambda: file_for_marketplace(desk, MARKETPLACE, "pro-a", again, request_key="k", request_sha256="s"),
    ):
        with pytest.raises(DeniedBefore, match="opened once more") as refused:
            file()
        assert refused.value.report_id == report
    assert file_report(desk, people["eli"], Draft("charge-a", "invalid_phone"))


# -- one open report a charge ----------------------------------------------------------------------------


def test_reopened_while_another_is_filed(
    market: Market, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also an imported denial, which no index guards: a filing waits for the reopening, and is told."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="No")
    market.write("UPDATE refunds.reports SET filed_by = 'import' WHERE report_id = :r", r=report)
    original, refused = triage.open_again, []

    def file() -> None:
        try:
            file_report(desk, people["eli"], Draft("charge-a", "invalid_phone"))
        except Refusal as refusal:
            refused.append(str(refusal))

    filing = threading.Thread(target=file)

    def while_filing(*args: Any) -> None:
        filing.start()
        filing.join(0.5)
        original(*args)

    monkeypatch.setattr(triage, "open_again", while_filing)
    reopen(desk, people["mo"], report, "New facts")
    filing.join()
    assert market.one("SELECT count(*) FROM refunds.reports WHERE charge_id = 'charge-a'") == 1
    assert refused[0].startswith(f"Charge charge-a has a report already: {report}")


def test_an_undo_beside_an_open_report(market: Market, desk: Desk, people: People) -> None:
    """Where history has another open report on the charge, an approval is not undone into a second one."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="1")
    market.write(
        """INSERT INTO refunds.reports (report_id, charge_id, pro_id, lead_id, customer_id, kind, category,
            amount, currency, charged_at, reason, details, channel, reported_at, filed_by, deadline_at,
            opened_at, recommendation, passes, unsures, fails)
        SELECT 'H-1', charge_id, pro_id, lead_id, customer_id, kind, category, amount, currency, charged_at,
            reason, details, channel, reported_at, 'import', deadline_at, opened_at, 'review', 0, 0, 0
        FROM refunds.reports"""
    )
    with pytest.raises(WrongState, match="H-1"):
        undo(desk, people["mo"], report, "By mistake")


# -- answers ---------------------------------------------------------------------------------------------


def test_a_key_is_of_words_and_files(market: Market, desk: Desk, people: People) -> None:
    """The same words with another file are another answer: the file is not thrown away unseen."""
    report = market.claim(people["dana"])
    for _ in range(2):
        answer_for_marketplace(desk, MARKETPLACE, "pro-a", report, "See the file", request_key="k")
    with pytest.raises(KeyUsed):
        answer_for_marketplace(
            desk, MARKETPLACE, "pro-a", report, "See the file", [examined("b.pdf", PDF)], request_key="k"
        )


def test_an_answer_and_a_question_at_one_moment(
    market: Market, desk: Desk, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that waited for the lock is kept at the moment it landed: the pause ends then, not before."""
    report = market.claim(people["dana"])
    original = answers.lock_report

    def late(conn: Any, report_id: str) -> Any:
        clock.advance(timedelta(seconds=1))
        ask_pro(desk, people["dana"], report_id, "Which?")
        clock.advance(timedelta(seconds=5))
        return original(conn, report_id)

    monkeypatch.setattr(answers, "lock_report", late)
    record_answer(desk, people["eli"], report, "That one", channel="phone")
    assert claim(desk, people["dana"], report).report["paused_seconds"] == 5


def test_who_looked_before_looks_again(market: Market, desk: Desk, people: People) -> None:
    """A decision on a page that lacks the newest answer is refused."""
    report = market.claim(people["dana"])
    seen = claim(desk, people["dana"], report).report["version"]
    record_answer(desk, people["eli"], report, "The customer booked me after all.", channel="phone")
    with pytest.raises(WrongState, match="changed while you looked"):
        decide(desk, people["dana"], report, "approve", idempotency_key="1", expected_version=seen)


def test_so_many_answers_and_files(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Answers and files of a report are bounded, whichever way they come; the newest are shown."""
    report = market.claim(people["dana"])
    for number in range(REPORT_FILES_MAX // FILES_MAX):
        some = [examined("b.pdf", PDF + f"{number} {each}".encode()) for each in range(FILES_MAX)]
        record_answer(desk, people["dana"], report, f"a{number}", channel="phone", files=some)
    with pytest.raises(Refusal, match="more than 50 files"):
        record_answer(desk, people["dana"], report, "x", channel="phone", files=[examined("b.pdf", PDF)])
    for number in range(REPORT_FILES_MAX // FILES_MAX, ANSWERS_MAX):
        clock.advance(timedelta(seconds=1))
        record_answer(desk, people["dana"], report, f"a{number}", channel="phone")
    assert claim(desk, people["dana"], report).answers[-1]["body"] == f"a{ANSWERS_MAX - 1}"
    with pytest.raises(WrongState, match="which is the most"):
        record_answer(desk, people["dana"], report, "x", channel="phone")


def test_the_same_files_in_another_order(
    market: Market, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers with the same files at one moment do not wait for each other in a ring."""
    reports = [market.claim(people["dana"], name) for name in ("a", "b")]
    one, other = (examined("x.pdf", PDF + sign) for sign in (b"1", b"2"))
    both, refused, original = threading.Barrier(2), [], files.keep

    def keep(conn: Any, file: Any) -> str:
        kept = original(conn, file)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return kept

    def send(report: str, some: list[Any]) -> None:
        try:
            record_answer(desk, people["dana"], report, "Here", channel="phone", files=some)
        except Refusal as refusal:
            refused.append(refusal)

    monkeypatch.setattr(files, "keep", keep)
    threads = [
        threading.Thread(target=send, args=(reports[0], [one, other])),
        threading.Thread(target=send, args=(reports[1], [other, one])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []


# -- mails -----------------------------------------------------------------------------------------------


def mail_of(market: Market, charge_id: str, pro_id: str, state: str = "proposed") -> int:
    """A mail of a pro that waits."""
    market.write(
        """INSERT INTO refunds.received_mails (fingerprint, mailbox, message_id, from_name, from_address,
            subject, body, received_at, state, why, pro_id, charge_id, reason)
        VALUES (:f, 'm', '', '', 'a@pros.example', 's', 'They said no', :at, :s, 'w', :p, :c, 'clear_no')""",
        f=f"{charge_id} {state}",
        at=market.desk.clock(),
        s=state,
        p=pro_id,
        c=charge_id,
    )
    return int(market.one("SELECT max(received_id) FROM refunds.received_mails"))


def charged(market: Market, name: str) -> str:
    """A charge of a pro with a first "no"."""
    pro, lead = market.pro(f"pro-{name}"), market.lead(f"lead-{name}")
    market.pay(f"pay-{name}", pro, 2500)
    market.charge(f"charge-{name}", lead, pro, 2500)
    market.say(f"m1-{name}", lead, pro, "pro", "I can do it for $240.")
    market.say(f"m2-{name}", lead, pro, "customer", "No thanks")
    return f"charge-{name}"


def test_a_mail_that_came_in_time_is_in_time(
    market: Market, desk: Desk, people: People, clock: Clock
) -> None:
    """Reported when the mail came, however late somebody files it: the window and the hours run from then."""
    charge = charged(market, "a")
    clock.advance(timedelta(days=29))
    came, mail = clock.now, mail_of(market, charge, "pro-a")
    clock.advance(timedelta(days=2))
    draft = Draft(charge, "clear_no", channel="email")
    assert prospect(desk, people["dana"], draft).is_late
    assert not prospect(desk, people["dana"], draft, came).is_late
    report = file_report(desk, people["dana"], draft, received_id=mail)
    it = claim(desk, people["dana"], report)
    assert (it.assessment.recommendation, it.report["reported_at"]) == ("approve", came)
    assert it.report["deadline_at"] == came + timedelta(hours=48)
    assert it.timeline[0]["at"] == clock.now


def test_a_mail_goes_with_its_own_report_only(market: Market, desk: Desk, people: People) -> None:
    """Another charge, another pro, a mail that is handled: refused, and nothing is filed."""
    mine, other = charged(market, "a"), charged(market, "b")
    mail = mail_of(market, mine, "pro-a")
    with pytest.raises(WrongState, match="placed elsewhere"):
        file_report(desk, people["dana"], Draft(other, "clear_no"), received_id=mail)
    theirs = file_report(desk, people["dana"], Draft(other, "clear_no"))
    with pytest.raises(WrongState, match="of another pro"):
        record_answer(desk, people["dana"], theirs, "Words", channel="email", received_id=mail)
    report = file_report(desk, people["dana"], Draft(mine, "clear_no"), received_id=mail)
    with pytest.raises(WrongState, match=f"filed as {report}"):
        record_answer(desk, people["dana"], report, "Words", channel="email", received_id=mail)


def test_a_mail_answers_and_appeals(market: Market, desk: Desk, people: People) -> None:
    """A mail that waits can be put beside a report: as an answer, and as what is new in an appeal."""
    report = market.claim(people["dana"])
    ask_pro(desk, people["dana"], report, "Which?")
    first = mail_of(market, "charge-a", "pro-a", "unplaced")
    record_answer(desk, people["eli"], report, "That one", channel="email", received_id=first)
    assert claim(desk, people["dana"], report).report["state"] == "open"
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="No")
    second = mail_of(market, "charge-a", "pro-a")
    reopen(desk, people["mo"], report, "What they wrote", received_id=second)
    filed = "SELECT count(*) FROM refunds.received_mails WHERE state = 'filed' AND report_id = :r"
    assert market.one(filed, r=report) == 2


# -- readers who see nobody ------------------------------------------------------------------------------


def test_a_viewer_reaches_nobody(market: Market, desk: Desk, people: People) -> None:
    """No name, number or address of a customer in any part of a claim, of the pro's view, or by search."""
    charge = charged(market, "a")
    words = "Call Cal Customer at 650-253-0000 or cal@customers.example"
    report = file_report(
        desk,
        people["dana"],
        Draft(charge, "invalid_phone", words, number_tried="+1 650-253-0000"),
        [examined("Cal Customer 650-253-0000.pdf", PDF)],
    )
    ask_pro(desk, people["dana"], report, words)
    shown = [
        claim(desk, people["vic"], report),
        claim_json(desk, people["vic"], report),
        see_as_pro(desk, people["vic"], report),
    ]
    record_answer(desk, people["dana"], report, words, channel="phone")
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason=words)
    reopen(desk, people["mo"], report, words)
    shown += [claim(desk, people["vic"], report), see_as_pro(desk, people["vic"], report)]
    secrets = ("253-0000", "cal@customers", "Cal Customer")
    told = [(secret, part) for part in map(repr, shown) for secret in secrets if secret in part]
    assert [(secret, part[part.index(secret) - 80 :][:160]) for secret, part in told] == []
    assert find(desk, people["vic"], "cal@customers.example").people == []
    assert len(page(desk, people["vic"], Scope(pro_id="pro-a"), Filters(customer="650-253-01")).rows) == 1


def test_admin_adds_no_eyes(market: Market, desk: Desk, people: People) -> None:
    """A viewer who manages people as well reads masked all the same."""
    both = Person("x", "X", frozenset({"viewer", "admin"}))
    charge = charged(market, "a")
    report = file_report(desk, people["dana"], Draft(charge, "other"), [examined("b.pdf", PDF)])
    it = claim(desk, both, report)
    assert it.facts["customer"]["email"] == ""
    with pytest.raises(Refusal):
        attachment(desk, both, report, it.attachments[0]["sha256"])
    assert conversations.conversation(desk, both, "lead-a", "pro-a").row["customer_name"] == "•••"


def test_taken_back(market: Market, desk: Desk, people: People) -> None:
    """An approval that was undone is told as taken back."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="1")
    undo(desk, people["mo"], report, "By mistake")
    (told,) = see_as_pro(desk, people["dana"], report).decisions
    assert told.taken_back
