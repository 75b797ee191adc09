"""The mailbox: nothing is lost or doubled, whoever stops it where; and what a person does by hand."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refundlib.config import Settings, read_settings
from refundlib.db.queries import queries
from refundlib.domain.errors import (
    BadFigure,
    NotAllowed,
    NotFound,
    ReasonMissing,
    RefundedBefore,
    ReportedBefore,
    WrongState,
)
from refundlib.domain.people import Person
from refundlib.domain.placing import report_of
from refundlib.domain.received_mail import Fetched, MailboxClosed, Position
from refundlib.mail import mailboxes
from refundlib.mail.mailboxes import FolderMailbox, ImapMailbox, mailbox
from refundlib.mail.reading import fingerprint, read
from refundlib.services import mailbox as service
from refundlib.services import received
from refundlib.services.answers import record_answer
from refundlib.services.claims import claim
from refundlib.services.desk import Desk, NoMailbox
from refundlib.services.files import File, examined, keep
from refundlib.services.intake import Draft, file_report
from refundlib.services.mailbox import propose_again, read_all, read_mailbox
from refundlib.services.triage import lock_report, reopen
from refundlib.worker import main
from tests.conftest import Clock, maintenance, opened_desk
from tests.mail.stopping import environment, killed_while_held, refunds
from tests.mail.thirty import MOSS, PDF, Scene, message, scene
from tests.market import Market

People = dict[str, Person]
# A row of a mail that nobody committed: whoever writes the same mail waits for it.
HOLD_A_MAIL = """INSERT INTO refunds.received_mails (
    fingerprint, mailbox, message_id, from_name, from_address, subject, body, received_at, state, why)
    VALUES (%s, 'held', '', '', '', '', '', now(), 'unplaced', 'held')"""
HOLD_A_REPORT = "SELECT FROM refunds.reports WHERE report_id = %s FOR UPDATE"


def refund_mail(number: int) -> bytes:
    """A mail of Moss about the first conversation, one of many."""
    return message(f"CH-01, mail {number}", "They said no.").as_bytes()


def answer_mail(it: Scene) -> bytes:
    """Moss's answer to our question, with a file."""
    mail = message("Re: A question", "It was 650 253 0000.", In_Reply_To=it.question_id)
    mail.add_attachment(PDF, "application", "pdf", filename="bill.pdf")
    return mail.as_bytes()


def write(folder: Path, *mails: bytes) -> Path:
    """A folder with mails, the oldest first, written a while ago."""
    folder.mkdir(exist_ok=True)
    for mail in mails:
        number = len(list(folder.iterdir()))
        path = folder / f"{number:02}.eml"
        path.write_bytes(mail)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def kept(market: Market) -> int:
    """How many mails are kept."""
    return int(market.one("SELECT count(*) FROM refunds.received_mails"))


# -- answers --------------------------------------------------------------------------------------------


def test_an_answer_lands_and_starts_the_clock(
    market: Market, desk: Desk, people: People, tmp_path: Path, clock: Clock
) -> None:
    """It is on the claim with its file and the mail itself; the deadline moves by the pause; once."""
    it = scene(market)
    deadline = market.one("SELECT deadline_at FROM refunds.reports WHERE report_id = :r", r=it.asked)
    clock.advance(timedelta(hours=5))
    folder = write(tmp_path / "in", answer_mail(it))
    assert read_all(desk, mailbox(str(folder)))["answer"] == 1
    assert read_all(desk, mailbox(str(folder)))["known"] == 1
    state = "SELECT state FROM refunds.reports WHERE report_id = :r"
    moved = "SELECT deadline_at FROM refunds.reports WHERE report_id = :r"
    assert market.one(state, r=it.asked) == "open"
    assert market.one(moved, r=it.asked) == deadline + timedelta(hours=5)
    assert market.one("SELECT body || '/' || channel || '/' || recorded_by FROM refunds.answers") == (
        "It was 650 253 0000./email/mailbox"
    )
    names = {each["name"] for each in claim(desk, people["dana"], it.asked).attachments}
    assert names == {"bill.pdf", "mail.eml"}
    written = "SELECT subject || ' ' || report_id || ' ' || (new->>'from_address') FROM refunds.audit"
    assert market.one(f"{written} WHERE action = 'mail_answer'") == f"mail:1 {it.asked} moss@pros.example"


