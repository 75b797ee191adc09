"""`refunds run`: everything starts together, serves, and ends together, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from refundlib.launch import cookie_secret, is_healthy
from tests.mail.server import free_port

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder the server's user can get to."""
    with tempfile.TemporaryDirectory(prefix="refund-desk-run-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def start(home: Path, port: int) -> subprocess.Popen[str]:
    """The desk on a small demo, once it says its address."""
    environment = {
        **os.environ,
        "REFUNDS_HOME": str(home),
        "REFUNDS_PORT": str(port),
        "REFUNDS_DEMO_CHARGES": "300",
    }
    environment.pop("REFUNDS_DATABASE_URL", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "refundlib", "run"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if f"http://127.0.0.1:{port}" in line:
            return process
    raise AssertionError(f"it ended with {process.wait()} before it said its address")


def below(home: Path) -> list[str]:
    """The processes that name this home in their words: its PostgreSQL."""
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "cmdline"])
        if any(str(home) in word for word in process.info["cmdline"] or [])
    ]


def until_gone(children: list[psutil.Process]) -> list[psutil.Process]:
    """Those still alive after half a minute."""
    _gone, alive = psutil.wait_procs(children, timeout=30)
    return alive


def test_ctrl_c_stops_everything_and_kill_9_is_survived(home: Path) -> None:
    """Served, killed by -9, started again on the same data, stopped by Ctrl-C: nothing is left running."""
    port = free_port()
    first = start(home, port)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.communicate(timeout=60)
    ours = [child for child in children if "postgres" not in _name(child)]
    assert until_gone(ours) == [], "app and worker end with their parent"
    began = time.monotonic()
    second = start(home, port)
    assert is_healthy(port)
    assert time.monotonic() - began < 60
    children = psutil.Process(second.pid).children(recursive=True)
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "loading a demo" not in output, "the data were kept"
    assert until_gone(children) == []
    assert below(home) == []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def test_cookie_secret_is_kept(tmp_path: Path) -> None:
    """The secret is made once, readable by its owner only."""
    secret = cookie_secret(tmp_path)
    assert len(secret) >= 32
    assert cookie_secret(tmp_path) == secret
    (path,) = [path for path in tmp_path.iterdir() if path.read_text().strip() == secret]
    assert path.stat().st_mode & 0o077 == 0
