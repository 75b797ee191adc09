"""As whom the embedded server runs, and whether that user can get to a folder.

PostgreSQL refuses to run as root, so root starts it as another user: the owner of the data folder, else
`postgres` or `nobody`. The mode of a folder we did not make is never changed; where that user is shut out, a
sentence says so.
"""

import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from refundlib.config import is_root
from refundlib.domain.errors import DatabaseDown

_CANDIDATES: Final = ("postgres", "nobody")
_COMMAND_TIMEOUT_SECONDS: Final = 120
# Root's folder on the way to the data: others may pass through, not look around.
_PASSAGE: Final = 0o711


@dataclass(frozen=True)
class ServerUser:
    """An existing account. other: whether it is not the user we are, so that commands must change to it."""

    name: str
    uid: int
    gid: int
    other: bool

    def run(
        self, command: Sequence[str | Path], cwd: Path, env: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user in `cwd` and return what it said. DatabaseDown when it cannot be run."""
        try:
            return subprocess.run(
                [str(word) for word in command],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT_SECONDS,
                check=False,
                umask=0o077,
                user=self.uid if self.other else None,
                group=self.gid if self.other else None,
                extra_groups=[] if self.other else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DatabaseDown(
                f"The embedded PostgreSQL cannot be run as {self.name}: {error}. "
                "Run this as a normal user, or name a PostgreSQL server in REFUNDS_DATABASE_URL."
            ) from error


def server_user(home: Path) -> ServerUser:
    """Who runs the server whose data lie under `home`. DatabaseDown when root finds no account for it."""
    if not is_root():
        return _account(pwd.getpwuid(os.getuid()), other=False)
    owner = home.stat().st_uid if home.exists() else 0
    if owner != 0:
        return _account(pwd.getpwuid(owner), other=True)
    for name in _CANDIDATES:
        try:
            return _account(pwd.getpwnam(name), other=True)
        except KeyError:
            continue
    raise DatabaseDown(
        "PostgreSQL does not run as root, and there is no account postgres or nobody to run it as. "
        "Make one, run this as a normal user, or name a PostgreSQL server in REFUNDS_DATABASE_URL."
    )


def _account(entry: pwd.struct_passwd, *, other: bool) -> ServerUser:
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, other)


def first_closed(path: Path, user: ServerUser) -> Path | None:
    """The outermost folder on the way to `path`, or `path` itself, that the user may not enter; None if open.

    Folders that are not there yet do not count: we make them passable.
    """
    for step in (*reversed(path.parents), path):
        if step.exists() and not _may_enter(step.stat(), user):
            return step
    return None


def _may_enter(status: os.stat_result, user: ServerUser) -> bool:
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def require_way(home: Path, user: ServerUser) -> None:
    """DatabaseDown, with what to do, when the server's user cannot get to `home`."""
    closed = first_closed(home, user)
    if closed is not None:
        raise DatabaseDown(
            f"As root, PostgreSQL runs as the user {user.name}, who cannot get into {closed}. "
            "Set REFUNDS_HOME to a folder that user can reach, such as /var/lib/refund-desk, "
            "or run this as a normal user."
        )


def make_home(home: Path, user: ServerUser) -> None:
    """Make the data folder and its missing parents: closed to others, or a passage for the server's user."""
    missing = [step for step in (*reversed(home.parents), home) if not step.exists()]
    try:
        for step in missing:
            step.mkdir(exist_ok=True)
            step.chmod(_PASSAGE if user.other else 0o700)
    except OSError as error:
        raise DatabaseDown(
            f"The data folder {home} cannot be made: {error.strerror}. "
            "Set REFUNDS_HOME to a folder you may write to."
        ) from error


def make_private(folder: Path, user: ServerUser) -> None:
    """Make `folder` the server user's own, closed to all others. DatabaseDown when it is somebody else's."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if user.other:
            os.chown(folder, user.uid, user.gid, follow_symlinks=False)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user.uid:
        raise DatabaseDown(
            f"{folder} belongs to another user than {user.name}, who would run PostgreSQL here. "
            "Run this as its owner, or set REFUNDS_HOME to another folder."
        )
