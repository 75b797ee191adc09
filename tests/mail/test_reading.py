"""Mails are read whatever they look like: shapes by hand, and any bytes at all."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refundlib.domain.received_mail import BODY_CHARACTERS_MAX
from refundlib.mail.plain_text import decoded, text_of_html
from refundlib.mail.reading import ATTACHMENTS_MAX, fingerprint, own_words, read, read_headers


def mail(body: str, **headers: str) -> bytes:
    """A mail with these headers."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body]).encode()


def test_headers_are_read() -> None:
    """Name, address, subject, time in UTC and the mails it answers, the nearest first."""
    it = read(
        mail(
            "Hello",
            From='"Moss, Bob" <Bob@Pros.example>',
            Subject="=?utf-8?q?Caf=C3=A9?=",
            Date="Thu, 19 Mar 2026 10:00:00 -0500",
            Message_ID="<a@b>",
            In_Reply_To="<q@d>",
            References="<z@d> <q@d>",
        )
    )
    assert (it.from_name, it.from_address, it.subject) == ("Moss, Bob", "Bob@Pros.example", "Café")
    assert it.sent_at == datetime(2026, 3, 19, 15, tzinfo=UTC)
    assert (it.message_id, it.answers_to) == ("<a@b>", ("<q@d>", "<z@d>"))


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Mar 2026", "Thu, 1 Jan 1970 00:00:00 +2300", "1"])
def test_dates_that_are_none(date: str) -> None:
    """A Date that cannot be is no time, and no error."""
    assert read(mail("x", Date=date)).sent_at is None


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("café".encode(), "utf-8", "café"),
        ("café".encode(), "iso-8859-1", "café"),
        ("café".encode("latin-1"), "utf-8", "café"),
        ("café “x”".encode("cp1252"), "us-ascii", "café “x”"),
        ("日本".encode("iso-2022-jp"), "iso-2022-jp", "日本"),
        ("café".encode(), "x-nobody", "café"),
        ("café".encode(), "zlib", "café"),
        (b"\x80\x81\xff", "", "€��"),
    ],
)
def test_charsets_right_wrong_and_unknown(content: bytes, charset: str, text: str) -> None:
    """Bytes become the text that was meant, as far as anybody can tell."""
    assert decoded(content, charset).replace("\x81", "�").replace("ÿ", "�") == text


def test_html_is_shown_as_read() -> None:
    """Links keep their words, quotes are marked; scripts, styles, comments and titles are not seen."""
    html = (
        "<html><head><title>T</title><style>p{}</style></head><body><p>Hi &amp; bye <a href='http://x'>link</a>"
        "<br>two<!-- no > --><blockquote>quoted<br>more</blockquote>after <img src='http://x/y.png'>"
        "</body><SCRIPT>alert(1)</script >"
    )
    assert text_of_html(html) == "Hi & bye link\ntwo\n> quoted\n> more\nafter"


@pytest.mark.parametrize(
    ("body", "subject", "words"),
    [
        ("Mine\n\nOn Mon, Mar 16, 2026, Desk <d@x> wrote:\n> theirs\n", "Re: x", "Mine"),
        ("Mine\n\nOn Mon, Mar 16, 2026, Desk\n<d@x> wrote:\n> theirs\n\nBelow", "Re: x", "Mine\n\nBelow"),
        ("Mía\n\nEl lun, 16 mar 2026, Desk escribió:\n> x\n", "Re: x", "Mía"),
        ("Mine\n\n-----Original Message-----\nFrom: d\nSent: now\n\ntheirs", "RE: x", "Mine"),
        ("Mine\n\nFrom: Desk <d@x>\nSent: now\nTo: me\nSubject: x\n\ntheirs", "RE: x", "Mine"),
        ("Mine\n\nDe: Desk\nEnviado: hoy\nPara: mí\n\ntheirs", "RE: x", "Mine"),
        ("FYI\n\n-----Original Message-----\nFrom: d\n\ntheirs", "FW: x", None),
        ("> only quoted", "Re: x", ""),
        ("nothing quoted", "x", None),
    ],
)
def test_own_words(body: str, subject: str, words: str | None) -> None:
    """What is quoted is cut from an answer, and kept of a forwarded mail (None: all of it)."""
    assert own_words(body, subject) == (body if words is None else words)


