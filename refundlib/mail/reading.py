"""A mail's bytes, read: who wrote it, what it says, carries and forwards. No bytes make it fail.

Mails break every rule there is. What cannot be read is left out and named; the mail is kept as it came.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import EmailPolicy
from email.utils import getaddresses, parsedate_to_datetime
from itertools import repeat
from typing import Any, Final, TypeAlias

from refundlib.domain.received_mail import ADDRESS, BODY_CHARACTERS_MAX, Attached, ReadMail
from refundlib.mail.plain_text import TEXT_BYTES_MAX, cleaned, decoded, one_line, text_of_html

# The type checker knows two parameters of which Python 3.11 has none.
AnyMessage: TypeAlias = "Message[Any, Any]"

# A longer header is cut before it is parsed: the parser's time grows faster than the text.
HEADER_CHARACTERS_MAX: Final = 4_000
ADDRESS_CHARACTERS_MAX: Final = 320
SHORT_CHARACTERS_MAX: Final = 300
MESSAGE_IDS_MAX: Final = 30
ADDRESSES_MAX: Final = 20
# One beside them is the mail itself: together what may lie beside a report.
ATTACHMENTS_MAX: Final = 9
PARTS_MAX: Final = 200
DEPTH_MAX: Final = 20
# Beyond these a mail is read without its parts: the standard library makes objects of each line, header and
# part, and compares each line with every boundary it stands in. 25 MB of base64 have 350,000 lines.
HEADER_BLOCK_BYTES_MAX: Final = 262_144
HEADER_BLOCK_LINES_MAX: Final = 2_000
HEADERS_MAX: Final = 10_000
LINES_MAX: Final = 700_000
BOUNDARIES_MAX: Final = 30
BOUNDARY_LINES_MAX: Final = 3_000
COMPARED_LINES_MAX: Final = 4_000_000
# Read of all text parts together: much more than is kept of them.
TEXTS_BYTES_MAX: Final = 1_000_000
NAMED_MAX: Final = 20
_YEARS: Final = range(1990, 2100)

_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,300}>")
_FINGERPRINTED: Final = ("message-id", "date", "from", "subject")
_HEADER: Final = re.compile(rb"(?im)^(message-id|date|from|subject)[ \t]*:(.*(?:\r?\n[ \t].*)*)")
_BOUNDARY: Final = re.compile(rb"(?i)boundary[*\d]*\s*=")


class _BoundedPolicy(EmailPolicy):
    """The standard library's policy, with headers cut to a length that is parsed in no time.

    headers_left: one for each header that is still read; a mail that has more is given up.
    """

    headers_left: Iterator[int] = repeat(0)

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        if len(sourcelines) > HEADER_BLOCK_LINES_MAX or next(self.headers_left, None) is None:
            raise ValueError("more headers than any mail has")
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_CHARACTERS_MAX]


_POLICY: Final = _BoundedPolicy(utf8=True)
_TOO_MUCH: Final = (
    "The mail has more headers, lines or parts than are read: its text is shown as it came, without files."
)
_BROKEN: Final = "The mail is broken: its text is shown as it came, without files."


def read(raw: bytes) -> ReadMail:
    """What the mail says. Never raises."""
    return _read(raw, raw, len(raw), fingerprint(raw))


def read_headers(start: bytes, size_bytes: int) -> ReadMail:
    """What the headers of a mail say that is too large to be fetched. start: its first bytes."""
    headers = start[: _body_start(start)]
    print_ = hashlib.sha256(fingerprint(headers).encode() + b" %d" % size_bytes).hexdigest()
    return _read(headers, None, size_bytes, print_)


def fingerprint(raw: bytes) -> str:
    """SHA-256 of Message-ID, Date, From, Subject and all after the first blank line.

    Line ends and folded headers do not count, nor what servers add on the way. Headers without bounds count
    as they came.
    """
    start = _body_start(raw)
    digest = hashlib.sha256()
    if not _is_bounded(raw, start):
        digest.update(memoryview(raw)[:start])
    else:
        found: dict[bytes, bytes] = {}
        for match in _HEADER.finditer(raw, 0, start):
            found.setdefault(match[1].lower(), b" ".join(match[2].split()))
        for name in _FINGERPRINTED:
            digest.update(name.encode() + b":" + found.get(name.encode(), b"") + b"\n")
    digest.update(b"\n" + raw[start:].replace(b"\r\n", b"\n").rstrip(b"\n"))
    return digest.hexdigest()


def _body_start(raw: bytes) -> int:
    """Where the text begins: after the first blank line."""
    # Plain searches: a pattern takes a second for 25 MB.
    for blank in (b"\r\n\r\n", b"\r\n\n", b"\n\r\n", b"\n\n", b"\r\n", b"\n"):
        if raw.startswith(blank):
            return len(blank)
    ends = (at + len(blank) for blank in (b"\n\n", b"\n\r\n") if (at := raw.find(blank)) >= 0)
    return min(ends, default=len(raw))


def _is_bounded(raw: bytes, start: int) -> bool:
    """Whether the headers, all up to `start`, are not more than any mail has."""
    return start <= HEADER_BLOCK_BYTES_MAX and raw.count(b"\n", 0, start) <= HEADER_BLOCK_LINES_MAX


def _read(read_bytes: bytes, raw: bytes | None, size_bytes: int, print_: str) -> ReadMail:
    found = _Found()
    message, refused = _parsed(read_bytes)
    found.left_out.extend(refused)
    try:
        found.take(message, 0)
    except Exception:  # what was found until then counts
        found.left_out.append("A part of the mail is broken and could not be read.")
    body = cleaned("\n\n".join(text for text in found.texts if text.strip()), BODY_CHARACTERS_MAX).strip()
    name, address = _sender(message)
    subject = one_line(_header(message, "Subject"), SHORT_CHARACTERS_MAX)
    return ReadMail(
        fingerprint=print_,
        message_id=one_line(_header(message, "Message-ID"), SHORT_CHARACTERS_MAX),
        answers_to=_answers_to(message),
        from_name=name,
        from_address=address,
        reply_to=next(iter(_addresses(_header(message, "Reply-To"))), ""),
        forwarded_from=_first_senders(body, found.attached_senders),
        subject=subject,
        body=body,
        words=body if found.attached_senders else own_words(body, subject),
        sent_at=_sent_at(_header(message, "Date")),
        is_automatic=_is_automatic(message, subject, address),
        attachments=tuple(found.attachments),
        left_out=tuple(found.left_out[:NAMED_MAX]),
        raw=raw,
        size_bytes=size_bytes,
    )


def _parsed(raw: bytes) -> tuple[AnyMessage, list[str]]:
    """The mail, and what is to be said of how it was read."""
    if not _may_be_parsed(raw):
        return _without_parts(raw), [_TOO_MUCH]
    try:
        # The ignore: clone takes each attribute of the class; the type checker knows the standard library's.
        policy = _POLICY.clone(headers_left=repeat(0, HEADERS_MAX))  # type: ignore[call-arg]
        return message_from_bytes(raw, policy=policy), []
    except Exception:  # nested too deep, more headers than are read, or a fault of the parser
        return _without_parts(raw), [_BROKEN]


def _may_be_parsed(raw: bytes) -> bool:
    """Whether the standard library reads it in a moment and in little memory, by counts alone."""
    lines = raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")
    if lines > LINES_MAX or not _is_bounded(raw, _body_start(raw)):
        return False
    boundaries = len(_BOUNDARY.findall(raw))
    return (
        boundaries <= BOUNDARIES_MAX
        and raw.count(b"\n--") + raw.count(b"\r--") <= BOUNDARY_LINES_MAX
        and lines * (boundaries + 1) <= COMPARED_LINES_MAX
    )


def _without_parts(raw: bytes) -> EmailMessage:
    """The mail as one text, whatever it says of its parts; of headers without bounds the first."""
    message = EmailMessage(policy=_POLICY)
    start = _body_start(raw)
    block = raw[: min(start, HEADER_BLOCK_BYTES_MAX)]
    first = b"\n".join(block.split(b"\n", HEADER_BLOCK_LINES_MAX)[:HEADER_BLOCK_LINES_MAX])
    for match in _HEADER.finditer(first):
        _set_plain(message, match[1].decode(), one_line(decoded(match[2], ""), HEADER_CHARACTERS_MAX))
    message.set_payload(decoded(raw[start : start + TEXT_BYTES_MAX], ""))
    return message


def _set_plain(message: EmailMessage, name: str, value: str) -> None:
    try:
        message[name] = value
    except Exception:  # a value or a second one that the standard library does not take
        return


# -- headers --------------------------------------------------------------------------------------------


def _header(message: AnyMessage, name: str) -> str:
    """The header's first value, decoded where that is possible; "" when there is none."""
    value = _as_written(message, name)
    try:
        return str(_POLICY.header_fetch_parse(name, value)) if value else ""
    except Exception:  # the standard library gives up at some values
        return value