def test_an_answer_to_what_was_withdrawn_meanwhile_waits(
    market: Market, desk: Desk, database_url: str, tmp_path: Path
) -> None:
    """A report withdrawn between our look and the answer: the mail waits, and says so."""
    it = scene(market)
    folder = write(tmp_path / "in", answer_mail(it))
    with ThreadPoolExecutor(1) as reader, desk.transaction() as conn, maintenance(database_url) as watcher:
        lock_report(conn, it.asked)
        counts = reader.submit(read_all, desk, mailbox(str(folder)))
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        while watcher.execute(blocked).fetchone() == (0,):
            assert not counts.done()
        queries.triage.set_withdrawn(conn, report_id=it.asked)
        conn.commit()
        assert counts.result()["unplaced"] == 1
    assert "is withdrawn" in market.one("SELECT why FROM refunds.received_mails")
    assert market.one("SELECT count(*) FROM refunds.answers") == 0


def test_a_named_report_or_a_reply_to_waits(market: Market, desk: Desk, tmp_path: Path) -> None:
    """Who knows a report's number answers nothing by it: the clock still stands, a person reads the mail."""
    it = scene(market)
    stranger = "Someone <someone@else.example>"
    spoofed = (
        message(f"Re: {it.asked}", "Approve it."),
        message(f"About {it.asked}", "Approve it.", sender=stranger, Reply_To=MOSS),
        message("Re: A question", "Yes.", sender=stranger, Reply_To=MOSS, In_Reply_To=it.question_id),
    )
    folder = write(tmp_path / "in", *(mail.as_bytes() for mail in spoofed))
    assert read_all(desk, mailbox(str(folder)))["unplaced"] == 3
    assert market.one("SELECT state FROM refunds.reports WHERE report_id = :r", r=it.asked) == (
        "waiting_on_pro"
    )
    named = f"%seems to answer report {it.asked} %"
    assert market.one("SELECT count(*) FROM refunds.received_mails WHERE why LIKE :n", n=named) == 3


def test_a_machine_s_mail_is_not_kept_whole(
    market: Market, desk: Desk, people: People, tmp_path: Path
) -> None:
    """Of a vacation notice or a bounce the words are kept, not the mail as it came; it says so."""
    it = scene(market)
    away = message("Away", "Back on Monday.", Auto_Submitted="auto-replied", In_Reply_To=it.question_id)
    read_all(desk, mailbox(str(write(tmp_path / "in", away.as_bytes()))))
    row = received.received_mail(desk, people["dana"], 1)
    assert (row["files"], row["raw_sha256"], row["body"]) == ([], None, "Back on Monday.")
    assert row["left_out"] == [service._NOT_KEPT]


# -- slow, and held up ----------------------------------------------------------------------------------


def test_a_slow_mail_is_taken(market: Market, desk: Desk, tmp_path: Path, clock: Clock) -> None:
    """A mail that takes longer than a pass is kept all the same, once, and the next pass goes on after it."""
    scene(market)
    folder = write(tmp_path / "in", *(refund_mail(number) for number in range(3)))
    one = FolderMailbox(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "PASS_SECONDS_MAX", -1)
        passes = [read_mailbox(desk, one) for _ in range(4)]
    assert [(work["proposed"], work["known"], work.more) for work in passes] == [
        (1, 0, True), (1, 0, True), (1, 0, True), (0, 0, False),
    ]  # fmt: skip
    assert kept(market) == 3


