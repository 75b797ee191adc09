"""What would change an advice is true: with the fact changed as it says, the advice is the one it names."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import Place, assess, distance_miles, miles_moved
from refundlib.domain.golden import golden_claim
from refundlib.domain.nearest import what_would_change
from refundlib.domain.policy import BUILT_IN
from refundlib.reference.phones import PhoneNumbers
from refundlib.reference.zips import ZipTable

ZIPS, PHONES = ZipTable(), PhoneNumbers()


def sentence_of(bundle: Bundle) -> str:
    """The sentence of a claim by the built-in policy."""
    judged = assess(bundle, BUILT_IN, ZIPS, PHONES)
    return what_would_change(judged, bundle, BUILT_IN, ZIPS, PHONES)


def advice(bundle: Bundle) -> str:
    """The advice of a claim by the built-in policy."""
    return assess(bundle, BUILT_IN, ZIPS, PHONES).recommendation


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"age": timedelta(days=32)}, "advised to approve if it had been reported 2 days earlier."),
        ({"age": timedelta(days=30, hours=1)}, "if it had been reported 1 hour earlier."),
        ({"age": timedelta(days=30, hours=23, minutes=30)}, "if it had been reported 1 day earlier."),
        ({"age": timedelta(days=28)}, "to deny if it had been reported more than 2 days later."),
        ({"age": timedelta(days=29, hours=23, minutes=30)}, "reported more than 1 hour later."),
        ({"age": timedelta(days=30)}, "to deny if it had been reported any later."),
        ({"age": -timedelta(seconds=5)}, "if the dates agreed."),
        ({"replies": "Maybe later"}, "if the first response refused the offer."),
        ({"replies": None}, "on file and the first response refused the offer."),
        ({"kind": "lead"}, "approve if it had been an opportunity."),
        (
            {"kind": "lead", "replies": "Sure, when can you come?"},
            "if it had been an opportunity and the first response had refused its quote.",
        ),
        ({"reason": "not_hired"}, "It rests on the reason given (H1)."),
        ({"reason": "other"}, "It rests on the reason given: a person decides it (D1)."),
        (
            {"reason": "other", "age": timedelta(days=40)},
            "It would be left to a person if it had been reported 10 days earlier.",
        ),
        (
            {"replies": "Maybe later", "age": timedelta(days=32)},
            "It would be left to a person if it had been reported 2 days earlier.",
        ),
        ({"reason": "invalid_phone"}, "if the number could not exist."),
        ({"reason": "terms_violation"}, "if the words showed a breach of the terms."),
        ({"refunded": 100}, "if nothing had been refunded on this charge before."),
        (
            {"refunded": 100, "kind": "lead"},
            "approve if nothing had been refunded on this charge before and it had been an opportunity.",
        ),
        (
            {"reason": "job_changed", "changed_zip": "09001"},
            "farther away, or the new work not offered by the pro.",
        ),
        (
            {"age": timedelta(days=31), "reason": "invalid_phone"},
            "if it had been reported 1 day earlier and the number could not exist.",
        ),
        (
            {"reason": "job_changed", "changed_zip": "90012", "changed_category": "roofing"},
            "to deny if it had been reported more than 30 days later.",
        ),
    ],
)
def test_the_sentence(facts: dict[str, Any], sentence: str) -> None:
    """Each check that does not pass says what it would need; an approval, how far it is from a denial."""
    assert sentence_of(golden_claim(BUILT_IN, **facts)).endswith(sentence)


def test_an_earlier_report_does_not_know_what_came_after_it() -> None:
    """The no came an hour before a late report: two days earlier there was none, and a person must look."""
    late = golden_claim(BUILT_IN, age=timedelta(days=32))
    moved = [
        replace(each, sent_at=late.report.reported_at - timedelta(hours=1))
        if each.sender == "customer"
        else each
        for each in late.messages
    ]
    told = sentence_of(replace(late, messages=tuple(moved)))
    assert told == "It would be left to a person if it had been reported 2 days earlier."


PROMISED = {"advised to approve": "approve", "advised to deny": "deny", "left to a person": "review"}
FACTS = st.fixed_dictionaries(
    {
        "reason": st.sampled_from(
            ["job_changed", "clear_no", "other", "invalid_phone", "not_hired", "terms_violation"]
        ),
        "kind": st.sampled_from(["opportunity", "lead"]),
        "age": st.integers(1, 60 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
        "replies": st.sampled_from(["No thanks", "Maybe later", "Sure", None]),
        "phone": st.sampled_from(["000-000-0000", "+1 650-253-0000"]),
        "changed_zip": st.sampled_from([None, "10002", "07030", "90012", "09001"]),
        "changed_category": st.sampled_from([None, "roofing", "plumbing"]),
        "refunded": st.sampled_from([0, 0, 0, 100]),
    }
)


@given(FACTS)
def test_what_the_sentence_promises_comes_true(facts: dict[str, Any]) -> None:
    """Times: changed by what the sentence says, the advice is what it names; unchanged it was another."""
    bundle = golden_claim(BUILT_IN, **facts)
    told = sentence_of(bundle)
    if told.startswith("It rests"):
        assert facts["reason"] in ("not_hired", "other")
        return
    promised = PROMISED[next(words for words in PROMISED if words in told)]
    assert promised != advice(bundle)
    conditions = told.partition(" if ")[2].rstrip(".").split(" and ")
    assert len(set(conditions)) == len(conditions)
    found = re.search(r"reported (?:more than )?(?:(\d+) (day|hour)s?|any) (earlier|later)", told)
    if found is None or (" and " in told):
        return
    stretch = timedelta(**{f"{found[2]}s": int(found[1])}) if found[1] else timedelta(0)
    moved = -stretch if found[3] == "earlier" else stretch + timedelta(seconds=1)
    report = replace(bundle.report, reported_at=bundle.report.reported_at + moved)
    assert advice(replace(bundle, report=report)) == promised


class Stretched:
    """A gazetteer of one line of zips: a zip is its distance from the lead's, in hundredths of a mile."""

    def place(self, zip_code: str) -> Place:
        """Places along a meridian."""
        miles = 0.0 if zip_code == "10001" else int(zip_code) / 100
        return Place(zip_code, "Here", "NY", "standard", miles / 69.0934, 0.0)


@given(st.integers(0, 9999))
def test_so_many_miles_are_enough(hundredths: int) -> None:
    """Miles: a place farther or nearer by as many as the sentence says is judged as it promises."""
    line = Stretched()
    bundle = golden_claim(BUILT_IN, reason="job_changed", changed_zip=f"{hundredths:05}")
    judged = assess(bundle, BUILT_IN, line, PHONES)
    told = what_would_change(judged, bundle, BUILT_IN, line, PHONES)
    miles = miles_moved(bundle, line)
    found = re.search(r"([\d.]+) miles (farther|nearer)", told)
    assert miles is not None
    assert found is not None
    sign = 1 if found[2] == "farther" else -1
    there = miles + sign * (float(found[1]) + (0.0001 if sign > 0 else 0.0))
    assert (there > BUILT_IN.job_changed_miles) == (sign > 0)
    assert PROMISED[next(words for words in PROMISED if words in told)] == ("approve" if sign > 0 else "deny")
    assert distance_miles(line.place("10001"), line.place(f"{hundredths:05}")) == miles
