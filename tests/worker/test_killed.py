"""The real worker, killed by -9 at every step of sending a card refund: it is made once all the same."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from refundlib.payments.stripe import StripeProcessor
from refundlib.services.batches import make
from refundlib.services.card_refunds import request
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.payouts import look_after, send_released
from tests.conftest import PEOPLE, Clock, maintenance
from tests.market import Market
from tests.stripe_server import KEY, SECRET, Gate, StripeServer, stripe_server

ROOT = Path(__file__).resolve().parents[2]
AMOUNT = 2500
SECONDS_MAX = 60.0

pytestmark = [pytest.mark.process, pytest.mark.slow]


def until(is_so: Callable[[], Any], what: str) -> Any:
    """Polls until it is so; what it gave."""
    deadline = time.monotonic() + SECONDS_MAX
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"not in {SECONDS_MAX:.0f} seconds: {what}"
        time.sleep(0.01)
    return found


@dataclass
class Scene:
    """Released card refunds, the processor they go to, and the worker processes started on them."""

    market: Market
    server: StripeServer
    url: str
    environment: dict[str, str]
    gates: list[Gate] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def released(self, name: str) -> str:
        """A card refund of $25 in a released batch; the payout's id."""
        # The processor would refund more than that: it is on us that it happens once.
        self.server.charge(f"ch_pay-{name}", 10 * AMOUNT)
        desk = self.market.desk
        report = self.market.claim(PEOPLE["dana"], name, amount=AMOUNT)
        decide(desk, PEOPLE["dana"], report, "approve", idempotency_key=name)
        (payout,) = request(desk, PEOPLE["dana"], report).payout_ids
        assert not make(desk, PEOPLE["fin"], [payout], idempotency_key=name).needs_second
        return payout

    # -- workers --------------------------------------------------------------------------------------

    def start(self, *words: str, address: str | None = None) -> subprocess.Popen[bytes]:
        """A real worker; address: another processor than the server."""
        process = subprocess.Popen(
            [sys.executable, "-m", "refundlib", "worker", *words],
            cwd=ROOT,
            env={**self.environment, "REFUNDS_STRIPE_URL": address or self.server.address},
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        worker.kill()
        worker.wait(SECONDS_MAX)

    def another_goes_on(self) -> None:
        """Time has gone by, and another worker does what is due."""
        self.time_goes_by()
        assert self.start("--once").wait(SECONDS_MAX) == 0

    def time_goes_by(self) -> None:
        """The looks that are put off are due now."""
        self.market.write(
            "UPDATE refunds.payouts SET look_at = now() - interval '1 second' WHERE look_at > now()"
        )

    # -- where a worker is ----------------------------------------------------------------------------

    def gate(self, place: Any) -> Gate:
        """Stops the next request at the processor."""
        gate = self.server.hold(place)
        self.gates.append(gate)
        return gate

    def at_gate(self, place: Any) -> tuple[Gate, subprocess.Popen[bytes]]:
        """A new worker whose request is stopped at the processor."""
        gate, worker = self.gate(place), self.start()
        until(gate.reached.is_set, f"a request {place} it is acted on")
        return gate, worker

    @contextmanager
    def locked(self, statement: str) -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
        """Inside, what the statement locks is the test's; gives what kills a worker that waits for it."""
        with maintenance(self.url) as holder, maintenance(self.url) as watcher:
            holder.execute("BEGIN")
            holder.execute(statement)

            def waiters() -> list[int]:
                blocked = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
                return [pid for (pid,) in watcher.execute(blocked, [holder.info.backend_pid])]

            def kill_when_it_waits(worker: subprocess.Popen[bytes]) -> None:
                pids = until(waiters, f"the worker waits for {statement}")
                self.kill(worker)
                holder.execute("ROLLBACK")
                until(lambda: not still_there(watcher, pids), "its transaction is rolled back")

            yield kill_when_it_waits

    def facts(self, statement: str, payout: str) -> Any:
        """The one value a statement gives of a payout (:p)."""
        return self.market.one(statement, p=payout)

    def state(self, payout: str) -> str:
        return str(self.facts("SELECT state FROM refunds.payouts WHERE payout_id = :p", payout))


def still_there(connection: psycopg.Connection[Any], pids: list[int]) -> bool:
    return (
        connection.execute("SELECT FROM pg_stat_activity WHERE pid = ANY(%s)", [pids]).fetchone() is not None
    )


# -- the steps at which a worker is killed ----------------------------------------------------------------


def before_it_is_marked(scene: Scene) -> None:
    with scene.locked("SELECT FROM refunds.reports FOR UPDATE") as kill_when_it_waits:
        kill_when_it_waits(scene.start())


def marked_but_not_committed(scene: Scene) -> None:
    with scene.locked("SELECT FROM refunds.card_refunds FOR UPDATE") as kill_when_it_waits:
        kill_when_it_waits(scene.start())


def marked_but_not_sent(scene: Scene) -> None:
    with wall() as address:
        worker = scene.start(address=address)
        until(lambda: scene.market.one("SELECT state FROM refunds.payouts") == "submitted", "it is marked")
        scene.kill(worker)


def sent_and_acted_on_without_us(scene: Scene) -> None:
    gate, worker = scene.at_gate("before")
    scene.kill(worker)
    gate.open.set()
    until(gate.over.is_set, "the processor acts")


def sent_and_lost_there(scene: Scene) -> None:
    scene.server.faults.append("error_before")
    sent_and_acted_on_without_us(scene)


def sent_and_acted_on_after_another_asked(scene: Scene) -> None:
    """The gate is opened only when the other worker is done."""
    _, worker = scene.at_gate("before")
    scene.kill(worker)


def acted_on_but_not_answered(scene: Scene) -> None:
    _, worker = scene.at_gate("after")
    scene.kill(worker)


def answered_but_not_recorded(scene: Scene) -> None:
    answered_and_stopped_by(scene, "SELECT FROM refunds.reports FOR UPDATE")


def recorded_but_not_committed(scene: Scene) -> None:
    """State, audit row and mail are written; the posting waits, as for a close."""
    answered_and_stopped_by(scene, "SELECT pg_advisory_xact_lock(hashtext('refunds.close'))")


def recorded_and_not_read_again(scene: Scene) -> None:
    answered_and_stopped_by(scene, "LOCK TABLE marketplace.payments IN ACCESS EXCLUSIVE MODE")


def answered_and_stopped_by(scene: Scene, statement: str) -> None:
    gate, worker = scene.at_gate("after")
    with scene.locked(statement) as kill_when_it_waits:
        gate.open.set()
        kill_when_it_waits(worker)


def twice_the_second_while_it_asks(scene: Scene) -> None:
    """The second has put the look off for itself, and gets no answer to its question."""
    marked_but_not_sent(scene)
    scene.time_goes_by()
    with wall() as address:
        worker = scene.start(address=address)
        until(lambda: scene.market.one("SELECT look_at > now() FROM refunds.payouts"), "it asks")
        scene.kill(worker)


def twice_the_second_when_it_sent_again(scene: Scene) -> None:
    marked_but_not_sent(scene)
    scene.time_goes_by()
    acted_on_but_not_answered(scene)


@contextmanager
def wall() -> Iterator[str]:
    """The address of a processor that lets everybody connect and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


# Each step, the payout's state that the killed worker leaves behind, and how often the refund is asked for in
# all: twice only where the processor has nothing of it yet when the next worker looks it up.
STEPS = [
    (before_it_is_marked, "requested", 1),
    (marked_but_not_committed, "requested", 1),
    (marked_but_not_sent, "submitted", 1),
    (sent_and_acted_on_without_us, "submitted", 1),
    (sent_and_lost_there, "submitted", 2),
    (sent_and_acted_on_after_another_asked, "submitted", 2),
    (acted_on_but_not_answered, "submitted", 1),
    (answered_but_not_recorded, "submitted", 1),
    (recorded_but_not_committed, "submitted", 1),
    (recorded_and_not_read_again, "succeeded", 1),
    (twice_the_second_while_it_asks, "submitted", 1),
    (twice_the_second_when_it_sent_again, "submitted", 1),
]


# -- the tests ------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    """An hour ago: the workers' clock is the real one."""
    return Clock(datetime.now(UTC) - timedelta(hours=1))


@pytest.fixture
def scene(market: Market, database_url: str, tmp_path: Path) -> Iterator[Scene]:
    """The stage; at the end no worker is left and no request is held."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REFUNDS_")}
    environment |= {
        "REFUNDS_DATABASE_URL": database_url,
        "REFUNDS_HOME": str(tmp_path),
        "REFUNDS_STRIPE_KEY": KEY,
    }
    with stripe_server() as server:
        scene = Scene(market, server, database_url, environment)
        yield scene
        for gate in scene.gates:
            gate.open.set()
        for process in scene.processes:
            process.kill()
            process.wait(SECONDS_MAX)


@pytest.mark.parametrize(("step", "left", "asked"), STEPS, ids=[step.__name__ for step, _, _ in STEPS])
def test_killed_at_every_step(scene: Scene, step: Callable[[Scene], None], left: str, asked: int) -> None:
    """Wherever the worker is killed, another goes on and the money goes back once, with one mail."""
    payout = scene.released("a")
    step(scene)
    assert scene.state(payout) == left
    scene.another_goes_on()
    for gate in scene.gates:
        gate.open.set()
        until(gate.over.is_set, "the processor is done")
    nothing_more_is_sent(scene)
    assert scene.server.requests == asked
    assert made_once(scene, payout) == ["card_refund_submitted", "card_refund_succeeded"]
    assert check(scene.market.desk)["ok"]


def test_time_outs(scene: Scene) -> None:
    """No answer for as long as a worker waits, before or after it is acted on: looked up, and made once."""
    payouts = [scene.released(name) for name in "ab"]
    scene.server.faults.append("error_before")
    gates = [scene.gate("before"), scene.gate("after")]
    workers = [scene.start(), scene.start()]
    until(lambda: [scene.state(payout) for payout in payouts] == ["unknown", "unknown"], "both wait in vain")
    assert mails(scene, payouts[0]) == mails(scene, payouts[1]) == []
    for gate in gates:
        gate.open.set()
    for worker in workers:
        worker.terminate()
        assert worker.wait(SECONDS_MAX) == 0
    scene.another_goes_on()
    nothing_more_is_sent(scene)
    for payout in payouts:
        trail = ["card_refund_submitted", "card_refund_unknown", "card_refund_succeeded"]
        assert made_once(scene, payout) == trail
    assert check(scene.market.desk)["ok"]


def nothing_more_is_sent(scene: Scene) -> None:
    """Whoever looks once more finds nothing to send and nothing new."""
    requests = scene.server.requests
    desk: Desk = replace(
        scene.market.desk,
        processor=StripeProcessor(KEY, SECRET, scene.server.address),
        clock=lambda: datetime.now(UTC),
    )
    scene.time_goes_by()
    assert not send_released(desk).is_anything
    assert look_after(desk).counts["changed"] == 0
    assert scene.server.requests == requests


def made_once(scene: Scene, payout: str) -> list[str]:
    """Both sides agree on one refund, and the pro was told once; what the audit tells of it."""
    refunds = [each for each in scene.server.refunds.values() if each["metadata"]["payout_id"] == payout]
    assert [(each["amount"], each["status"]) for each in refunds] == [(AMOUNT, "succeeded")]
    assert scene.state(payout) == "succeeded"
    ref = scene.facts("SELECT processor_ref FROM refunds.payouts WHERE payout_id = :p", payout)
    assert ref == refunds[0]["id"]
    posted = """SELECT array_agg(t.kind ORDER BY t.transaction_id)
        FROM refunds.payouts p
        JOIN refunds.ledger_transactions t ON t.source_id IN (p.payout_id, p.card_refund_id)
        WHERE p.payout_id = :p"""
    assert scene.facts(posted, payout) == ["card_refund_requested", "card_refund_succeeded"]
    assert mails(scene, payout) == ["card_refund_sent"]
    trail = "SELECT array_agg(action ORDER BY at, audit_id) FROM refunds.audit WHERE subject = :p"
    return list(scene.facts(trail, payout))


def mails(scene: Scene, payout: str) -> list[str]:
    """What the pro was told of a payout."""
    told = "SELECT coalesce(array_agg(kind ORDER BY mail_id), '{}') FROM refunds.outbox WHERE payout_id = :p"
    return list(scene.facts(told, payout))
