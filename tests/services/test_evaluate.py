"""`refunds evaluate`: what it says of a line that lacks something, and the sample of the documents."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from refundlib.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs" / "checks.md"


def sample() -> tuple[str, dict[str, Any]]:
    """The line and the answer that docs/checks.md shows."""
    given, told = re.findall(r"```json\n(.+?)\n```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[-2:]
    return given, json.loads(told)


def answer(line: str) -> dict[str, Any]:
    """What one line gives."""
    result = CliRunner().invoke(main, ["evaluate", "-"], input=line)
    told: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == ("error" in told)
    return told


def test_the_sample_of_the_documents() -> None:
    """The line in the documents gives the answer beside it."""
    given, told = sample()
    assert "\n" not in given
    assert answer(given) == told


@pytest.mark.parametrize(
    ("lacks", "told"),
    [
        ([("report", "details")], "report.details is missing"),
        (
            [("report", "details"), ("charge", "currency"), ("pro", None)],
            "missing: report.details, charge.currency, pro (pro_id, categories, zip)",
        ),
        ([("messages", None)], "messages (a list, each with message_id, sender, body, sent_at) is missing"),
        ([("messages", 0)], "missing: messages[0].message_id, messages[0].sender, messages[0].body"),
    ],
)
def test_all_that_is_missing_at_once(lacks: list[tuple[str, Any]], told: str) -> None:
    """Every field that a line lacks is named in one go, an object with its fields."""
    line = json.loads(sample()[0])
    for part, name in lacks:
        if name is None:
            del line[part]
        elif name == 0:
            line[part] = [{"sent_at": line["report"]["reported_at"]}]
        else:
            del line[part][name]
    assert answer(json.dumps(line)) == {"line": 1, "error": told}


def test_a_great_many_are_not_all_named() -> None:
    """A thousand empty messages give a sentence, not a page."""
    line = json.loads(sample()[0]) | {"messages": [{}] * 1000}
    error = answer(json.dumps(line))["error"]
    assert error.endswith(" and more")
    assert len(error) < 1000


def test_what_is_wrong_is_said_before_what_is_missing_is_sought() -> None:
    """A field that is there and cannot be is told by itself when nothing is missing."""
    line = json.loads(sample()[0])
    line["report"]["reason"] = "regret"
    assert answer(json.dumps(line))["error"].startswith("report.reason is 'regret'")
