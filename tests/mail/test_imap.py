"""The mailbox on a real IMAP server: read once, changed never, whatever happens to either side."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from refundlib.domain.received_mail import MailboxClosed, Position
from refundlib.mail.mailboxes import ImapMailbox, mailbox
from refundlib.mail.reading import fingerprint
from refundlib.services.desk import Desk
from refundlib.services.mailbox import KINDS, read_all, read_mailbox
from tests.mail.imap_server import PASSWORD, ImapServer, imap_server
from tests.mail.server import free_port
from tests.mail.stopping import environment, killed_while_held, refunds
from tests.mail.test_mailbox import HOLD_A_MAIL, HOLD_A_REPORT, answer_mail, kept, refund_mail, write
from tests.mail.thirty import large, scene
from tests.market import Market

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def running() -> Iterator[ImapServer]:
    """One server for all tests of this file."""
    with imap_server() as server:
        yield server


@pytest.fixture
def server(running: ImapServer) -> ImapServer:
    """The server with an empty inbox."""
    with running.opened() as inbox:
        inbox.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
        inbox.expunge()
    return running


def counted(**counts: int) -> dict[str, int]:
    """All counts, those not named nothing."""
    return dict.fromkeys(KINDS, 0) | counts


def test_read_once_and_left_as_it_was(server: ImapServer, market: Market, desk: Desk) -> None:
    """Each mail is read once, the new ones only next time; none is marked as seen."""
    scene(market)
    server.deliver(*(refund_mail(number) for number in range(5)))
    flags = server.flags()
    assert read_all(desk, mailbox(server.url())) == counted(proposed=5)
    assert read_all(desk, mailbox(server.url())) == counted()
    server.deliver(refund_mail(5))
    assert read_all(desk, mailbox(server.url())) == counted(proposed=1)
    assert server.flags() == flags
    assert not any(b"Seen" in each for each in flags)


def test_small_passes_go_on_where_they_stopped(server: ImapServer, market: Market, desk: Desk) -> None:
    """A pass that stops at its limit has more; the next goes on behind it; deleted mails are no matter."""
    scene(market)
    server.deliver(*(refund_mail(number) for number in range(7)))
    work = read_mailbox(desk, mailbox(server.url()), 3)
    assert (work["proposed"], work.more) == (3, True)
    with server.opened() as inbox:
        inbox.store("2,5", "+FLAGS", r"(\Deleted)")
        inbox.expunge()
    assert read_mailbox(desk, mailbox(server.url()), 10)["proposed"] == 3
    assert kept(market) == 6


def test_the_same_mail_by_another_way_is_known(
    server: ImapServer, market: Market, desk: Desk, tmp_path: Path
) -> None:
    """What was read from a folder is not taken again from the server, and the other way round."""
    scene(market)
    read_all(desk, mailbox(str(write(tmp_path / "in", refund_mail(0)))))
    server.deliver(b"Received: by mx.example\r\n" + refund_mail(0), refund_mail(1))
    assert read_all(desk, mailbox(server.url())) == counted(known=1, proposed=1)


def test_uids_that_mean_something_else(server: ImapServer, market: Market, desk: Desk) -> None:
    """After a new UIDVALIDITY all is read again: nothing is doubled, and what is new is found."""
    scene(market)
    server.deliver(*(refund_mail(number) for number in range(3)))
    read_all(desk, mailbox(server.url()))
    before = market.one("SELECT uid_validity FROM refunds.mailboxes")
    server.forget_uids()
    server.deliver(refund_mail(3))
    assert read_all(desk, mailbox(server.url())) == counted(known=3, proposed=1)
    assert market.one("SELECT uid_validity FROM refunds.mailboxes") != before
    assert kept(market) == 4


@pytest.mark.parametrize("at", ["a mail", "an answer"])
def test_killed_in_the_middle(
    server: ImapServer, market: Market, database_url: str, tmp_path: Path, at: str
) -> None:
    """Killed while a mail is kept, or an answer lands: the next run goes on with this very mail."""
    it = scene(market)
    mails = [refund_mail(0), refund_mail(1), answer_mail(it), refund_mail(2)]
    server.deliver(*mails)
    around = environment(database_url, tmp_path)
    if at == "a mail":
        sent = mails[1].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        held, value, before = HOLD_A_MAIL, fingerprint(sent), 1
    else:
        held, value, before = HOLD_A_REPORT, it.asked, 2
    killed_while_held(database_url, held, [value], around, "mailbox", server.url())
    assert kept(market) == before
    done = refunds(around, "mailbox", server.url(), "--json")
    counts = json.loads(done.stdout)
    assert (counts["known"], counts["answer"], counts["proposed"]) == (0, 1, 3 - before)
    assert kept(market) == 4
    assert market.one("SELECT count(*) FROM refunds.answers") == 1


def test_a_large_mail_is_not_fetched(server: ImapServer, market: Market, desk: Desk) -> None:
    """Of a mail of 30 MB the headers come, and it waits with a sentence; the mail behind it is read."""
    scene(market)
    server.deliver(large("Large: CH-01", 30), refund_mail(0))
    with server.opened() as inbox:
        assert inbox.fetch("1", "(RFC822.SIZE)")[0] == "OK"
    assert read_all(desk, mailbox(server.url())) == counted(unplaced=1, proposed=1)
    why = market.one("SELECT why FROM refunds.received_mails WHERE raw_sha256 IS NULL")
    assert "30.0 MB" in why
    assert market.one("SELECT pro_id FROM refunds.received_mails WHERE raw_sha256 IS NULL") == "moss"


def test_refused_and_out_of_reach(server: ImapServer, desk: Desk) -> None:
    """A wrong password, a folder that is not there, a server that is down: a sentence each, no password."""
    for url, words in (
        (server.url("wr0ng-word"), "Authentication failed"),
        (server.url().replace("INBOX", "Nothing"), "no folder Nothing"),
        (f"imap://desk:{PASSWORD}@127.0.0.1:{free_port()}/INBOX", "refused"),
        (server.tls_url, "certificate is not trusted"),
    ):
        with pytest.raises(MailboxClosed, match=words) as refused:
            read_all(desk, mailbox(url))
        assert "wr0ng-word" not in str(refused.value)
        assert PASSWORD not in str(refused.value)


def test_a_server_that_says_nothing() -> None:
    """Whoever takes the connection and never answers is given up on in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"imap://desk:secret@127.0.0.1:{silent.getsockname()[1]}/INBOX"
        reader = mailbox(url)
        assert isinstance(reader, ImapMailbox)
        with pytest.raises(MailboxClosed, match="did not answer in time"):
            list(replace(reader, timeout_seconds=0.3).mails(Position(), 10))