def test_first_senders_of_forwarded_mails() -> None:
    """They are found in the text, in two languages, quoted or not, and in attached mails."""
    inner = EmailMessage()
    inner["From"] = "deep@pros.example"
    inner.set_content("From: Deeper <deeper@pros.example>\nwords")
    outer = EmailMessage()
    outer.set_content("> *From:* Quoted <quoted@pros.example>\nDe: Otro <otro@pros.example>\n")
    outer.add_attachment(inner)
    assert read(outer.as_bytes()).forwarded_from == (
        "deep@pros.example",
        "quoted@pros.example",
        "otro@pros.example",
        "deeper@pros.example",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"Subject": "Automatic reply: your question"},
        {"Subject": "Undeliverable: your report"},
        {"From": "MAILER-DAEMON@mx.example"},
        {"Return_Path": "<>"},
        {"Content_Type": "multipart/report; report-type=delivery-status; boundary=x"},
    ],
)
def test_machines_are_known(headers: dict[str, str]) -> None:
    """Vacation notices and bounces are nobody's words."""
    assert read(mail("x", **headers)).is_automatic
    assert not read(mail("x", Auto_Submitted="no", Subject="Automatic doors do not close")).is_automatic


def test_attachments_are_taken_up_to_a_number() -> None:
    """Files come with their names; more than the most are named, not taken."""
    it = EmailMessage()
    it.set_content("See them")
    for number in range(ATTACHMENTS_MAX + 2):
        it.add_attachment(b"%PDF", "application", "pdf", filename=f"café {number}.pdf")
    read_mail = read(it.as_bytes())
    assert [each.name for each in read_mail.attachments][:2] == ["café 0.pdf", "café 1.pdf"]
    assert (len(read_mail.attachments), len(read_mail.left_out)) == (ATTACHMENTS_MAX, 2)


def test_fingerprint_is_of_the_mail_not_of_its_way() -> None:
    """Received headers, line ends and folding change nothing; a word, a date or a name does."""
    one = mail("Hello\r\n\r\nBye", From="a@b", Subject="Long words", Message_ID="<1@b>", Date="now")
    same = (
        b"Received: by mx\nSubject: Long\n words\nfrom: a@b\nMessage-Id: <1@b>\nDate: now\n\nHello\n\nBye\n"
    )
    assert fingerprint(one) == fingerprint(same)
    for old, new in ((b"Bye", b"By"), (b"Long", b"Lang"), (b"now", b"new"), (b"a@b", b"c@b"), (b"<1", b"<2")):
        assert fingerprint(one.replace(old, new)) != fingerprint(one)


def test_a_large_mail_is_its_headers() -> None:
    """Of a mail too large to be fetched the headers are read; its size is part of what it is."""
    start = mail("never read", From="a@b", Subject="Large")
    it = read_headers(start, 30_000_000)
    assert (it.subject, it.body, it.raw, it.size_bytes) == ("Large", "", None, 30_000_000)
    assert it.fingerprint != read_headers(start, 30_000_001).fingerprint
    assert it.fingerprint == read_headers(start + b" nor this", 30_000_000).fingerprint


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/html\n\n" + b"<a " * 60_000,
        b"Content-Type: text/html\n\n" + b"<a b='" * 30_000,
        b"Content-Type: text/html\n\n" + b"<!--" * 50_000,
        b"From: " + b"(" * 100_000,
        b"From: " + b"=?utf-8?q?a?= " * 50_000,
        b"Content-Type: a/b; " + b"x*0=1;" * 100_000,
        b"\n" + b"On Monday a\n" * 50_000,
        b"\nFrom: " + b"a." * 100_000,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 200_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(2_000)),
        b"Content-Type: message/rfc822\n\n" * 100_000,
    ],
    ids=lambda raw: raw[:40].decode().replace("\n", "|"),
)
def test_no_mail_takes_long(raw: bytes) -> None:
    """Mails made to keep a reader busy for minutes are read in a moment."""
    started = time.monotonic()
    read(raw)
    assert time.monotonic() - started < 5


