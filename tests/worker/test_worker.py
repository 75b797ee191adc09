"""The worker: new facts of the marketplace, leases, mail; failures are noted and stop nothing else."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from refundlib.domain.errors import DatabaseDown
from refundlib.domain.people import Person
from refundlib.services import marketplace_feed, triage
from refundlib.services.checking import check
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.work import Work
from refundlib.worker import main
from tests.conftest import Clock
from tests.mail.server import mail_server
from tests.market import Market

People = dict[str, Person]
ROOT = Path(__file__).resolve().parents[2]


def test_one_pass_posts_what_is_new(market: Market, desk: Desk) -> None:
    """A payment and a charge written by the marketplace are posted; a second pass has nothing to do."""
    pro, lead = market.pro("p"), market.lead("l")
    market.write(
        """INSERT INTO marketplace.payments (payment_id, pro_id, amount, currency, paid_at, processor_ref)
        VALUES ('t', :pro, 900, 'USD', :at, 'ch_t')""",
        pro=pro,
        at=desk.clock(),
    )
    market.write(
        """INSERT INTO marketplace.charges
        (charge_id, lead_id, pro_id, amount, currency, charged_at, paid_with)
        VALUES ('c', :lead, :pro, 400, 'USD', :at, 'balance')""",
        lead=lead,
        pro=pro,
        at=desk.clock() + timedelta(seconds=1),
    )
    done = main.run(desk, once=True).done
    assert "post_new" in done or "post_missed" in done
    assert market.balance(pro) == 500
    main.run(desk, once=True)
    assert market.balance(pro) == 500
    assert check(desk)["ok"]


def test_a_message_of_the_pro_starts_the_clock(
    market: Market, desk: Desk, people: People, clock: Clock
) -> None:
    """Waiting on the pro ends with the pro's message, and the deadline moves by the pause."""
    report = market.claim(people["dana"])
    before = market.one("SELECT deadline_at FROM refunds.reports")
    triage.ask_pro(desk, people["dana"], report, "Which number did you call?")
    clock.advance(timedelta(hours=5))
    market.say("m3", "lead-a", "pro-a", "pro", "The one in the lead.")
    main.run(desk, once=True)
    assert market.one("SELECT state FROM refunds.reports") == "open"
    assert market.one("SELECT deadline_at FROM refunds.reports") == before + timedelta(hours=5)


def test_an_ended_lease_frees_the_claim(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A claim taken and left goes back to the queue, and to the next person who asks."""
    report = market.claim(people["dana"])
    assert triage.take_next(desk, people["dana"]) == report
    assert triage.take_next(desk, people["eli"]) is None
    clock.advance(timedelta(hours=2))
    main.run(desk, once=True)
    assert market.one("SELECT holder FROM refunds.reports") is None
    assert triage.take_next(desk, people["eli"]) == report


def test_a_failing_job_stops_no_other(
    market: Market, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one job failing the others are done, and the pass names the job and why."""

    def broken(_desk: Desk) -> Work:
        raise ValueError("a bad row")

    beaten: list[Desk] = []

    def beat(desk: Desk) -> Work:
        beaten.append(desk)
        return marketplace_feed.beat(desk)

    monkeypatch.setattr(main, "JOBS", (main.Job("broken", broken), main.Job("beat", beat)))
    with pytest.raises(main.JobsFailed, match="broken failed: ValueError: a bad row"):
        main.run(desk, once=True)
    assert beaten == [desk]


def test_a_database_that_is_down_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker outlives a database that is down and goes on when it is back."""
    tries: list[int] = []
    stop = threading.Event()

    def flaky(_desk: Desk) -> Work:
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseDown("The database is down.")
        stop.set()
        return Work({"done": 1})

    monkeypatch.setattr(main, "JOBS", (main.Job("flaky", flaky),))
    assert main.run(desk, stop=stop).done == {"flaky": {"done": 1}}


def test_a_killed_worker_loses_nothing(
    market: Market, desk: Desk, people: People, database_url: str, tmp_path: Path
) -> None:
    """kill -9, then another worker: the mail is sent; SIGTERM ends a worker in good order."""
    for name in "abcd":
        report = market.claim(people["dana"], name)
        decide(desk, people["dana"], report, "approve", idempotency_key=name)
    # The tests' clock is in March: these mails are due for the worker's real one.
    with mail_server() as server:
        environment = {
            **os.environ,
            "REFUNDS_DATABASE_URL": database_url,
            "REFUNDS_SMTP_URL": server.url,
            "REFUNDS_HOME": str(tmp_path),
        }

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "refundlib", "worker"]
            return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

        first = start()
        time.sleep(0.2)
        first.kill()
        first.wait()
        second = start()
        _until(lambda: market.one("SELECT count(*) FROM refunds.outbox WHERE state = 'sent'") == 4)
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
        assert len({mail["Message-ID"] for mail in server.rules.mails}) == 4


def _until(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen in a minute"
        time.sleep(0.1)
