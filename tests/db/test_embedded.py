"""The embedded PostgreSQL: shared by its users, stopped by the last, back after any kind of end."""

import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from refundlib.config import is_root
from refundlib.db.embedded import acquire
from refundlib.domain.errors import DatabaseDown


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder the server's user can get to."""
    with tempfile.TemporaryDirectory(prefix="refund-desk-home-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def execute(url: str, statement: str) -> object:
    """The first value of a statement's result, or None."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(home: Path) -> psutil.Process | None:
    """The server's first process."""
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    if not pid_file.exists():
        return None
    pid = int(pid_file.read_text().split()[0])
    return psutil.Process(pid) if psutil.pid_exists(pid) else None


def test_shared_and_stopped_by_the_last(home: Path) -> None:
    """Two users share one server; it runs on when one leaves and stops with the other."""
    first, second = acquire(home), acquire(home)
    assert first.url == second.url
    first.release()
    assert execute(second.url, "SELECT 1") == 1
    second.release()
    second.release()
    assert postmaster(home) is None


def test_data_survive_kill_9(home: Path) -> None:
    """After kill -9 of the server the next user finds what was committed."""
    lease = acquire(home)
    execute(lease.url, "CREATE TABLE kept AS SELECT 7 AS x")
    server = postmaster(home)
    assert server is not None
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    again = acquire(home)
    assert execute(again.url, "SELECT x FROM kept") == 7
    again.release()
    lease.release()


def test_a_killed_user_counts_no_more(home: Path) -> None:
    """A program killed while it uses the server does not keep it running for ever."""
    script = (
        "import sys, time; from pathlib import Path; from refundlib.db.embedded import acquire;"
        "acquire(Path(sys.argv[1])); print('ready', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE)
    assert user.stdout is not None
    assert user.stdout.readline() == b"ready\n"
    user.kill()
    user.wait()
    user.stdout.close()
    acquire(home).release()
    assert postmaster(home) is None


@pytest.mark.skipif(not is_root(), reason="only root's server runs as another user")
def test_a_closed_parent_is_a_sentence(home: Path) -> None:
    """As root, below a folder closed to others: a sentence says what to do, and no mode is changed."""
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(DatabaseDown, match="REFUNDS_HOME"):
        acquire(closed / "home")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_file_in_the_way_is_a_sentence(home: Path) -> None:
    """A data folder that is a file is refused with what to do."""
    home.touch()
    with pytest.raises(DatabaseDown, match="REFUNDS_HOME"):
        acquire(home)
