"""What would change an advice is true: the fact changed as the sentence says, the advice is another one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from refundlib.domain.eligibility import assess
from refundlib.domain.golden import golden_claim
from refundlib.domain.nearest import what_would_change
from refundlib.domain.policy import BUILT_IN
from refundlib.reference.phones import PhoneNumbers
from refundlib.reference.zips import ZipTable

ZIPS, PHONES = ZipTable(), PhoneNumbers()


def told(**facts: Any) -> str:
    """The sentence of a claim."""
    bundle = golden_claim(BUILT_IN, **facts)
    return what_would_change(assess(bundle, BUILT_IN, ZIPS, PHONES), bundle, BUILT_IN, ZIPS)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"age": timedelta(days=32)}, "if it had been reported 2 days earlier."),
        ({"age": timedelta(days=30, hours=1)}, "if it had been reported 1 hour earlier."),
        ({"age": timedelta(days=28)}, "to deny if it had been reported more than 2 days later."),
        ({"age": -timedelta(seconds=5)}, "if the dates agreed."),
        ({"replies": "Maybe later"}, "if the first response refused the offer."),
        ({"replies": None}, "on file and the first response refused the offer."),
        ({"kind": "lead"}, "if it had been an opportunity with a quote to refuse."),
        ({"reason": "not_hired"}, "It rests on the reason given (H1)."),
        ({"reason": "other"}, "It rests on the reason given: a person decides it (D1)."),
        ({"reason": "invalid_phone"}, "if the number could not exist."),
        ({"reason": "terms_violation"}, "if the words showed a breach of the terms."),
        ({"refunded": 100}, "if nothing had been refunded on this charge before."),
        (
            {"reason": "job_changed", "changed_zip": "09001"},
            "farther away, or the new work not offered by the pro.",
        ),
        (
            {"age": timedelta(days=31), "reason": "invalid_phone"},
            "if it had been reported 1 day earlier and the number could not exist.",
        ),
    ],
)
def test_the_sentence(facts: dict[str, Any], sentence: str) -> None:
    """Each check that does not pass says what it would need; an approval, how far it is from a denial."""
    assert told(**facts).endswith(sentence)


def test_reported_so_much_earlier_it_is_approved() -> None:
    """The days of the sentence are enough, and a day less is not."""
    late = golden_claim(BUILT_IN, age=timedelta(days=32, hours=5))
    assert "3 days earlier" in what_would_change(assess(late, BUILT_IN, ZIPS, PHONES), late, BUILT_IN, ZIPS)
    for days, advice in ((3, "approve"), (2, "deny")):
        earlier = replace(late.report, reported_at=late.report.reported_at - timedelta(days=days))
        assert assess(replace(late, report=earlier), BUILT_IN, ZIPS, PHONES).recommendation == advice


def test_so_many_miles_farther() -> None:
    """The miles of the sentence lie between the limit that denies and the one that approves."""
    near = golden_claim(BUILT_IN, reason="job_changed", changed_zip="07030")
    sentence = what_would_change(assess(near, BUILT_IN, ZIPS, PHONES), near, BUILT_IN, ZIPS)
    miles = float(sentence.split(" more than ")[1].split()[0])
    for limit, advice in (
        (BUILT_IN.job_changed_miles - miles - 0.1, "approve"),
        (BUILT_IN.job_changed_miles, "deny"),
    ):
        policy = replace(BUILT_IN, job_changed_miles=limit)
        assert assess(near, policy, ZIPS, PHONES).recommendation == advice
    far = golden_claim(BUILT_IN, reason="job_changed", changed_zip="90012")
    assert " miles nearer." in what_would_change(assess(far, BUILT_IN, ZIPS, PHONES), far, BUILT_IN, ZIPS)