def test_by_tls(server: ImapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate that this machine trusts the mailbox is read by TLS."""
    server.deliver(refund_mail(0))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.home / "certificate.pem"))
    assert len(list(mailbox(server.tls_url).mails(Position(), 10))) == 1


def test_stopped_by_the_server(desk: Desk) -> None:
    """A server that goes away between two mails is a sentence, then and while it is down."""
    with imap_server() as server:
        server.deliver(*(refund_mail(number) for number in range(3)))
        mails = mailbox(server.url()).mails(Position(), 10)
        assert next(mails).mail.subject == "CH-01, mail 0"
        url = server.url()
    with pytest.raises(MailboxClosed, match="broke off"):
        list(mails)
    with pytest.raises(MailboxClosed, match="refused"):
        read_all(desk, mailbox(url))


def test_many_mails_are_found_by_halving(server: ImapServer) -> None:
    """The first mail behind a position is found whatever the gaps between the UIDs."""
    server.deliver(*(refund_mail(number) for number in range(9)))
    with server.opened() as inbox:
        inbox.store("1:2,5,9", "+FLAGS", r"(\Deleted)")
        inbox.expunge()
        uids = [int(uid) for uid in inbox.uid("SEARCH", "ALL")[1][0].split()]
        validity = int(inbox.response("UIDVALIDITY")[1][0] or 0)
    reader = mailbox(server.url())
    for after in range(min(uids) - 2, max(uids) + 3):
        found = [each.position.last_uid for each in reader.mails(Position(validity, after), 50)]
        assert found == [uid for uid in uids if uid > after]
