"""`refunds run`: the database, the worker and the app, started together and stopped together."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import click

from refundlib.bootstrap import database, migrate_database, now_utc, open_desk
from refundlib.config import LOOPBACK, Settings, read_settings
from refundlib.db.engine import translated
from refundlib.domain.errors import BadFigure, Refusal
from refundlib.services.desk import Desk
from refundlib.services.status import is_empty

_ROOT: Final = Path(__file__).resolve().parent.parent
_HEALTHY_TIMEOUT_SECONDS: Final = 90
_STOP_TIMEOUT_SECONDS: Final = 15
_POLL_SECONDS: Final = 0.2
# A worker that ends this often within the window is not started again.
_WORKER_ENDS_MAX: Final = 5
_WORKER_ENDS_WINDOW_SECONDS: Final = 300
_WORKER_PAUSE_MAX_SECONDS: Final = 30

Say = Callable[[str], None]


class LaunchFailed(Refusal):
    """Something `refunds run` starts did not start."""


@dataclass
class Child:
    """A process of ours. It ends when we end: it watches a pipe (leash.py) whose other end only we hold."""

    name: str
    process: subprocess.Popen[bytes]
    pipe: int

    @classmethod
    def start(cls, name: str, module: str, *words: str, env: dict[str, str] | None = None) -> "Child":
        """Start `python -m module words…` in a process group of its own: Ctrl-C comes to us alone."""
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "refundlib.leash", str(reading), module, *words],
                cwd=_ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                pass_fds=[reading],
                process_group=0,
            )
        finally:
            os.close(reading)
        return cls(name, process, writing)

    def ended(self) -> int | None:
        """The exit status, or None while it runs."""
        return self.process.poll()

    def ask_to_stop(self) -> None:
        """Send the signal of an orderly stop."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for its end after `ask_to_stop`, and end it when it does not come."""
        try:
            self.process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.pipe)


@dataclass
class Worker:
    """The worker, started again when it ends by itself, a bounded number of times."""

    say: Say
    child: Child | None = None
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=_WORKER_ENDS_MAX))
    start_at: float = 0.0
    given_up: bool = False

    def tend(self) -> None:
        """Start it when it is due. Called at every turn of the loop."""
        if self.child is not None and self.child.ended() is not None:
            self._note_end(self.child)
            self.child = None
        if self.child is None and not self.given_up and time.monotonic() >= self.start_at:
            self.child = Child.start("worker", "refundlib", "worker")

    def _note_end(self, child: Child) -> None:
        child.stop()
        now = time.monotonic()
        self.ends.append(now)
        self.start_at = now + min(2.0 ** len(self.ends) / 2, _WORKER_PAUSE_MAX_SECONDS)
        if len(self.ends) == _WORKER_ENDS_MAX and now - self.ends[0] < _WORKER_ENDS_WINDOW_SECONDS:
            self.given_up = True
            self.say(
                f"The worker ended {_WORKER_ENDS_MAX} times in a row and is not started again: no mail is "
                "sent and no new charge is read. Run `refunds worker` by itself to see why, then start "
                "this again."
            )
        else:
            self.say(f"The worker ended with status {child.ended()}; it is started again.")


def run(chosen: Settings | None = None, say: Say = click.echo) -> int:
    """Serve the desk until Ctrl-C, SIGTERM or the app's end; the exit status.

    An empty embedded database gets the demo marketplace, a named one only when REFUNDS_DEMO says so.
    Refusal, a sentence, when something cannot be started; what was started is stopped.
    """
    settings = chosen or read_settings()
    demo = settings.database_url is None if settings.demo is None else settings.demo
    require_free_port(settings.port)
    with _signals(), database(settings) as url:
        _prepare(settings, url, say, demo=demo)
        return _serve(settings, say)


def _prepare(settings: Settings, url: str, say: Say, *, demo: bool) -> None:
    migrate_database(url)
    desk = open_desk(url, as_owner=True)
    try:
        if not is_empty(desk):
            return
        if demo:
            say(f"The database is empty: loading a demo marketplace of {settings.demo_charges} charges …")
            load_demo(desk, settings)
        else:
            say("The database is empty. `refunds demo-data` or `refunds import FOLDER` fills it.")
    finally:
        desk.engine.dispose()


def load_demo(desk: Desk, settings: Settings) -> None:
    """Load the demo marketplace as of now."""
    from refundlib.services import demo  # Faker takes a moment: only when it is needed

    with translated():
        demo.load_demo(
            desk,
            charges=settings.demo_charges,
            seed=settings.demo_seed,
            as_of=now_utc().replace(microsecond=0),
        )


def _serve(settings: Settings, say: Say) -> int:
    worker = Worker(say)
    app = _start_app(settings)
    try:
        worker.tend()
        _wait_until_healthy(app, settings.port)
        say(f"Refund Desk: http://{LOOPBACK}:{settings.port}  (Ctrl-C stops it)")
        while app.ended() is None:
            worker.tend()
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        say("Stopping …")
        return 0
    finally:
        _stop([child for child in (app, worker.child) if child is not None])
    say(f"The app ended with status {app.ended()}; everything was stopped. Its last words are above.")
    return 1


def _start_app(settings: Settings) -> Child:
    app = _ROOT / "app.py"
    if not app.is_file():
        raise LaunchFailed(f"{app} is missing. Run this from a checkout of Refund Desk.")
    return Child.start(
        "app",
        "streamlit",
        "run",
        str(app),
        f"--server.address={LOOPBACK}",
        f"--server.port={settings.port}",
        "--server.headless=true",
        "--logger.hideWelcomeMessage=true",
        env={"STREAMLIT_SERVER_COOKIE_SECRET": cookie_secret(settings.home)},
    )


def cookie_secret(home: Path) -> str:
    """The key that signs cookies, made once and kept in the data folder, readable by its owner only."""
    path = home / "cookie-secret"
    home.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def _stop(children: Sequence[Child]) -> None:
    """Stop all together, so that the slowest sets the time. A second Ctrl-C does not interrupt it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop()


def _wait_until_healthy(app: Child, port: int) -> None:
    deadline = time.monotonic() + _HEALTHY_TIMEOUT_SECONDS
    while not is_healthy(port):
        if app.ended() is not None:
            raise LaunchFailed(f"The app ended with status {app.ended()} while it started; see above.")
        if time.monotonic() > deadline:
            raise LaunchFailed(f"The app did not answer within {_HEALTHY_TIMEOUT_SECONDS} seconds.")
        time.sleep(_POLL_SECONDS)


def is_healthy(port: int) -> bool:
    """Whether a Streamlit server on this machine answers that it is well."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/_stcore/health", timeout=2) as answer:
            return bool(answer.read() == b"ok")
    except (urllib.error.URLError, OSError):
        return False


def require_free_port(port: int) -> None:
    """BadFigure, with what to do, when the port is taken or may not be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise BadFigure(
                f"Port {port} cannot be used: {(error.strerror or str(error)).lower()}. End the program "
                f"that has it, or choose another: REFUNDS_PORT={port + 1 if port < 65535 else 8501}."
            ) from error


@contextmanager
def _signals() -> Iterator[None]:
    """Inside, SIGTERM and a closed terminal end us like Ctrl-C: everything is stopped on the way out."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
