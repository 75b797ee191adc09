"""A policy from a file, its words with its numbers, and what two of them differ in."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundlib.domain.errors import BadFigure
from refundlib.domain.policy import BUILT_IN, CLAUSES, FIGURES, LABELS, policy_from_json, rule_in_words
from refundlib.domain.policy_changes import changed_words, changes, taken_over

ROW: dict[str, Any] = {name: getattr(BUILT_IN, name) for name in LABELS} | {
    "clauses": dict(CLAUSES),
    "sources": {},
}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"job_changed_miles": 10**400}, "job_changed_miles must be a number .* not 1000"),
        ({"job_changed_miles": 10**5000}, "not a number of thousands of digits"),
        ({"job_changed_miles": float("nan")}, "job_changed_miles must be a number"),
        ({"job_changed_miles": float("inf")}, "job_changed_miles must be a number"),
        ({"job_changed_miles": 25.126}, "at most 2 decimals"),
        ({"window_days": 0}, "from 1 to 3650"),
        ({"window_days": True}, "whole number"),
        ({"window_days": 45.0}, "whole number"),
        ({"spend_order": {}}, "spend_order must be one of"),
        ({"clauses": {"J1": "{miles}"}}, r"J1 has \{miles\}, which stands for nothing"),
        ({"clauses": {"J1": "{ "}}, "a brace alone"),
        ({"effective_from": "2026-01-01"}, "a time with an offset"),
        ([], "one JSON object"),
    ],
)
def test_what_no_policy_is(data: Any, told: str) -> None:
    """A sentence names the key, never a stack trace."""
    with pytest.raises(BadFigure, match=told):
        policy_from_json(data)


@pytest.mark.parametrize("name", FIGURES)
def test_bounds_of_a_file(name: str) -> None:
    """The least and the most are taken, from the one table."""
    for value in (FIGURES[name].least, FIGURES[name].most):
        assert getattr(policy_from_json({name: value}), name) == value


def test_every_number_has_its_placeholder() -> None:
    """What a clause says with each of them; what a file leaves out is the public help text's."""
    text = " · ".join(f"{{{name}}}" for name in LABELS)
    policy = policy_from_json({"window_days": 45, "job_changed_miles": 25.13, "clauses": {"D1": text}})
    assert policy.clause("D1") == "45 · 25.13 · 48 · 14 · oldest money first · 30.00"
    assert policy.clause("W1") == "The report must arrive within 45 days of the charge."
    assert rule_in_words(policy, "C2").endswith("money is spent oldest money first.")


TEXT = st.text(st.sampled_from("ab .,\n"), max_size=12)


@given(TEXT, TEXT)
def test_the_pieces_are_the_text(old: str, new: str) -> None:
    """Nothing of a text is lost but blanks before its first word; without a mark both say the same words."""
    for text, pieces in zip((old, new), changed_words(old, new), strict=True):
        assert "".join(piece for piece, _ in pieces) == text.lstrip()
    kept = ["".join(piece for piece, differs in it if not differs).split() for it in changed_words(old, new)]
    assert "".join(kept[0]) == "".join(kept[1])


def test_marked_words() -> None:
    """What stands in the place of something else, on both sides."""
    assert changed_words("Never refundable, sir.", "Always refundable.") == (
        [("Never ", True), ("refundable", False), (", sir", True), (".", False)],
        [("Always ", True), ("refundable", False), (".", False)],
    )


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """What a version says, with some of it changed."""
    changed = {
        "window_days": draw(st.integers(1, 3)),
        "spend_order": draw(st.sampled_from(["fifo", "refunds_last"])),
        "clauses": {**CLAUSES, "W1": draw(TEXT), "D1": draw(TEXT)},
        "sources": draw(st.dictionaries(st.sampled_from(["W1", "D1"]), st.just("https://x"))),
    }
    return ROW | changed


@given(rows(), rows(), rows())
def test_taken_over(base: dict[str, Any], draft: dict[str, Any], newest: dict[str, Any]) -> None:
    """What the draft changed keeps the draft's value; all else is the newest version's."""
    merged = taken_over(base, draft, newest)
    mine = {(change.kind, change.name) for change in changes(base, draft)}
    assert {(change.kind, change.name) for change in changes(draft, merged)} & mine == set()
    assert {(change.kind, change.name) for change in changes(newest, merged)} <= mine
    assert taken_over(base, draft, base) == {name: draft[name] for name in merged}


def test_asdict_knows_no_other_figure() -> None:
    """A version says its figures, its words, and which it is: nothing that no page shows."""
    assert {*asdict(replace(BUILT_IN))} == {*LABELS, "version", "effective_from", "clauses"}
