"""What the marketplace's routes bear: python -m tests.bench.api_load [--rate 200] [--seconds 60]

Serves the real app on a fresh database of its own, as `streamlit run app.py` does, and asks it from another
process: each request at its time, whether or not earlier ones were answered, on connections that are kept.
Half are reports of distinct charges, a quarter asks how one stands, a quarter asks the checklist. Who gets a
503 or no answer sends the same again, with the same key; every 97th report is sent by somebody who hangs up
and sends it again. Then the database is compared with what was acknowledged. Prints one JSON object; times in
milliseconds, from when a request was due until it was answered, retries and all.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import psutil

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-of-the-marketplace-0123456789"
CONNECTIONS = 64
ANSWER_SECONDS_MAX = 10.0
PAUSE_SECONDS = 0.5
TRIES_MAX = 20
HANGS_UP = 97
START_SECONDS = 60
# Of those sent again: hung up by the sender, put off by a 503; no_answer counts the first among the rest.
_COUNTED = ("acknowledged", "retried", "hung_up", "no_answer", "put_off", "refused", "unanswered")


@click.command()
@click.option("--rate", default=200, help="Requests a second.")
@click.option("--seconds", default=60)
@click.option("--send", default="", help="Only ask the server at this port; used by the command itself.")
def main(rate: int, seconds: int, send: str) -> None:
    """Serves, asks, compares."""
    if send:
        click.echo(json.dumps(asyncio.run(Sender(int(send)).run(rate, seconds))))
        return
    from refundlib.bootstrap import migrate_database, open_desk
    from refundlib.db.embedded import embedded_server
    from tests.market import Market
    from tests.web.test_api import many_charged

    with tempfile.TemporaryDirectory(prefix="refund-desk-load-") as folder:
        Path(folder).chmod(0o755)  # the database's user must get there
        with embedded_server(Path(folder) / "home") as url:
            migrate_database(url)
            owner, desk = open_desk(url, as_owner=True), open_desk(url)
            many_charged(Market(owner, desk), rate * seconds // 2)
            with served(url, Path(folder)) as (port, process):
                words = [sys.executable, "-m", "tests.bench.api_load", "--send", str(port)]
                words += ["--rate", str(rate), "--seconds", str(seconds)]
                before, load = cpu_seconds(process), os.getloadavg()[0]
                told = json.loads(subprocess.check_output(words, cwd=ROOT))
                used = cpu_seconds(process) - before
            found = compared(desk, told.pop("reports"))
            owner.engine.dispose()
            desk.engine.dispose()
    told |= found | {"server_cpu_seconds": round(used, 1), "machine_load_before": round(load, 2)}
    click.echo(json.dumps(told, indent=2))


@contextmanager
def served(url: str, folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and process of the real app on a database, started as users start it."""
    from refundlib.launch import is_healthy
    from tests.mail.server import free_port

    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), f"--server.port={port}"],
        cwd=ROOT,
        env={**os.environ, "REFUNDS_DATABASE_URL": url, "REFUNDS_API_KEY": KEY},
        stdout=(folder / "app.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_healthy(port):
            assert process.poll() is None, (folder / "app.log").read_text()
            assert time.monotonic() < deadline, "the app did not start in time"
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used of the processor."""
    used = process.cpu_times()
    return float(used.user + used.system)


def compared(desk: Any, acknowledged: dict[str, str]) -> dict[str, Any]:
    """What the database has of what was acknowledged (charge to report): lost, doubled, more than that."""
    from sqlalchemy import text

    from refundlib.services.checking import check

    with desk.reading() as conn:
        rows = conn.execute(text("SELECT charge_id, report_id FROM refunds.reports")).all()
        keys = conn.execute(text("SELECT count(*) FROM refunds.filed_requests")).scalar_one()
    there, times = set(rows), Counter(charge for charge, _ in rows)
    return {
        "reports_acknowledged": len(acknowledged),
        "reports_in_database": len(rows),
        "request_keys_in_database": keys,
        "lost": sum((charge, report) not in there for charge, report in acknowledged.items()),
        "doubled": sum(number > 1 for number in times.values()),
        "invariants_hold": check(desk)["ok"],
    }


class Sender:
    """The marketplace's product: an open loop over kept connections, with its own few lines of HTTP."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.slots = asyncio.Semaphore(CONNECTIONS)
        self.reports: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.took_ms: dict[str, list[float]] = {"file": [], "see": [], "check": []}

    async def run(self, rate: int, seconds: int) -> dict[str, Any]:
        """Sends, waits for every answer, and tells what came of it."""
        loop, tasks = asyncio.get_running_loop(), []
        began = loop.time() + 0.5
        for number in range(rate * seconds):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.append(asyncio.create_task(self._one(number, due)))
        sent_within = loop.time() - began
        await asyncio.gather(*tasks)
        took = loop.time() - began
        return {
            "sent": len(tasks),
            "sent_a_second": round(len(tasks) / sent_within, 1),
            "answered_a_second": round(self.counts["acknowledged"] / took, 1),
            **{name: self.counts[name] for name in _COUNTED},
            "answers": {name: n for name, n in sorted(self.counts.items()) if name[0].isdigit()},
            "ms": {"all": quantiles([ms for each in self.took_ms.values() for ms in each])}
            | {kind: quantiles(each) for kind, each in self.took_ms.items()},
            "reports": self.reports,
        }

    async def _one(self, number: int, due: float) -> None:
        """One request until it is answered, whatever it takes."""
        kind = ("file", "see", "file", "check")[number % 4]
        if kind == "see" and not self.reports:
            kind = "check"
        method, path, body, key = self._asked(kind, number // 2)
        hangs_up = kind == "file" and number % HANGS_UP == 0
        status, answer = 0, b""
        for _ in range(TRIES_MAX):
            status, answer = await self._sent(method, path, body, key, hangs_up=hangs_up)
            hangs_up = False
            if status not in (0, 503):
                break
            self.counts["retried"] += 1
            self.counts["put_off" if status else "no_answer"] += 1
            await asyncio.sleep(PAUSE_SECONDS)
        self.counts["acknowledged" if status in (200, 201) else "refused" if status else "unanswered"] += 1
        self.took_ms[kind].append((asyncio.get_running_loop().time() - due) * 1000)
        if kind == "file" and status in (200, 201):
            told = json.loads(answer)
            self.reports[told["charge_id"]] = told["report_id"]

    def _asked(self, kind: str, number: int) -> tuple[str, str, bytes, str]:
        """Method, path, body and idempotency key."""
        if kind == "see":
            report_id = list(self.reports.values())[-1 - number % min(len(self.reports), 50)]
            return "GET", f"/api/reports/{report_id}?pro_id=pro-m", b"", ""
        asked = {"pro_id": "pro-m", "charge_id": f"charge-m{number}", "reason": "clear_no"}
        asked["details"] = f"The customer said no, request {number}."
        path = "/api/reports" if kind == "file" else "/api/reports/check"
        return "POST", path, json.dumps(asked).encode(), f"load-{number}" if kind == "file" else ""

    async def _sent(
        self, method: str, path: str, body: bytes, key: str, *, hangs_up: bool
    ) -> tuple[int, bytes]:
        """Status and body of one answer; 0 when none came."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        head += f"Idempotency-Key: {key}\r\n\r\n" if key else "\r\n"
        async with self.slots:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    reader, writer = await self._connection()
                    try:
                        writer.write(head.encode() + body)
                        if hangs_up:
                            self.counts["hung_up"] += 1
                            await asyncio.sleep(0.002)
                            raise ConnectionResetError
                        status, answer = await read_answer(reader)
                    except BaseException:
                        writer.close()
                        raise
                    self.idle.append((reader, writer))
                    self.counts[str(status)] += 1
                    return status, answer
        return 0, b""

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is kept and that the server did not close, else a new one."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer with a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    return int(head.split(" ", 2)[1]), await reader.readexactly(length)


def quantiles(values: list[float]) -> dict[str, float]:
    """The median, the 95th and 99th percentile, and the most."""
    ranked = sorted(values) or [0.0]
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {
        name: round(ranked[min(len(ranked) - 1, int(len(ranked) * part))], 1) for name, part in at.items()
    }


if __name__ == "__main__":
    main()
