"""A mail somebody wrote to the desk, as it was read: what every mailbox gives and every rule reads."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from refundlib.domain.errors import Refusal

ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
# Of a mail's text this much is kept and read; the whole mail lies beside it as it came.
BODY_CHARACTERS_MAX: Final = 20_000
# A larger mail is not fetched whole: the database keeps files up to this size.
MAIL_BYTES_MAX: Final = 25 * 1024 * 1024


class MailboxClosed(Refusal):
    """A mailbox that cannot be read now: not there, out of reach, or it refuses the login."""


class EnoughRead(Exception):  # noqa: N818 - a word to a mailbox, no error
    """Thrown into a mailbox's mails by who kept the last one and wants no more now."""


class Attached(NamedTuple):
    """What a mail carried: the name it was given, the content."""

    name: str
    content: bytes


class Position(NamedTuple):
    """How far a mailbox was read: all up to last_uid, as long as its UIDs mean the same (uid_validity)."""

    uid_validity: int = 0
    last_uid: int = 0


@dataclass(frozen=True)
class ReadMail:
    """What a mail says.

    fingerprint: the same for the same mail, however it came. answers_to: the Message-IDs it answers, the
    nearest first. forwarded_from: addresses of those who first wrote what it forwards. body: its text, at
    most BODY_CHARACTERS_MAX; words: the same without what it only quotes. sent_at: with an offset, None when
    it does not say. is_automatic: a machine answered, or a mail came back. left_out: a sentence each. raw:
    the mail as it came, None when it is too large; then size_bytes tells, and there are no words.
    """

    fingerprint: str
    message_id: str
    answers_to: tuple[str, ...]
    from_name: str
    from_address: str
    reply_to: str
    forwarded_from: tuple[str, ...]
    subject: str
    body: str
    words: str
    sent_at: datetime | None
    is_automatic: bool
    attachments: tuple[Attached, ...]
    left_out: tuple[str, ...]
    raw: bytes | None
    size_bytes: int


class Fetched(NamedTuple):
    """A mail of a mailbox, and how far the mailbox is read once the mail is kept."""

    mail: ReadMail
    position: Position
