"""The embedded PostgreSQL: one server per data folder, shared by every command that uses it.

Each user holds a shared lock on one file while it uses the server; the kernel drops it when the process ends,
however it ends, so a count can never be wrong. Who comes or goes does so under a second, exclusive lock: who
comes starts the server when it does not run; who goes and finds nobody else on the first lock stops it.
"""

import atexit
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from refundlib.db.cluster import Cluster, open_cluster
from refundlib.domain.errors import DatabaseDown, DatabaseSlow

# Longer than a start with crash recovery may take.
_TURN_TIMEOUT_SECONDS: Final = 120


class Lease:
    """The right to use the server until `release()`, or until this process ends."""

    def __init__(self, cluster: Cluster, users_lock: int) -> None:
        self.url: Final = cluster.url()
        self._cluster = cluster
        self._users_lock: int | None = users_lock
        atexit.register(self.release)

    def release(self) -> None:
        """Leave; the last to leave stops the server. A second call does nothing."""
        users_lock, self._users_lock = self._users_lock, None
        if users_lock is None:
            return
        atexit.unregister(self.release)
        with _turn(self._cluster.home):
            alone = _try_lock(users_lock, fcntl.LOCK_EX)
            if alone:
                self._cluster.stop()
            os.close(users_lock)


def is_made(home: Path) -> bool:
    """Whether there is a data folder under `home`; one that this user may not look into is taken for one."""
    root = home / "postgres"
    return root.exists() and (not os.access(root, os.X_OK) or (root / "data").exists())


def acquire(home: Path, settings: Mapping[str, str] | None = None) -> Lease:
    """Use the server under `home`, making and starting it when need be.

    settings: of PostgreSQL, for a server this call starts (tests). DatabaseDown, with what to do, where it
    cannot run; DatabaseSlow when another command keeps the lock.
    """
    home = home.absolute()
    cluster = open_cluster(home)
    with _turn(home):
        users_lock = _open(home / "server-users.lock")
        try:
            shared = _try_lock(users_lock, fcntl.LOCK_SH)
            assert shared, "nobody locks the users' file exclusively without the turn"
            cluster.ensure_running(settings or {})
        except BaseException:
            os.close(users_lock)
            raise
    return Lease(cluster, users_lock)


@contextmanager
def embedded_server(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of the running server's database, for as long as the block lasts."""
    lease = acquire(home, settings)
    try:
        yield lease.url
    finally:
        lease.release()


@contextmanager
def _turn(home: Path) -> Iterator[None]:
    """Wait until no other command starts or stops the server. DatabaseSlow when that takes too long."""
    descriptor = _open(home / "server-turn.lock")
    try:
        deadline = time.monotonic() + _TURN_TIMEOUT_SECONDS
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise DatabaseSlow(
                    "Another command has been starting or stopping the embedded PostgreSQL for "
                    f"{_TURN_TIMEOUT_SECONDS} seconds. End it, then try again."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """A lock file's descriptor, which no child inherits. A file root makes belongs to the folder's owner."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseDown(
            f"{path} cannot be opened: {error.strerror}. Run this as the owner of {path.parent}, "
            "or set REFUNDS_HOME to a folder of your own."
        ) from error
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
