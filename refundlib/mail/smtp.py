"""Handing mail to an SMTP server; and the twin that has none.

Errors are of two kinds. What concerns this one mail and will not change (the server's 5xx to its recipient
or its content, an address that is none) is MailRefused. All else is MailDelayed: 4xx, a lost connection, and
every trouble with our own set-up (login, sender, TLS), which somebody corrects while the mail waits.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, parseaddr
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from refundlib.domain.errors import BadFigure, MailDelayed, MailRefused
from refundlib.domain.letter import Letter

# One answer of the server; a whole mail is some ten answers, which stays below the outbox's lease.
TIMEOUT_SECONDS: Final = 20
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_SIZE_EXCEEDED: Final = 552
_WORDS_CHARACTERS_MAX: Final = 300


class NullMailer:
    """No mail server is set: nothing can be sent, the mail stays in the outbox."""

    is_set = False

    def __init__(self, domain: str) -> None:
        self.domain = domain

    def send(self, message_id: str, to_name: str, to_address: str, letter: Letter) -> None:
        """Never sends. Raises MailDelayed."""
        raise MailDelayed(
            "No mail server is set. Set REFUNDS_SMTP_URL, like smtp://mail.example.com, and restart.",
            server_down=True,
        )


@dataclass(frozen=True)
class SmtpMailer:
    """Sends by one SMTP server, one connection a mail. security: "none", "starttls" or "tls"."""

    host: str
    port: int
    sender: Address
    security: str = "none"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS

    is_set = True

    @property
    def domain(self) -> str:
        """The domain mail comes from; Message-IDs carry it."""
        return self.sender.domain

    def send(self, message_id: str, to_name: str, to_address: str, letter: Letter) -> None:
        """Returns once the server accepted the mail. Raises MailRefused, MailDelayed."""
        recipient = _recipient(to_name, to_address)
        message = build(self.sender, recipient, message_id, letter)
        with self._connected() as server, _words_of_server():
            server.send_message(message, self.sender.addr_spec, [recipient.addr_spec])

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        with _server_down(self.host, self.port):
            server = self._connect()
        try:
            yield server
        except Exception:
            self._say_goodbye(server)
            raise
        else:
            self._say_goodbye(server)
        finally:
            server.close()

    def _say_goodbye(self, server: smtplib.SMTP) -> None:
        # The mail is accepted or not by now: trouble here changes neither.
        with suppress(smtplib.SMTPException, OSError):
            server.quit()

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            tls = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_seconds, context=tls
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def mailer(smtp_url: str | None, mail_from: str) -> SmtpMailer | NullMailer:
    """The mailer of a URL: smtp://[user:password@]host[:port][?starttls=1][&timeout=SECONDS], smtps://…,
    smtp+starttls://…; the null twin for None. mail_from: an address, or "Name <address>".

    Raises BadFigure, without the password, for what cannot be used.
    """
    sender = _sender(mail_from)
    if smtp_url is None:
        return NullMailer(sender.domain)
    parts = _parts(smtp_url)
    query = parse_qs(parts.query)
    starttls = parts.scheme == "smtp+starttls" or query.get("starttls", ["0"])[-1] in ("1", "true", "yes")
    return SmtpMailer(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        sender=sender,
        security="tls" if parts.scheme == "smtps" else "starttls" if starttls else "none",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        timeout_seconds=_timeout(query.get("timeout", [str(TIMEOUT_SECONDS)])[-1]),
    )


def _parts(smtp_url: str) -> SplitResult:
    with suppress(ValueError):  # a port that is none
        parts = urlsplit(smtp_url)
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return parts
    raise BadFigure(
        "REFUNDS_SMTP_URL cannot be used: it must look like smtp://user:password@mail.example.com:25, "
        "smtps://… or smtp+starttls://…. Correct it or unset it, then try again."
    )


def _timeout(text: str) -> float:
    if not (text.isdecimal() and 1 <= int(text) <= 60):
        raise BadFigure("REFUNDS_SMTP_URL cannot be used: timeout must be whole seconds from 1 to 60.")
    return float(text)


def _sender(mail_from: str) -> Address:
    name, spec = parseaddr(mail_from)
    try:
        return _address(name, spec)
    except ValueError as error:
        raise BadFigure(
            f"REFUNDS_MAIL_FROM cannot be used: {mail_from!r} is no mail address. "
            'Write it like refunds@example.com or "Refund Desk <refunds@example.com>".'
        ) from error


# -- the message ------------------------------------------------------------------------------------


def build(sender: Address, recipient: Address, message_id: str, letter: Letter) -> EmailMessage:
    """The mail as it goes out. No value can add a header."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _one_line(letter.subject)
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = _one_line(message_id)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body, charset="utf-8", cte="quoted-printable")
    return message


def _recipient(to_name: str, to_address: str) -> Address:
    """The address. Raises MailRefused for one that is none."""
    try:
        return _address(to_name, to_address)
    except ValueError as error:
        shown = _one_line(to_address)
        raise MailRefused(
            f"{shown!r} is no mail address this desk can write to. Correct it in the pro's profile."
            if shown
            else "The pro has no mail address. Add one to the pro's profile."
        ) from error


def _address(name: str, spec: str) -> Address:
    """The address with its domain in ASCII (IDNA). ValueError for one that is none, or is several."""
    local, at, domain = spec.strip().rpartition("@")
    if not (local and at and domain):
        raise ValueError(spec)
    try:
        ascii_domain = domain if domain.startswith("[") else domain.encode("idna").decode("ascii")
        return Address(_one_line(name), addr_spec=f"{local}@{ascii_domain}")
    except (ValueError, IndexError, MessageError) as error:
        raise ValueError(spec) from error


def _one_line(text: str) -> str:
    """Without control characters: a line break in a header would begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


# -- the server's answers ---------------------------------------------------------------------------


@contextmanager
def _server_down(host: str, port: int) -> Iterator[None]:
    """Inside, everything that fails keeps every mail from being sent: MailDelayed, server_down."""
    try:
        yield
    except (smtplib.SMTPException, OSError) as error:
        raise MailDelayed(
            f"The mail server {host}:{port} cannot be used: {_words(error)}.", server_down=True
        ) from error


@contextmanager
def _words_of_server() -> Iterator[None]:
    """Inside, the server's answers to one mail become MailRefused or MailDelayed, with its words."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _verdict(code, _decoded(words)) from error
    except smtplib.SMTPSenderRefused as error:
        raise _sender_verdict(error) from error
    except smtplib.SMTPDataError as error:
        raise _verdict(error.smtp_code, _decoded(error.smtp_error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailDelayed(
            f"The connection was lost before the server accepted the mail: {_words(error)}."
        ) from error


def _verdict(code: int, words: str) -> MailRefused | MailDelayed:
    said = f"The mail server said: {code} {words}"
    return MailRefused(said) if 500 <= code <= 599 else MailDelayed(said)


def _sender_verdict(error: smtplib.SMTPSenderRefused) -> MailRefused | MailDelayed:
    """A refused sender is our set-up, the same for every mail; only "too big" is about this one."""
    words = _decoded(error.smtp_error)
    if error.smtp_code == _SIZE_EXCEEDED:
        return _verdict(error.smtp_code, words)
    said = f"The mail server does not take mail from {error.sender}: {error.smtp_code} {words}"
    return MailDelayed(said, server_down=True)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_decoded(error.smtp_error)}"
    return (_one_line(str(error)) or type(error).__name__).rstrip(".")[:_WORDS_CHARACTERS_MAX]


def _decoded(words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return _one_line(text)[:_WORDS_CHARACTERS_MAX]
