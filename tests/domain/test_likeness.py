"""How alike two claims are: each fact moves the order, and every reason told is one that counts."""

from dataclasses import replace

import pytest

from refundlib.domain.likeness import Traits, likeness, number_in_words, rarity
from refundlib.reference.phones import PhoneNumbers

MINE = Traits(
    reason="job_changed",
    lead_id="l1",
    kind="lead",
    category="plumbing",
    statuses={"within_window": "pass", "conversation_on_file": "unsure", "job_changed": "unsure"},
    day=12,
    miles=27.0,
    number="valid number",
    is_answered=True,
    words=frozenset({"moved", "across"}),
)
TWIN = replace(MINE, lead_id="l2")


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "opportunity"},
        {"category": "roofing"},
        {"statuses": {**MINE.statuses, "job_changed": "pass"}},
        {"statuses": {**MINE.statuses, "within_window": "fail"}},
        {"day": 20},
        {"miles": 33.0},
        {"miles": None},
        {"number": "number abroad"},
        {"is_answered": False},
        {"words": frozenset({"moved"})},
    ],
    ids=str,
)
def test_every_fact_counts(changed: dict[str, object]) -> None:
    """A claim that differs in one fact is less alike than one that differs in none."""
    other = replace(TWIN, **changed)  # type: ignore[arg-type]
    weights = rarity([TWIN, other])
    assert likeness(MINE, other, weights).score < likeness(MINE, TWIN, weights).score


def test_why_in_a_few_words() -> None:
    """The reasons are the other claim's own figures, at most four, the same lead first."""
    weights = rarity([TWIN])
    assert likeness(MINE, replace(TWIN, miles=28.2), weights).why == (
        "no conversation either",
        "same check unsure",
        "28 miles",
        "similar words",
    )
    assert likeness(MINE, MINE, weights).why[0] == "same lead"
    stranger = replace(
        TWIN, statuses={}, miles=900.0, day=30, category="x", kind="y", is_answered=False, words=frozenset()
    )
    assert likeness(MINE, stranger, weights).why == ()


def test_rare_words_count_more() -> None:
    """A word all claims have tells little beside one that two share."""
    common, rare = replace(TWIN, words=frozenset({"hello"})), replace(TWIN, words=frozenset({"burst"}))
    weights = rarity([common, rare, common, common])
    mine = replace(MINE, words=frozenset({"hello", "burst"}))
    assert likeness(mine, rare, weights).score > likeness(mine, common, weights).score


@pytest.mark.parametrize(
    ("phone", "kind"),
    [
        ("", "no number"),
        ("none", "no number"),
        ("000-000-0000", "number not valid"),
        ("12", "number not valid"),
        ("(212) 555-0123", "number kept for fiction"),
        ("44 20 7946 0958", "number valid only with a +"),
        ("+44 20 7946 0958", "number abroad"),
        ("+1 650-253-0000", "valid number"),
        ("650-253-0000", "valid number"),
    ],
)
def test_what_a_number_is(phone: str, kind: str) -> None:
    """The line that the check P1 draws."""
    assert number_in_words(phone, PhoneNumbers()) == kind
