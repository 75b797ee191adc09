"""The outbox and a real mail server: nothing is called sent that the server did not accept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from refundlib.config import Settings
from refundlib.domain.errors import BadFigure
from refundlib.domain.people import Person
from refundlib.mail.smtp import mailer
from refundlib.services import mailing
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.mailing import ATTEMPTS_MAX, NO_SERVER, back_off, send_due
from tests.conftest import Clock, opened_desk
from tests.mail.server import MailServer, free_port, mail_server
from tests.market import Market

People = dict[str, Person]
TO_A = "pro-a@pros.example"


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A mail server that accepts everything at first."""
    with mail_server() as server:
        yield server


@pytest.fixture
def sender(database_url: str, clock: Clock, settings: Settings, server: MailServer) -> Iterator[Desk]:
    """The worker's desk: it hands mail to the server."""
    with opened_desk(database_url, clock, settings.model_copy(update={"smtp_url": server.url})) as sender:
        yield sender


@pytest.fixture
def approved(market: Market, desk: Desk, people: People) -> str:
    """A report whose approval is to be mailed."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    return report


def state(market: Market) -> tuple[str, int]:
    """State and tries of the only mail."""
    value = market.one("SELECT state || ' ' || attempts FROM refunds.outbox")
    return value.split()[0], int(value.split()[1])


def test_accepted_mail_is_sent_once(
    approved: str, market: Market, sender: Desk, server: MailServer, people: People
) -> None:
    """The server gets the very words of the outbox under its Message-ID, once however often we work."""
    kept = mailing.mail(sender, people["dana"], market.one("SELECT mail_id FROM refunds.outbox"))
    assert send_due(sender)["sent"] == 1
    assert send_due(sender)["sent"] == 0
    (mail,) = server.rules.mails
    assert (mail["Message-ID"], mail["Subject"]) == (kept["message_id"], kept["subject"])
    assert mail.get_content().splitlines() == kept["body"].splitlines()
    assert mail["To"] == f"Pro-A Services <{TO_A}>"
    assert state(market) == ("sent", 1)


def test_550_is_final(approved: str, market: Market, sender: Desk, server: MailServer, clock: Clock) -> None:
    """A recipient refused for good is never tried again, and the server's words are kept."""
    server.rules.recipients[TO_A] = "550 no such mailbox"
    assert send_due(sender)["refused"] == 1
    clock.advance(timedelta(days=2))
    assert not send_due(sender).is_anything
    assert "550 no such mailbox" in market.one("SELECT last_error FROM refunds.outbox")
    assert state(market) == ("refused", 1)


@pytest.mark.parametrize("trouble", ["450 at RCPT", "451 at DATA", "connection dropped"])
def test_trouble_delays(
    approved: str, market: Market, sender: Desk, server: MailServer, clock: Clock, trouble: str
) -> None:
    """After a passing refusal or a lost line the mail rests, then goes out under the same Message-ID."""
    message_id = market.one("SELECT message_id FROM refunds.outbox")
    if trouble.startswith("450"):
        server.rules.recipients[TO_A] = "450 greylisted"
    elif trouble.startswith("451"):
        server.rules.content = "451 try later"
    else:
        server.rules.drops = 1
    assert send_due(sender)["delayed"] == 1
    assert state(market) == ("queued", 1)
    server.rules.recipients.clear()
    server.rules.content = ""
    assert not send_due(sender).is_anything, "it rests before it is tried again"
    clock.advance(back_off(1))
    assert send_due(sender)["sent"] == 1
    assert [mail["Message-ID"] for mail in server.rules.mails] == [message_id]


def test_one_bad_address_stops_nobody(
    market: Market, desk: Desk, sender: Desk, server: MailServer, people: People
) -> None:
    """Beside a mail that is refused the others go out in the same pass."""
    for name in "abc":
        report = market.claim(people["dana"], name)
        decide(desk, people["dana"], report, "approve", idempotency_key=name)
    server.rules.recipients["pro-b@pros.example"] = "550 no such mailbox"
    work = send_due(sender)
    assert (work["sent"], work["refused"]) == (2, 1)