def _as_written(message: AnyMessage, name: str) -> str:
    values = (str(value) for each, value in message.raw_items() if each.lower() == name.lower())
    return next(values, "")


def _sender(message: AnyMessage) -> tuple[str, str]:
    """Name and address of who wrote it; the sender's when nobody is named as author."""
    for header in ("From", "Sender", "Return-Path"):
        value = _header(message, header)
        # A name with odd quotes swallows the address where it is decoded.
        if found := _addresses(value) or _addresses(_as_written(message, header)):
            name = value.split(found[0])[0] if found[0] in value else ""
            return one_line(name.strip(" \t\"'<(,;"), SHORT_CHARACTERS_MAX), found[0]
        if value.strip() and header == "From":
            return one_line(value, SHORT_CHARACTERS_MAX), ""
    return "", ""


def _addresses(value: str) -> list[str]:
    """The addresses in a header or a line, in order, at most ADDRESSES_MAX."""
    try:
        pairs = [spec for _, spec in getaddresses([value]) if ADDRESS.fullmatch(spec)]
    except Exception:  # a value the standard library gives up at
        pairs = []
    found = pairs or ADDRESS.findall(value)
    return [address[:ADDRESS_CHARACTERS_MAX] for address in dict.fromkeys(found)][:ADDRESSES_MAX]


