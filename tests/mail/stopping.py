"""A real process that reads a mailbox, stopped by -9 in the middle of a mail's transaction."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import maintenance

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60.0


def environment(database_url: str, home: Path, **more: str) -> dict[str, str]:
    """This machine's environment, with the test's database and no other setting of the desk."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REFUNDS_")}
    return {**kept, "REFUNDS_DATABASE_URL": database_url, "REFUNDS_HOME": str(home), **more}


def refunds(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command `refunds …`, run to its end."""
    command = [sys.executable, "-m", "refundlib", *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def killed_while_held(
    url: str, statement: str, values: list[Any], environment: dict[str, str], *words: str
) -> None:
    """Starts `refunds …`, waits until it waits for what the statement holds, and kills it there."""
    with _held(url, statement, values) as waiters:
        command = [sys.executable, "-m", "refundlib", *words]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS_MAX
        while not waiters():
            assert process.poll() is None, "it ended before it came to the place"
            assert time.monotonic() < deadline, "it never came to the place"
            time.sleep(0.01)
        process.kill()
        process.wait(SECONDS_MAX)


@contextmanager
def _held(url: str, statement: str, values: list[Any]) -> Iterator[Any]:
    """Inside, what the statement locks is held; gives how many sessions wait for it. All is undone."""
    with maintenance(url) as holder, maintenance(url) as watcher:
        holder.execute("BEGIN")
        holder.execute(statement, values)
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"

        def waiters() -> int:
            row = watcher.execute(blocked, [holder.info.backend_pid]).fetchone()
            return int(row[0]) if row else 0

        yield waiters
        holder.execute("ROLLBACK")
        while waiters():
            time.sleep(0.01)
