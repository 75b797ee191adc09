"""Where pros' mails are fetched from: a folder of .eml files, an IMAP mailbox, or none. Each is only read.

Trouble with the mailbox as a whole is MailboxClosed, one sentence without the password.
"""

import imaplib
import os
import re
import ssl
import stat
import time
from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from refundlib.domain.errors import BadFigure
from refundlib.domain.received_mail import (
    MAIL_BYTES_MAX,
    EnoughRead,
    Fetched,
    MailboxClosed,
    Position,
    ReadMail,
)
from refundlib.mail.plain_text import cleaned, one_line
from refundlib.mail.reading import read, read_headers
from refundlib.services.desk import NoMailbox

# One answer of the server.
TIMEOUT_SECONDS: Final = 20
# Of a mail that is too large so much is fetched, and read as far as its headers go.
HEADER_BYTES_MAX: Final = 65_536
FILES_MAX: Final = 100_000
# A file that was written just now is looked at again after this time: it is taken when it did not grow.
SETTLED_SECONDS: Final = 2.0
GROWING_SECONDS: Final = 0.3
_WORDS_CHARACTERS_MAX: Final = 300
_PORTS: Final = {"imap": 143, "imaps": 993}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
# Names that programs give to a file they still write.
_TEMPORARY: Final = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_UNSEEN_FOLDERS: Final = ("tmp",)
_MAILDIR: Final = ("cur", "new")


def mailbox(source: str | None) -> "NoMailbox | FolderMailbox | ImapMailbox":
    """The mailbox of imaps://user:password@host[:993][/FOLDER], imap://… (this machine only), file:///path,
    or a folder's plain path; the null twin for None.

    Raises BadFigure, without the password, for what cannot be used.
    """
    if source is None:
        return NoMailbox()
    if "://" not in source:
        return FolderMailbox(Path(source).expanduser().absolute())
    parts = _parts(source)
    if parts.scheme == "file":
        return FolderMailbox(Path(unquote(parts.path)))
    if parts.scheme == "imap" and parts.hostname not in _LOOPBACK:
        raise BadFigure(
            "imap:// would send the password in the clear, so it is for this machine only. Use imaps://."
        )
    folder = unquote(parts.path.strip("/")) or "INBOX"
    return ImapMailbox(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        folder=folder,
        with_tls=parts.scheme == "imaps",
    )


def _parts(source: str) -> SplitResult:
    with suppress(ValueError):  # a port that is none
        parts = urlsplit(source)
        is_server = parts.scheme in _PORTS and parts.hostname and parts.port != 0 and parts.username
        is_folder = parts.scheme == "file" and not parts.netloc and parts.path
        if (is_server or is_folder) and unquote(source).isprintable():
            return parts
    raise BadFigure(
        "This mailbox cannot be used: it must look like imaps://user:password@mail.example.com/INBOX or "
        "file:///path/of/a/folder. Correct it (REFUNDS_MAILBOX_URL), then try again."
    )


# -- a folder -------------------------------------------------------------------------------------------

_State = tuple[int, int, int]