HOSTILE = {
    "many headers": 'b"X: y\\r\\n" * 4_000_000',
    "one folded header": 'b"From: a\\r\\n" + b" x\\r\\n" * 6_000_000',
    "nested parts": (
        'b"".join(b"Content-Type: multipart/mixed; boundary=a%d\\n\\n--a%d\\n" % (n, n) for n in range(29))'
        ' + b"\\nshort line of 20 ch\\n" * 1_200_000'
    ),
    "empty lines": 'b"From: a\\n\\n" + b"\\n" * 25_000_000',
    "headers of an attached mail": 'b"Content-Type: message/rfc822\\n\\n" + b"X: y\\r\\n" * 650_000',
    "no names": 'b":\\n" * 10_000_000',
}
READ_AND_TELL = """
import resource, time
from refundlib.mail.reading import read
raw = {}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.monotonic()
it = read(raw)
seconds = time.monotonic() - started
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(round(seconds, 2), grown // 1024, "|".join(it.left_out))
"""


@pytest.mark.process
@pytest.mark.parametrize("name", HOSTILE)
def test_no_mail_takes_the_memory(name: str) -> None:
    """25 MB made to fill the memory are read in a second and in little of it, without parts; it says so."""
    command = [sys.executable, "-c", READ_AND_TELL.replace("{}", HOSTILE[name])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seconds, grown_mb, left_out = done.stdout.split(" ", 2)
    assert float(seconds) < 2
    assert int(grown_mb) < 150
    assert "its text is shown as it came, without files" in left_out


def test_a_mail_in_bounds_is_read_with_its_parts() -> None:
    """As large as a mail may be, with base64 lines and three boundaries, its file is read."""
    it = EmailMessage()
    it.set_content("See it")
    it.add_alternative("<p>See it</p>", subtype="html")
    it.add_attachment(b"%PDF" + b"x" * (17 * 1024 * 1024), "application", "pdf", filename="large.pdf")
    read_mail = read(it.as_bytes())
    assert [each.name for each in read_mail.attachments] == ["large.pdf"]
    assert (read_mail.body, read_mail.left_out) == ("See it", ())


def test_headers_without_bounds_are_told_apart() -> None:
    """Two mails with endless headers are two, and the first headers are read."""
    one = b"From: a@b.example\r\nSubject: s\r\n" + b"X: y\r\n" * 3_000
    assert fingerprint(one + b"Z: 1\r\n\r\nx") != fingerprint(one + b"Z: 2\r\n\r\nx")
    assert (read(one).from_address, read(one).subject) == ("a@b.example", "s")


_PIECES = st.sampled_from(
    (
        b'\r\n \n \n\n : ; = < > " ( --b --b-- =?utf-8?q? ?= multipart/mixed;boundary=b text/html charset= '
        b"utf-16 multipart/alternative;boundary=b message/rfc822 uuencode filename*0*=utf-8''%ff \xff\x00 </"
    ).split(b" ")
    + b"Content-Type: |Content-Transfer-Encoding: base64|From: |Date: |begin 644 x|Re: |On a wrote:".split(
        b"|"
    )
)
_MAILS = st.lists(st.one_of(_PIECES, st.binary(max_size=20)), max_size=60).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(_MAILS, st.binary(max_size=400)))
def test_any_bytes_are_read(raw: bytes) -> None:
    """No bytes make it fail, and what it gives can be kept: bounded, no NUL, no half characters."""
    for it in (read(raw), read_headers(raw, 30_000_000)):
        texts = [it.body, it.words, it.subject, it.from_name, it.from_address, it.message_id, it.reply_to]
        texts.extend((*it.answers_to, *it.forwarded_from, *it.left_out))
        texts.extend(each.name for each in it.attachments)
        for text in texts:
            assert "\x00" not in text
            assert len(text.encode()) <= 4 * BODY_CHARACTERS_MAX
        assert len(it.attachments) <= ATTACHMENTS_MAX
