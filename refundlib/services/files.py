"""Files handed in as evidence: judged by what is in them, kept in the database under their SHA-256.

They are shown as pictures or handed out to save; nothing here or on a page runs what is in them.
"""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from PIL import Image, UnidentifiedImageError
from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFile, NotAllowed, NotFound
from refundlib.domain.people import Person, is_masked
from refundlib.services.desk import Desk, command

FILE_BYTES_MAX: Final = 10 * 1024 * 1024
FILES_MAX: Final = 10
# With what comes later: answers, an appeal, mails.
REPORT_FILES_MAX: Final = 50
NAME_CHARACTERS_MAX: Final = 120
# Beyond that a picture of a few kilobytes would fill the memory of who opens it.
PIXELS_MAX: Final = 50_000_000
PDF, JPEG, PNG, MAIL = "application/pdf", "image/jpeg", "image/png", "message/rfc822"
_SIGNATURES: Final = ((b"%PDF-", PDF), (b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG))
_ENDINGS: Final = {PDF: ".pdf", JPEG: ".jpg", PNG: ".png", MAIL: ".eml"}

Row = dict[str, Any]


@dataclass(frozen=True)
class File:
    """A file that may be kept: a name for people, the media type its content has, the content."""

    name: str
    media_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The content's hash, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def examined(name: str, content: bytes) -> File:
    """A file as it may be kept. Raises BadFile: no PDF, JPEG or PNG by its content, broken, or too large."""
    shown = _clean_name(name)
    if not content:
        raise BadFile(f"{shown} is empty. Choose the file again.")
    if len(content) > FILE_BYTES_MAX:
        size, most = (f"{count / 1024 / 1024:.1f} MB" for count in (len(content), FILE_BYTES_MAX))
        raise BadFile(f"{shown} has {size}; {most} is the most. Make it smaller, or send a part of it.")
    media_type = next((kind for start, kind in _SIGNATURES if content.startswith(start)), None)
    if media_type is None:
        raise BadFile(f"{shown} is no PDF, JPEG or PNG, whatever its name says. Save it as one of these.")
    if media_type != PDF:
        _demand_picture(shown, content)
    return File(_with_ending(shown, media_type), media_type, content)


def mail_file(content: bytes) -> File:
    """A whole mail as it came, kept as evidence of what was written."""
    return File("mail.eml", MAIL, content)


def demand_few(files: Sequence[File]) -> None:
    """Raises BadFile for more than FILES_MAX."""
    if len(files) > FILES_MAX:
        raise BadFile(f"These are {len(files)} files; {FILES_MAX} is the most. Choose those that show it.")


def _demand_picture(shown: str, content: bytes) -> None:
    broken = BadFile(f"{shown} is a broken picture. Save it again, or take another one.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit warns; ours refuses
            with Image.open(BytesIO(content)) as picture:
                pixels = picture.width * picture.height
                picture.verify()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise broken from None
    if pixels > PIXELS_MAX:
        raise BadFile(f"{shown} has {pixels:,} pixels; {PIXELS_MAX:,} is the most. Make it smaller.")


def _clean_name(name: str) -> str:
    """The name without folders and signs that are not shown, of a bounded length."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in last).split())
    return shown[-NAME_CHARACTERS_MAX:] or "file"


def _with_ending(shown: str, media_type: str) -> str:
    """The name ends as its content is, so that whoever saves it opens it with the right program."""
    ending = _ENDINGS[media_type]
    same = (ending, ".jpeg") if media_type == JPEG else (ending,)
    return shown if shown.lower().endswith(same) else f"{shown[: NAME_CHARACTERS_MAX - 4]}{ending}"


# -- keeping and reading ----------------------------------------------------------------------------


def keep(conn: Connection, file: File) -> str:
    """Keeps a file's content, once; its SHA-256."""
    queries.attachments.keep(conn, sha256=file.sha256, media_type=file.media_type, content=file.content)
    return file.sha256


def attach(conn: Connection, actor: Person, report_id: str, files: Sequence[File], now: datetime) -> None:
    """Puts files beside a locked or new report; one that is there stays. Raises BadFile for too many."""
    demand_few(files)
    if files and queries.attachments.count(conn, report_id=report_id) + len(files) > REPORT_FILES_MAX:
        raise BadFile(f"Report {report_id} would have more than {REPORT_FILES_MAX} files, which is the most.")
    # By their hash: two transactions with the same files wait for each other in one order.
    for file in sorted(files, key=lambda each: each.sha256):
        queries.attachments.attach(
            conn,
            report_id=report_id,
            sha256=keep(conn, file),
            name=file.name,
            added_by=actor.person_id,
            added_at=now,
        )


@command("read_claim")
def attachment(desk: Desk, actor: Person, report_id: str, sha256: str) -> File:
    """One file of a report. Raises NotFound; NotAllowed for a viewer: a picture cannot be masked."""
    if is_masked(actor):
        raise NotAllowed("A viewer sees that there is a file, not what is in it. Ask somebody of support.")
    with desk.reading() as conn:
        row = queries.attachments.attachment(conn, report_id=report_id, sha256=sha256)
    if row is None:
        raise NotFound(f"Report {report_id} has no such file. Open it from its claim.")
    return File(row["name"], row["media_type"], bytes(row["content"]))