@dataclass
class FolderMailbox:
    """A folder of .eml files, with the cur/ and new/ folders of a Maildir. No file is changed or deleted.

    It has no positions: what was read before is told by the mails' fingerprints, and remembered as long as
    this object lives.
    """

    path: Path
    _done: dict[Path, _State] = field(default_factory=dict, repr=False)

    is_set = True

    @property
    def name(self) -> str:
        """file:///path."""
        return f"file://{self.path}"

    def mails(self, position: Position, limit: int) -> Generator[Fetched]:
        """The mails not read yet by this object, the oldest file first; those still being written wait."""
        unread: list[str] = []
        count = 0
        for path, state in self._due():
            try:
                mail = _mail_of_file(path, state)
            except OSError as error:
                if path.exists():
                    unread.append(f"{path.name} ({error.strerror})")
                continue
            if mail is not None:
                try:
                    yield Fetched(mail, position)
                except EnoughRead:
                    self._done[path] = state
                    return
                self._done[path] = state
                count += 1
            if count == limit:
                return
        if unread:  # said when all others are read
            raise MailboxClosed(
                f"In {self.path} these mails cannot be read: {', '.join(unread[:5])} ({len(unread)} in all). "
                "Allow it; all others were read."
            )

    def _due(self) -> list[tuple[Path, _State]]:
        try:
            found = dict(self._files())
        except OSError as error:
            raise MailboxClosed(
                f"The folder {self.path} cannot be read: {error.strerror or error}. Create or allow it."
            ) from error
        self._done = {path: state for path, state in self._done.items() if path in found}
        new = [(path, state) for path, state in found.items() if self._done.get(path) != state]
        return sorted(_settled(new), key=lambda each: (each[1][1], str(each[0])))

    def _files(self) -> Iterator[tuple[Path, _State]]:
        count = 0
        if not self.path.is_dir():
            raise NotADirectoryError(0, "it is no folder")
        for folder, inner, names in os.walk(self.path):
            inner[:] = [each for each in inner if not each.startswith(".") and each not in _UNSEEN_FOLDERS]
            for name in names:
                path = Path(folder) / name
                if _may_be_mail(path) and (state := _state(path)) is not None:
                    count += 1
                    if count > FILES_MAX:
                        raise OSError(0, f"it has more than {FILES_MAX:,} mails; move the old ones away")
                    yield path, state


def _may_be_mail(path: Path) -> bool:
    name = path.name.lower()
    if name.startswith(".") or name.endswith(_TEMPORARY):
        return False
    return name.endswith(".eml") or path.parent.name in _MAILDIR


def _state(path: Path) -> _State | None:
    """Size, time of the last change (ns) and inode of a file; None for what is empty, gone or no file."""
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size:
            return found.st_size, found.st_mtime_ns, found.st_ino
    return None


def _settled(files: list[tuple[Path, _State]]) -> list[tuple[Path, _State]]:
    """The files without those that are written right now."""
    young_ns = time.time_ns() - int(SETTLED_SECONDS * 1e9)
    young = [(path, state) for path, state in files if state[1] > young_ns]
    if not young:
        return files
    time.sleep(GROWING_SECONDS)
    growing = {path for path, state in young if _state(path) != state}
    return [(path, state) for path, state in files if path not in growing]


def _mail_of_file(path: Path, state: _State) -> ReadMail | None:
    """The mail; None when the file was changed while it was read."""
    size_bytes = state[0]
    with path.open("rb") as file:
        if size_bytes > MAIL_BYTES_MAX:
            mail = read_headers(file.read(HEADER_BYTES_MAX), size_bytes)
        else:
            mail = read(file.read(MAIL_BYTES_MAX + 1))
    return mail if _state(path) == state else None


# -- IMAP -----------------------------------------------------------------------------------------------

_UID: Final = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d{1,12})\b")