def _answers_to(message: AnyMessage) -> tuple[str, ...]:
    nearest_first = _MESSAGE_ID.findall(_header(message, "In-Reply-To"))
    nearest_first += reversed(_MESSAGE_ID.findall(_header(message, "References")))
    cut = (cleaned(each, SHORT_CHARACTERS_MAX) for each in nearest_first)
    return tuple(dict.fromkeys(cut))[:MESSAGE_IDS_MAX]


def _sent_at(value: str) -> datetime | None:
    """The Date header in UTC; None for none, or one that cannot be."""
    try:
        at = parsedate_to_datetime(value.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except Exception:  # several kinds, for several ways to be no date
        return None
    return at if at.year in _YEARS else None


_AUTOMATIC_SUBJECT: Final = re.compile(
    r"^\W*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office|"
    r"respuesta automática|undeliver(?:able|ed)|"
    r"mail delivery (?:failed|failure|subsystem)|delivery status notification|"
    r"returned mail|failure notice|fuera de la oficina|abwesenheitsnotiz|réponse automatique)\b",
    re.IGNORECASE,
)
_MACHINES: Final = re.compile(r"(?:mailer-daemon|postmaster|mail-daemon)@", re.IGNORECASE)


def _is_automatic(message: AnyMessage, subject: str, address: str) -> bool:
    """Whether nobody wrote it: a vacation notice, a bounce (RFC 3834, RFC 3464)."""
    submitted = _header(message, "Auto-Submitted").strip().lower()
    if submitted and not submitted.startswith("no"):
        return True
    if _header(message, "Precedence").strip().lower() in ("auto_reply", "auto-reply"):
        return True
    if any(_header(message, name) for name in ("X-Autoreply", "X-Autorespond", "X-Failed-Recipients")):
        return True
    kind = _header(message, "Content-Type").lower()
    if "multipart/report" in kind or _header(message, "Return-Path").strip() == "<>":
        return True
    return bool(_MACHINES.match(address) or _AUTOMATIC_SUBJECT.match(subject))


# -- parts ----------------------------------------------------------------------------------------------


@dataclass
class _Found:
    """What the parts of a mail hold, gathered one after the other."""

    texts: list[str] = field(default_factory=list)
    attachments: list[Attached] = field(default_factory=list)
    attached_senders: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    parts: int = 0
    text_bytes: list[int] = field(default_factory=lambda: [0])

    def take(self, part: AnyMessage, depth: int) -> None:
        """A part and all in it."""
        self.parts += 1
        if self.parts > PARTS_MAX or depth > DEPTH_MAX:
            raise ValueError("more parts than any mail has")
        kind = _content_type(part)
        if part.is_multipart() and kind == "message/rfc822":
            self._take_attached_mail(part, depth)
        elif part.is_multipart() and kind == "multipart/alternative":
            self._take_best(part, depth)
        elif part.is_multipart():
            if kind != "message/delivery-status":
                for each in _children(part):
                    self.take(each, depth + 1)
        elif kind.startswith("multipart/"):  # its boundary never comes
            self._take_text(part, "text/plain")
        elif kind in ("text/plain", "text/html") and not _file_name(part):
            self._take_text(part, kind)
        else:
            self._take_file(part, kind)

    def _take_text(self, part: AnyMessage, kind: str) -> None:
        """The text, until all that was read is more than anybody writes."""
        if self.text_bytes[0] < TEXTS_BYTES_MAX:
            text, size_bytes = _text(part, kind)
            self.texts.append(text)
            self.text_bytes[0] += size_bytes

    def _take_attached_mail(self, part: AnyMessage, depth: int) -> None:
        for mail in _children(part):
            _, sender = _sender(mail)
            self.attached_senders.append(sender)
            heads = (f"{name}: {_header(mail, name)}" for name in ("From", "Date", "Subject"))
            self.texts.append("---------- Forwarded message ----------\n" + "\n".join(heads))
            self.take(mail, depth + 1)

    def _take_best(self, part: AnyMessage, depth: int) -> None:
        """Of several forms of the same text the plain one; the HTML where that is empty."""
        forms = []
        for each in _children(part):
            form = _Found(parts=self.parts, attachments=self.attachments, left_out=self.left_out)
            form.attached_senders, form.text_bytes = self.attached_senders, self.text_bytes
            form.take(each, depth + 1)
            self.parts = form.parts
            forms.append("\n\n".join(form.texts))
        self.texts.append(next((form for form in forms if form.strip()), ""))

    def _take_file(self, part: AnyMessage, kind: str) -> None:
        name = _file_name(part) or f"part {self.parts}"
        content = _content(part)
        if len(self.attachments) >= ATTACHMENTS_MAX:
            self.left_out.append(f"{name}: {ATTACHMENTS_MAX} files of a mail are the most.")
        elif content:
            self.attachments.append(Attached(name, content))


def _children(part: AnyMessage) -> Iterator[AnyMessage]:
    payload = part.get_payload()
    yield from (each for each in payload if isinstance(each, Message)) if isinstance(payload, list) else ()


def _content_type(part: AnyMessage) -> str:
    try:
        return part.get_content_type()
    except Exception:  # a type the standard library gives up at: RFC 2045 says what it is then
        return "text/plain"


def _file_name(part: AnyMessage) -> str:
    """The name of an attached file, "attachment" for one without; "" for a part of the text."""
    try:
        name = one_line(part.get_filename() or "", SHORT_CHARACTERS_MAX)
        return name or ("attachment" if part.get_content_disposition() == "attachment" else "")
    except Exception:  # parameters the standard library gives up at
        return "attachment"


def _content(part: AnyMessage) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except Exception:  # an encoding that is broken beyond the standard library's patience
        content = str(part.get_payload()).encode("utf-8", "replace")
    return content if isinstance(content, bytes) else b""


def _text(part: AnyMessage, kind: str) -> tuple[str, int]:
    """What a text part says, and how many bytes of it were read."""
    try:
        charset = str(part.get_content_charset() or "")
    except Exception:  # a charset the standard library gives up at
        charset = ""
    content = _content(part)[:TEXT_BYTES_MAX]
    text = decoded(content, charset)
    return text_of_html(text) if kind == "text/html" else text, len(content)


# -- quoted and forwarded -------------------------------------------------------------------------------

_FROM_LINE: Final = re.compile(r"(?im)^[>\s*]{0,20}(?:from|de|von|da|desde)\s{0,3}:\*?(.{1,300})$")
_FORWARD: Final = re.compile(
    r"(?im)^[>\s]{0,20}(?:-{2,20}\s*(?:forwarded message|mensaje reenviado)\s*-{0,20}"
    r"|begin forwarded message:|inicio del mensaje reenviado:)"
)
_FORWARD_SUBJECT: Final = re.compile(r"^\W*(?:fwd?|rv|tr|wg|reenv)\s*:", re.IGNORECASE)
_WROTE: Final = re.compile(
    r"(?im)^\s{0,10}(?:on|el|am|le)\s.{4,200}?(?:\n.{0,200}?)?"
    r"(?:wrote|escribió|escribio|schrieb|a écrit)\s?:\s*$"
)
_ORIGINAL: Final = re.compile(
    r"(?im)^\s{0,10}(?:-{2,20}\s*(?:original message|mensaje original)\s*-{2,20}\s*$"
    r"|\*?(?:from|de)\s{0,3}:.{1,300}\n(?:.{0,300}\n){0,2}?\*?(?:sent|date|to|enviado|fecha|para)\s{0,3}:)"
)
_QUOTED: Final = re.compile(r"(?m)^\s{0,3}>.*\n?")


def _first_senders(body: str, attached: list[str]) -> tuple[str, ...]:
    """Who wrote first what the mail forwards or quotes: attached mails' senders, then "From:" lines."""
    lines = (address for line in _FROM_LINE.findall(body) for address in _addresses(line))
    return tuple(dict.fromkeys(address for address in [*attached, *lines] if address))[:ADDRESSES_MAX]


def own_words(body: str, subject: str) -> str:
    """The text without what it quotes of earlier mails; all of it when it forwards them."""
    if _FORWARD_SUBJECT.match(subject) or _FORWARD.search(body):
        return body
    text = body
    if wrote := _WROTE.search(text):
        rest = text[wrote.end() :]
        is_marked = rest.lstrip().startswith(">")
        text = text[: wrote.start()] + (rest if is_marked else "")
    if original := _ORIGINAL.search(text):
        text = text[: original.start()]
    return _QUOTED.sub("", text).strip()
