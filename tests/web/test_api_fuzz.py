"""The marketplace's routes, asked whatever their own OpenAPI allows, and what it does not (schemathesis).

A server on loopback and a real database; some charges are there, so that reports are filed on the way.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
import uvicorn
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import NonFatalError, ScenarioFinished
from starlette.applications import Starlette

from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.web.routes import routes
from tests.market import Market
from tests.web.test_api import KEY, many_charged

CHARGES = 200
WAIT_SECONDS = 20
# Of a request the schema allows: refused by what is known here of its charge, its key or its files.
KNOWN_BETTER = {"too_late", "key_used", "bad_file"}
SETTINGS: dict[str, Any] = {
    "seed": 7,
    "headers": {"Authorization": f"Bearer {KEY}"},
    "request-timeout": WAIT_SECONDS,
    "generation": {"deterministic": True, "max-examples": 40, "database": "none"},
    "phases": {"stateful": {"generation": {"max-examples": 15}}},
    # Ours stands below: it tells a refusal of the schema from one of the desk, both 422.
    "checks": {"positive_data_acceptance": {"enabled": False}},
    "parameters": {
        "body.pro_id": {"dictionary": "pros", "probability": 0.8},
        "query.pro_id": {"dictionary": "pros", "probability": 0.8},
        "body.charge_id": {"dictionary": "charges", "probability": 0.8},
        "path.report_id": {"dictionary": "reports", "probability": 0.6},
    },
    "dictionaries": {
        "pros": {"values": ["pro-m"]},
        "charges": {"values": [f"charge-m{number}" for number in range(CHARGES)]},
        "reports": {"values": [f"R-{number}" for number in range(1001, 1031)]},
    },
}


@contextmanager
def listening(desk: Desk) -> Iterator[str]:
    """The address of our routes, served in a thread until the end."""
    app = Starlette(routes=routes(lambda: desk, SecretStr(KEY)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)


@pytest.mark.slow
def test_whatever_its_schema_allows(desk: Desk, market: Market) -> None:
    """No answer the schema does not tell of, nothing wrong taken, nothing right refused; books whole."""
    many_charged(market, CHARGES)
    failures: dict[str, str] = {}
    answers: Counter[tuple[str, int]] = Counter()
    with listening(desk) as address:
        schema = schemathesis.openapi.from_url(
            f"{address}/api/openapi.json",
            headers=SETTINGS["headers"],
            config=SchemathesisConfig.from_dict(SETTINGS),
        )
        for event in from_schema(schema).execute():
            if isinstance(event, NonFatalError):
                failures[event.label] = str(event.value)
            elif isinstance(event, ScenarioFinished):
                failures |= found(event)
                answers.update(counted(event))
    assert failures == {}, "\n".join(failures.values())
    assert {status for _, status in answers} >= {200, 201, 401, 403, 404, 405, 409, 422}
    assert answers["POST /api/reports", 201] == market.one("SELECT count(*) FROM refunds.reports") > 3
    assert check(desk)["ok"]


def found(event: ScenarioFinished) -> dict[str, str]:
    """What the checks found in a scenario: by operation and title, with how to ask it again."""
    wrong = refused_though_right(event)
    for case_id, checks in event.recorder.checks.items():
        for each in checks:
            if each.failure_info is not None:
                failure = each.failure_info.failure
                told = f"{failure.title}: {failure.message}\n{each.failure_info.code_sample}"
                wrong[f"{event.recorder.cases[case_id].value.operation.label} {failure.title}"] = told
    return wrong


def refused_though_right(event: ScenarioFinished) -> dict[str, str]:
    """Requests the schema allows that were not taken for what they are."""
    wrong = {}
    for case_id, node in event.recorder.cases.items():
        meta, interaction = node.value.meta, event.recorder.interactions.get(case_id)
        response = None if interaction is None else interaction.response
        if meta is None or response is None or response.status_code != 422:
            continue
        if meta.generation.mode.is_positive and response.json()["code"] not in KNOWN_BETTER:
            wrong[f"{node.value.operation.label} refused"] = (
                f"{response.json()}: {node.value.as_curl_command()}"
            )
    return wrong


def counted(event: ScenarioFinished) -> Iterator[tuple[str, int]]:
    """Operation and status of every answer in a scenario."""
    for case_id, interaction in event.recorder.interactions.items():
        if interaction.response is not None:
            case = event.recorder.cases.get(case_id)
            yield (case.value.operation.label if case else "probe", interaction.response.status_code)