def test_what_was_not_kept_is_read_again(market: Market, desk: Desk, tmp_path: Path) -> None:
    """A mail of a folder whose transaction failed comes again in the next pass."""
    scene(market)
    one = FolderMailbox(write(tmp_path / "in", refund_mail(0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "_take", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            read_mailbox(desk, one)
    assert read_mailbox(desk, one)["proposed"] == 1


def _pdfs() -> list[File]:
    """Two files, by their hash."""
    files = [examined(f"{n}.pdf", PDF + b"%" + bytes([n])) for n in b"ab"]
    return sorted(files, key=lambda file: file.sha256)


def _wait_until_blocked(watcher: Any, done: Callable[[], bool]) -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    while watcher.execute(blocked).fetchone() == (0,):
        assert not done()


def test_files_are_kept_in_one_order(market: Market, desk: Desk, database_url: str, tmp_path: Path) -> None:
    """Somebody keeps the same two files at once: each waits for the other in one order, never in a ring."""
    scene(market)
    low, high = _pdfs()
    mail = message("CH-01 with files", "They said no.")
    for file in (high, low):
        mail.add_attachment(file.content, "application", "pdf", filename=file.name)
    folder = write(tmp_path / "in", mail.as_bytes())
    with ThreadPoolExecutor(1) as reader, maintenance(database_url) as watcher:
        with desk.transaction() as conn:
            keep(conn, low)
            counts = reader.submit(read_all, desk, mailbox(str(folder)))
            _wait_until_blocked(watcher, counts.done)
            keep(conn, high)
        assert counts.result()["proposed"] == 1


def test_a_report_is_locked_before_files(
    market: Market, desk: Desk, database_url: str, tmp_path: Path
) -> None:
    """Somebody holds an answer's report, then keeps its file: as everywhere, the report comes first."""
    it = scene(market)
    folder = write(tmp_path / "in", answer_mail(it))
    with ThreadPoolExecutor(1) as reader, maintenance(database_url) as watcher:
        with desk.transaction() as conn:
            lock_report(conn, it.asked)
            counts = reader.submit(read_all, desk, mailbox(str(folder)))
            _wait_until_blocked(watcher, counts.done)
            keep(conn, examined("bill.pdf", PDF))
        assert counts.result()["answer"] == 1


# -- stopped --------------------------------------------------------------------------------------------


def test_stopped_and_started_again(market: Market, desk: Desk, tmp_path: Path) -> None:
    """Read in small passes by readers that know nothing of each other, each mail is there once."""
    scene(market)
    folder = write(tmp_path / "in", *(refund_mail(number) for number in range(7)))
    one = mailbox(str(folder))
    work = read_mailbox(desk, one, 3)
    assert (work["proposed"], work.more) == (3, True)
    assert read_mailbox(desk, mailbox(str(folder)), 5).counts == {
        "proposed": 2, "unplaced": 0, "answer": 0, "known": 3,
    }  # fmt: skip
    assert read_all(desk, one) == {"proposed": 2, "unplaced": 0, "answer": 0, "known": 2}
    assert read_all(desk, one) == dict.fromkeys(service.KINDS, 0)
    assert kept(market) == 7


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("at", ["a mail", "an answer"])
def test_killed_in_the_middle(market: Market, database_url: str, tmp_path: Path, at: str) -> None:
    """Killed while a mail is kept, or an answer lands: nothing of it is there, and the next run has all."""
    it = scene(market)
    mails = [refund_mail(0), refund_mail(1), answer_mail(it), refund_mail(2), refund_mail(3)]
    folder = write(tmp_path / "in", *mails)
    around = environment(database_url, tmp_path)
    if at == "a mail":
        held, values, before = HOLD_A_MAIL, [fingerprint(mails[1])], 1
    else:
        held, values, before = HOLD_A_REPORT, [it.asked], 2
    files_before = market.one("SELECT count(*) FROM refunds.files")
    killed_while_held(database_url, held, values, around, "mailbox", str(folder))
    assert kept(market) == before
    assert market.one("SELECT count(*) FROM refunds.files") == files_before + before
    assert market.one("SELECT count(*) FROM refunds.answers") == 0
    done = refunds(around, "mailbox", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["known"], counts["answer"]) == (before, 1)
    assert kept(market) == 5
    assert market.one("SELECT count(*) FROM refunds.answers") == 1


def test_a_mail_nobody_can_place_stops_nobody(market: Market, desk: Desk, tmp_path: Path) -> None:
    """One that the database will not have where it belongs waits, with a sentence, and the next is read."""
    scene(market)
    market.write(
        """ALTER TABLE refunds.received_mails
        ADD CHECK (state <> 'proposed' OR subject NOT LIKE '%mail 0%')"""
    )
    counts = read_all(desk, mailbox(str(write(tmp_path / "in", refund_mail(0), refund_mail(1)))))
    assert (counts["unplaced"], counts["proposed"]) == (1, 1)
    why = market.one("SELECT why FROM refunds.received_mails WHERE state = 'unplaced'")
    assert why == "The desk could not place it by itself (CheckViolation)."


def test_a_second_reader_leaves_the_mailbox_to_the_first(market: Market, desk: Desk) -> None:
    """A reader that finds the mailbox further than it thought takes nothing: no mail is passed over."""
    scene(market)
    reads = FolderMailbox(Path("/nowhere"))
    service._position(desk, reads.name)
    market.write("UPDATE refunds.mailboxes SET last_uid = 7")
    fetched = Fetched(read(refund_mail(0)), Position(0, 1))
    assert service._take(desk, reads.name, Position(0, 0), fetched) is None
    assert kept(market) == 0


# -- folders --------------------------------------------------------------------------------------------


def test_which_files_are_mails(tmp_path: Path) -> None:
    """.eml files and a Maildir's, not those still being written; and no file is changed."""
    names = (
        "a.eml", "B.EML", "cur/1:2,S", "new/2", "tmp/3", "deep/c.eml", "notes.txt", ".hidden.eml",
        "d.eml.part", ".Trash/cur/4", "empty.eml", "e.eml.tmp",
    )  # fmt: skip
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.eml" else f"Subject: {name}\n\nx".encode())
    (tmp_path / "link.eml").symlink_to(tmp_path / "notes.txt")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = {each.mail.subject for each in mailbox(f"file://{tmp_path}").mails(Position(), 50)}
    assert found == {"a.eml", "B.EML", "cur/1:2,S", "new/2", "deep/c.eml"}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_a_growing_file_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows while we look is left for the next pass, and read whole then."""
    growing = tmp_path / "g.eml"
    growing.write_bytes(b"Subject: g\n\nhalf")
    wait = mailboxes.time.sleep

    def grow(seconds: float) -> None:
        wait(0.02)
        growing.write_bytes(b"Subject: g\n\nhalf and half")

    reader = mailbox(str(tmp_path))
    monkeypatch.setattr(mailboxes.time, "sleep", grow)
    assert list(reader.mails(Position(), 50)) == []
    monkeypatch.setattr(mailboxes.time, "sleep", wait)
    assert [each.mail.body for each in reader.mails(Position(), 50)] == ["half and half"]


def test_a_folder_that_is_not_there(tmp_path: Path, desk: Desk) -> None:
    """It is one sentence."""
    with pytest.raises(MailboxClosed, match="cannot be read"):
        read_all(desk, mailbox(str(tmp_path / "nothing")))


# -- settings, worker, command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "imaps://host/INBOX",
        "imaps://user:secret@/INBOX",
        "imaps://user:secret@host:x/",
        "imaps://user:sec%0Aret@host/",
        "imap://user:secret@mail.example.com/",
        "pop3://user:secret@host",
        "file://host/path",
    ],
)
def test_mailboxes_that_cannot_be(source: str) -> None:
    """Each is a sentence, without the password."""
    with pytest.raises(BadFigure) as refused:
        mailbox(source)
    assert "secret" not in str(refused.value)


def test_mailboxes_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL names server, user, password and folder; no setting, no mailbox; the password is not shown."""
    it = mailbox("imaps://me%40x.example:p%2Fw@mail.example.com/Archive/2026")
    assert isinstance(it, ImapMailbox)
    assert (it.user, it.password, it.port, it.folder) == ("me@x.example", "p/w", 993, "Archive/2026")
    assert "p/w" not in repr(it) + it.name
    assert isinstance(mailbox(None), NoMailbox)
    monkeypatch.setenv("REFUNDS_MAILBOX_URL", "pop3://user:secret@host")
    with pytest.raises(BadFigure, match="REFUNDS_MAILBOX_URL cannot be used") as refused:
        read_settings()
    assert "secret" not in str(refused.value)


def test_the_worker_reads_the_mailbox(
    market: Market, database_url: str, clock: Clock, settings: Settings, tmp_path: Path
) -> None:
    """A worker of a desk with a mailbox reads it; of one without, nothing happens."""
    scene(market)
    folder = write(tmp_path / "in", refund_mail(0))
    assert "read_mailbox" not in main.run(market.desk, once=True).done
    chosen = Settings(**{**settings.model_dump(), "mailbox_url": f"file://{folder}"})
    with opened_desk(database_url, clock, chosen) as worker:
        assert main.run(worker, once=True).done["read_mailbox"]["proposed"] == 1
    assert kept(market) == 1


@pytest.mark.process
@pytest.mark.slow
def test_command_line(market: Market, database_url: str, tmp_path: Path) -> None:
    """`refunds mailbox` says what it did in words; without a mailbox, or with a bad one, what to do."""
    scene(market)
    folder = write(tmp_path / "in", refund_mail(0))
    around = environment(database_url, tmp_path)
    done = refunds(around, "mailbox", str(folder))
    assert (done.returncode, "1 propose a report" in done.stdout) == (0, True)
    done = refunds(around | {"REFUNDS_MAILBOX_URL": f"file://{folder}"}, "mailbox", "--json")
    assert json.loads(done.stdout)["known"] == 1
    for words in ([], [str(tmp_path / "nothing")], ["imaps://user:secret@host:0/"]):
        done = refunds(around, "mailbox", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("refunds: ")
        assert "Traceback" not in done.stderr
        assert "secret" not in done.stderr


# -- by hand --------------------------------------------------------------------------------------------


def test_placed_and_filed_by_hand(market: Market, desk: Desk, people: People, tmp_path: Path) -> None:
    """An unplaced mail gets a charge from a person, and is filed with its evidence; then nobody can again."""
    scene(market)
    mail = message("Hello", "I want a refund.")
    mail.add_attachment(PDF, "application", "pdf", filename="bill.pdf")
    read_all(desk, mailbox(str(write(tmp_path / "in", mail.as_bytes()))))
    with pytest.raises(NotFound):
        propose_again(desk, people["dana"], 1, "CH-nope", "clear_no")
    with pytest.raises(BadFigure):
        propose_again(desk, people["dana"], 1, "CH-01", "no reason")
    with pytest.raises(RefundedBefore):
        propose_again(desk, people["dana"], 1, "CH-12", "clear_no")
    with pytest.raises(ReportedBefore):
        propose_again(desk, people["dana"], 1, "CH-11", "clear_no")
    with pytest.raises(WrongState, match="of another pro"):
        propose_again(desk, people["dana"], 1, "CH-90", "clear_no")
    propose_again(desk, people["dana"], 1, "CH-01", "clear_no")
    row = received.received_mail(desk, people["dana"], 1)
    assert (row["state"], row["charge_id"], row["pro_id"]) == ("proposed", "CH-01", "moss")
    report = file_report(desk, people["dana"], Draft("CH-01", "clear_no", channel="email"), received_id=1)
    assert received.received_mail(desk, people["dana"], 1)["report_id"] == report
    names = {each["name"] for each in claim(desk, people["dana"], report).attachments}
    assert names == {"bill.pdf", "mail.eml"}
    with pytest.raises(WrongState):
        propose_again(desk, people["dana"], 1, "CH-02", "clear_no")
    record_answer(desk, people["dana"], report, "Nothing more.", channel="phone")


def test_put_aside_and_taken_up_again(
    market: Market, desk: Desk, people: People, tmp_path: Path, clock: Clock
) -> None:
    """A mail that was put aside by mistake waits again, with the reason, and can be placed."""
    scene(market)
    read_all(desk, mailbox(str(write(tmp_path / "in", refund_mail(0)))))
    dana = people["dana"]
    with pytest.raises(WrongState):
        received.take_up_again(desk, dana, 1, "It waits already.")
    received.dismiss(desk, dana, 1, "Spam")
    with pytest.raises(ReasonMissing):
        received.take_up_again(desk, dana, 1, " ")
    with pytest.raises(NotFound):
        received.take_up_again(desk, dana, 9, "It is none.")
    received.take_up_again(desk, dana, 1, "It is Moss's after all.")
    row = received.received_mail(desk, dana, 1)
    assert (row["state"], row["why"], row["handled_at"]) == ("unplaced", "It is Moss's after all.", None)
    audited = "SELECT actor || ' ' || reason FROM refunds.audit WHERE action = 'mail_taken_up'"
    assert market.one(audited) == "dana It is Moss's after all."
    propose_again(desk, dana, 1, "CH-01", "clear_no")


def test_who_waits_longest_comes_first(
    market: Market, desk: Desk, people: People, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proposed and unplaced mails are one line, page by page, none twice and none left out."""
    scene(market)
    folder = tmp_path / "in"
    for number in range(5):
        mail = refund_mail(number) if number % 2 else message(f"{number}", "Hi").as_bytes()
        read_all(desk, mailbox(str(write(folder, mail))))
        clock.advance(timedelta(hours=1))
    market.write("UPDATE refunds.received_mails SET received_at = '2020-01-01Z' WHERE received_id = 4")
    received.dismiss(desk, people["dana"], 2, "Spam")
    monkeypatch.setattr(received, "PAGE_ROWS", 2)
    pages, after = [], None
    while page := received.waiting_page(desk, people["dana"], after=after):
        pages.append([row["received_id"] for row in page])
        after = page[-1]["received_id"]
    assert pages == [[4, 1], [3, 5]]


def test_files_are_read_one_at_a_time(market: Market, desk: Desk, people: People, tmp_path: Path) -> None:
    """A mail names its files with their sizes; the content of one comes when it is asked for."""
    it = scene(market)
    read_all(desk, mailbox(str(write(tmp_path / "in", answer_mail(it), refund_mail(0)))))
    row = received.received_mail(desk, people["dana"], 1)
    assert [(each["name"], each["media_type"]) for each in row["files"]] == [
        ("bill.pdf", "application/pdf"),
        ("mail.eml", "message/rfc822"),
    ]
    assert {"name", "media_type", "size_bytes", "sha256"} == set(row["files"][0])
    for each, content in zip(row["files"], (PDF, answer_mail(it)), strict=True):
        file = received.received_file(desk, people["dana"], 1, each["sha256"])
        assert (file.name, len(file.content)) == (each["name"], each["size_bytes"])
        assert len(content) == each["size_bytes"]
        with pytest.raises(NotFound):
            received.received_file(desk, people["dana"], 2, each["sha256"])


def test_a_waiting_mail_answers_or_appeals_a_report(
    market: Market, desk: Desk, people: People, tmp_path: Path
) -> None:
    """By hand it lands beside a report that is there: an open one is answered, a denied one opened again."""
    it = scene(market)
    mails = (
        message(f"More about {it.asked}", "It was 650 253 0000."),
        message(f"Re: {it.denied}", "Here is the proof."),
    )
    read_all(desk, mailbox(str(write(tmp_path / "in", *(mail.as_bytes() for mail in mails)))))
    rows = [received.received_mail(desk, people["dana"], number) for number in (1, 2)]
    assert [report_of(row["why"]) for row in rows] == [it.asked, it.denied]
    record_answer(desk, people["dana"], it.asked, rows[0]["body"], channel="email", received_id=1)
    reopen(desk, people["mo"], it.denied, "The pro sent a proof.", received_id=2)
    rows = [received.received_mail(desk, people["dana"], number) for number in (1, 2)]
    assert [(row["state"], row["report_id"]) for row in rows] == [("filed", it.asked), ("filed", it.denied)]
    for report in (it.asked, it.denied):
        found = claim(desk, people["dana"], report)
        assert (found.report["state"], [each["name"] for each in found.attachments]) == ("open", ["mail.eml"])


@pytest.mark.parametrize("person_id", ["vic", "ada"])
def test_nothing_for_viewers(desk: Desk, people: People, person_id: str) -> None:
    """Viewers and admins read no mail of a pro, count none and place none."""
    actor = people[person_id]
    for deed in (
        lambda: received.waiting(desk, actor),
        lambda: received.received(desk, actor, "unplaced"),
        lambda: received.received_mail(desk, actor, 1),
        lambda: received.waiting_page(desk, actor),
        lambda: received.received_file(desk, actor, 1, "0" * 64),
        lambda: received.dismiss(desk, actor, 1, "spam"),
        lambda: received.take_up_again(desk, actor, 1, "no spam"),
        lambda: propose_again(desk, actor, 1, "CH-01", "clear_no"),
    ):
        with pytest.raises(NotAllowed):
            deed()