def test_server_down_ends_the_pass(
    market: Market, desk: Desk, people: People, database_url: str, clock: Clock, settings: Settings
) -> None:
    """When nobody listens, one mail finds out and the others do not lose a try."""
    for name in "ab":
        report = market.claim(people["dana"], name)
        decide(desk, people["dana"], report, "approve", idempotency_key=name)
    nobody = settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{free_port()}?timeout=1"})
    with opened_desk(database_url, clock, nobody) as sender:
        assert send_due(sender)["delayed"] == 1
    assert market.one("SELECT sum(attempts) FROM refunds.outbox") == 1


def test_gives_up_at_last(
    approved: str, market: Market, sender: Desk, server: MailServer, clock: Clock
) -> None:
    """A mail delayed for days is refused in the end, and says so."""
    server.rules.recipients[TO_A] = "450 not today"
    for attempt in range(1, ATTEMPTS_MAX + 1):
        send_due(sender)
        clock.advance(back_off(attempt))
    assert state(market) == ("refused", ATTEMPTS_MAX)
    assert "Given up after 24 tries" in market.one("SELECT last_error FROM refunds.outbox")


def test_workers_share_the_mail(
    market: Market, desk: Desk, sender: Desk, server: MailServer, people: People
) -> None:
    """Four workers at once: each mail is handed over once."""
    for number in range(12):
        report = market.claim(people["dana"], f"n{number}")
        decide(desk, people["dana"], report, "approve", idempotency_key=f"k{number}")
    with ThreadPoolExecutor(4) as workers:
        done = list(workers.map(lambda _: send_due(sender), range(4)))
    assert sum(work["sent"] for work in done) == 12
    assert len({mail["Message-ID"] for mail in server.rules.mails}) == len(server.rules.mails) == 12


def test_a_dead_workers_mail_comes_back(
    approved: str, market: Market, sender: Desk, server: MailServer, clock: Clock
) -> None:
    """A mail whose worker died goes out when its lease ends, not before."""
    assert mailing._claim(sender) is not None
    assert not send_due(sender).is_anything
    clock.advance(timedelta(minutes=mailing.LEASE_MINUTES))
    assert send_due(sender)["sent"] == 1


def test_without_a_server(approved: str, market: Market, desk: Desk, people: People) -> None:
    """Without a mail server the mail waits untouched, readable, and says why."""
    assert not send_due(desk).is_anything
    (row,) = mailing.mails(desk, people["dana"], report_id=approved)
    assert (row["status"], row["attempts"]) == (NO_SERVER, 0)


def test_viewers_read_masked_mail(approved: str, market: Market, desk: Desk, people: People) -> None:
    """A viewer reads a mail without the pro's name and address."""
    mail_id = market.one("SELECT mail_id FROM refunds.outbox")
    seen = mailing.mail(desk, people["vic"], mail_id)
    assert "Pro-A" not in seen["body"] + seen["subject"] + seen["to_name"]
    assert "@" not in seen["to_address"] + seen["body"]


def test_no_header_can_be_added(market: Market, desk: Desk, sender: Desk, server: MailServer) -> None:
    """A pro named with a line break adds no header to the mail."""
    market.pro("pro-a")
    market.write("UPDATE marketplace.pros SET name = E'Eve\\r\\nBcc: all@pros.example'")
    from tests.conftest import PEOPLE

    lead = market.lead("lead-a")
    market.pay("pay-a", "pro-a", 2500)
    market.charge("charge-a", lead, "pro-a", 2500)
    from refundlib.services.intake import Draft, file_report

    report = file_report(desk, PEOPLE["dana"], Draft(charge_id="charge-a", reason="invalid_phone"))
    decide(desk, PEOPLE["dana"], report, "approve", idempotency_key="k", reason="Tried it.")
    assert send_due(sender)["sent"] == 1
    (mail,) = server.rules.mails
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].display_name == "Eve Bcc: all@pros.example"


@pytest.mark.parametrize("url", ["smtp://", "smtp://host:0", "smtp://host:x", "smtp://host?timeout=0"])
def test_bad_settings_are_sentences(url: str) -> None:
    """A mail server that cannot be one is refused in a sentence, without its password."""
    with pytest.raises(BadFigure, match="REFUNDS_SMTP_URL cannot be used"):
        mailer(url, "refunds@desk.example")


def test_back_off_doubles_to_six_hours() -> None:
    """1, 2, 4 … minutes, never above six hours."""
    rests = [back_off(attempt) for attempt in range(1, ATTEMPTS_MAX + 1)]
    assert rests[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert max(rests) == timedelta(hours=6)
