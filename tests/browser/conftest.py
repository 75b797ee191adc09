"""A running desk on a fresh database, a real mail server, and a Chromium."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from refundlib.config import Settings
from refundlib.launch import is_healthy
from refundlib.payments.stripe import StripeProcessor
from refundlib.services.desk import Desk
from tests.conftest import Clock, opened_desk
from tests.mail import server
from tests.mail.server import MailServer, free_port
from tests.market import Market
from tests.stripe_server import KEY, SECRET, StripeServer, stripe_server

ROOT = Path(__file__).resolve().parent.parent.parent
_BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
START_SECONDS = 60


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """An installed Chromium: Playwright's own may not be there to download."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert found, "The browser tests need Chromium; `make chromium` says how to get it."
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    return {**browser_type_launch_args, "executable_path": found, "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """The size of a small desktop screen."""
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that accepts everything."""
    with server.mail_server() as started:
        yield started


@dataclass
class Served:
    """A desk that is served: its address, and the market behind it."""

    url: str
    market: Market


@pytest.fixture
def served(market: Market, database_url: str, tmp_path: Path) -> Iterator[Served]:
    """The app, freshly started on the test's database: no page was opened before."""
    port = free_port()
    environment = {**os.environ, "REFUNDS_DATABASE_URL": database_url, "REFUNDS_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), f"--server.port={port}"]
    with (tmp_path / "app.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield Served(f"http://127.0.0.1:{port}", market)
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(port):
        assert process.poll() is None, "the app ended while it started"
        assert time.monotonic() < deadline, "the app did not start in time"
        time.sleep(0.1)


@pytest.fixture
def mailing_desk(
    database_url: str, clock: Clock, settings: Settings, mail_server: MailServer
) -> Iterator[Desk]:
    """A desk that hands its mail to the mail server."""
    chosen = settings.model_copy(update={"smtp_url": mail_server.url})
    with opened_desk(database_url, clock, chosen) as desk:
        yield desk


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[StripeServer]:
    """The card processor, on the tests' clock; the app that is served finds its key and address set."""
    with stripe_server() as state:
        state.clock = lambda: clock().timestamp()
        monkeypatch.setenv("REFUNDS_STRIPE_KEY", KEY)
        monkeypatch.setenv("REFUNDS_STRIPE_URL", state.address)
        yield state


@pytest.fixture
def worker(processor: StripeServer, mailing_desk: Desk) -> Desk:
    """What the worker works with: the processor and the mail server."""
    return replace(mailing_desk, processor=StripeProcessor(KEY, SECRET, processor.address))