@dataclass(frozen=True)
class ImapMailbox:
    """One folder of an IMAP server, opened for reading only; one connection a pass."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    with_tls: bool = True
    timeout_seconds: float = TIMEOUT_SECONDS

    is_set = True

    @property
    def name(self) -> str:
        """imaps://user@host:port/folder."""
        scheme = "imaps" if self.with_tls else "imap"
        return f"{scheme}://{self.user}@{self.host}:{self.port}/{self.folder}"

    def mails(self, position: Position, limit: int) -> Generator[Fetched]:
        """The mails with higher UIDs than the position; all of them when the UIDs mean something else now."""
        with self._trouble("cannot be used"):
            server = self._connect()
        try:
            with self._trouble("cannot be used"):
                validity, count = self._open(server)
            with self._trouble("broke off"):
                after = position.last_uid if position.uid_validity == validity else 0
                listed = _listed(server, count, after, limit)
            for uid, size_bytes in listed:
                with self._trouble("broke off"):
                    mail = _fetched(server, uid, size_bytes)
                if mail is not None:  # None: somebody deleted it meanwhile
                    yield Fetched(mail, Position(validity, uid))
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                server.logout()

    def _connect(self) -> imaplib.IMAP4:
        server: imaplib.IMAP4
        if self.with_tls:
            tls = ssl.create_default_context()
            server = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=tls, timeout=self.timeout_seconds)
        else:
            server = imaplib.IMAP4(self.host, self.port, timeout=self.timeout_seconds)
        try:
            if "AUTH=PLAIN" in server.capabilities:
                secret = f"\0{self.user}\0{self.password}".encode()
                server.authenticate("PLAIN", lambda _: secret)
            else:
                server.login(self.user, self.password)
        except BaseException:
            server.shutdown()
            raise
        return server

    def _open(self, server: imaplib.IMAP4) -> tuple[int, int]:
        """The folder's UIDVALIDITY, and how many mails are in it."""
        quoted = self.folder.replace("\\", "\\\\").replace('"', '\\"')
        kind, data = server.select(f'"{quoted}"', readonly=True)
        if kind != "OK":
            raise imaplib.IMAP4.error(f"it has no folder {self.folder}: {_decoded(data[0])}")
        _, validity = server.response("UIDVALIDITY")
        return int(validity[0] or 0), int(data[0] or 0)

    @contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        """Inside, whatever fails becomes one sentence, without the password."""
        try:
            yield
        except (imaplib.IMAP4.error, OSError, ValueError, IndexError, TypeError) as error:
            words = _words(error)
            if self.password:
                words = words.replace(self.password, "…")
            raise MailboxClosed(
                f"The mailbox {self.name} {what}: {words}. Check the server and REFUNDS_MAILBOX_URL; "
                "what was read by now is kept."
            ) from None


def _listed(server: imaplib.IMAP4, count: int, after: int, limit: int) -> list[tuple[int, int]]:
    """UID and size of the first `limit` mails above a UID.

    UIDs grow with the place in the folder, so the place is found by halving: few lines are read, however many
    mails there are.
    """
    if not count:
        return []
    places = range(1, count + 1)
    first = 1 + bisect_right(places, after, key=lambda place: _uid_at(server, place))
    if first > count:
        return []
    return [row for row in _rows(server, first, min(first + limit - 1, count)) if row[0] > after]


def _uid_at(server: imaplib.IMAP4, place: int) -> int:
    if rows := _rows(server, place, place):
        return rows[0][0]
    raise imaplib.IMAP4.error("it does not say which mails it has")


def _rows(server: imaplib.IMAP4, first: int, last: int) -> list[tuple[int, int]]:
    """UID and size of the mails from one place of the folder to another."""
    kind, data = server.fetch(f"{first}:{last}", "(UID RFC822.SIZE)")
    if kind != "OK":
        raise imaplib.IMAP4.error(_decoded(data[0]))
    lines = [line if isinstance(line, bytes) else b" ".join(line) for line in data if line]
    found = [(_UID.search(line), _SIZE.search(line)) for line in lines]
    return sorted((int(uid[1]), int(size[1])) for uid, size in found if uid and size)


def _fetched(server: imaplib.IMAP4, uid: int, size_bytes: int) -> ReadMail | None:
    """The mail of a UID, or of a too large one what its headers say; None when it is gone."""
    if size_bytes <= MAIL_BYTES_MAX:
        raw = _content(server, uid, MAIL_BYTES_MAX + 1)
        if raw is None or len(raw) <= MAIL_BYTES_MAX:
            return None if raw is None else read(raw)
    start = _content(server, uid, HEADER_BYTES_MAX)
    return None if start is None else read_headers(start, size_bytes)


def _content(server: imaplib.IMAP4, uid: int, most: int) -> bytes | None:
    """The first bytes of a mail, which stays as unread as it was."""
    kind, data = server.uid("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{most}>)")
    if kind != "OK":
        raise imaplib.IMAP4.error(_decoded(data[0]))
    for part in data:
        if isinstance(part, tuple) and len(part) == 2 and b"BODY[]" in part[0]:
            return bytes(part[1])
    return None


def _decoded(words: Any) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words or "")
    return one_line(cleaned(text, _WORDS_CHARACTERS_MAX), _WORDS_CHARACTERS_MAX)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error)
    return _decoded(said).rstrip(".") or type(error).__name__
