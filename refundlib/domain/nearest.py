"""What would change an advice: the nearest change of fact, with its figures.

Every sentence is tried before it is told: the fact is changed as it says, the claim is judged again, and what
the advice becomes is what the sentence promises.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import (
    Assessment,
    Check,
    Gazetteer,
    PhoneBook,
    assess,
    if_passed,
    miles_moved,
)
from refundlib.domain.policy import Policy

# What a check that does not pass would need, where no figure tells it.
_NEEDED: Final = {
    "within_window": "the dates agreed",
    "not_refunded_before": "nothing had been refunded on this charge before",
    "conversation_on_file": "a message of the conversation were on file",
    "job_changed": "the new place were farther away, or the new work not offered by the pro",
    "terms_violated": "the words showed a breach of the terms",
    "phone_invalid": "the number could not exist",
    "first_response_clear_no": "the first response refused the offer",
}
_ADVISED: Final = {
    "approve": "be advised to approve",
    "deny": "be advised to deny",
    "review": "be left to a person",
}
_Judge = Callable[[Bundle, Policy], Assessment]


class _Change(NamedTuple):
    """A fact that were otherwise, in words, and how the claim would then be judged."""

    told: str
    bundle: Bundle
    assessment: Assessment


def what_would_change(
    assessment: Assessment, bundle: Bundle, policy: Policy, gazetteer: Gazetteer, phone_book: PhoneBook
) -> str:
    """One sentence: which of the facts would have to be otherwise for another advice, and for which."""

    def judge(changed: Bundle, by: Policy) -> Assessment:
        return assess(changed, by, gazetteer, phone_book)

    if assessment.recommendation == "approve":
        changes = _against(bundle, policy, judge, miles_moved(bundle, gazetteer))
        return _sentence([", or ".join(each.told for each in changes)], changes[0].assessment)
    if bundle.report.reason == "not_hired":
        return "It rests on the reason given (H1)."
    changes = _in_favour(assessment, bundle, policy, judge, miles_moved(bundle, gazetteer))
    if not changes or changes[-1].assessment.recommendation == assessment.recommendation:
        return "It rests on the reason given: a person decides it (D1)."
    return _sentence([each.told for each in changes], changes[-1].assessment)


def _sentence(needed: Sequence[str], then: Assessment) -> str:
    return f"It would {_ADVISED[then.recommendation]} if {' and '.join(needed)}."


def _in_favour(
    assessment: Assessment, bundle: Bundle, policy: Policy, judge: _Judge, miles: float | None
) -> list[_Change]:
    """The changes that lift a denial, or else those that end a doubt, each on top of those before."""
    changes = [_Change("", bundle, assessment)]
    status = "fail" if assessment.recommendation == "deny" else "unsure"
    while missing := _first(changes[-1].assessment, status):
        changes.append(_passing(missing, changes[-1], policy, judge, miles))
    return changes[1:]


def _first(assessment: Assessment, status: str) -> Check | None:
    """The first check of a status that a change of fact could lift; D1 is a person's alone."""
    asked = (check for check in assessment.checks if check.status == status)
    return next((check for check in asked if check.id != "reason_qualifies"), None)


def _passing(check: Check, now: _Change, policy: Policy, judge: _Judge, miles: float | None) -> _Change:
    """What one check would need to pass, and the claim judged with it."""
    if check.id == "within_window" and check.status == "fail":
        return _earlier(now, policy, judge)
    if check.id == "first_response_clear_no" and now.bundle.lead.kind != "opportunity":
        return _as_opportunity(check, now, policy, judge)
    told = _NEEDED[check.id]
    if check.id == "not_refunded_before":
        changed = replace(now.bundle, charge=replace(now.bundle.charge, refunded_amount=0))
        return _Change(told, changed, judge(changed, policy))
    if check.id == "job_changed" and miles is not None and miles <= policy.job_changed_miles:
        told = (
            f"the new place were more than {_tenths_up(policy.job_changed_miles - miles)} miles farther away"
        )
    return _Change(told, now.bundle, if_passed(now.assessment, check.id))


def _earlier(now: _Change, policy: Policy, judge: _Judge) -> _Change:
    """Reported so much earlier that it is in time; what was written in between is then not looked at."""
    report = now.bundle.report
    late = report.reported_at - now.bundle.charge.charged_at - timedelta(days=policy.window_days)
    told, stretch = _stretch(late)
    changed = replace(now.bundle, report=replace(report, reported_at=report.reported_at - stretch))
    return _Change(f"it had been reported {told} earlier", changed, judge(changed, policy))


def _as_opportunity(check: Check, now: _Change, policy: Policy, judge: _Judge) -> _Change:
    """An opportunity instead of a lead; where its quote was not refused either, that is said too."""
    changed = replace(now.bundle, lead=replace(now.bundle.lead, kind="opportunity"))
    judged = judge(changed, policy)
    if any(each.id == check.id and each.status == "pass" for each in judged.checks):
        return _Change("it had been an opportunity", changed, judged)
    told = "it had been an opportunity and the first response had refused its quote"
    return _Change(told, changed, if_passed(judged, check.id))


def _against(bundle: Bundle, policy: Policy, judge: _Judge, miles: float | None) -> list[_Change]:
    """What would deny an approval: a later report; a nearer place, where only the distance speaks for it."""
    age = bundle.report.reported_at - bundle.charge.charged_at
    told, stretch = _stretch(timedelta(days=policy.window_days) - age)
    late = replace(bundle.report, reported_at=bundle.report.reported_at + stretch + timedelta(seconds=1))
    later = f"it had been reported more than {told} later" if stretch else "it had been reported any later"
    changed = replace(bundle, report=late)
    changes = [_Change(later, changed, judge(changed, policy))]
    if bundle.report.reason == "job_changed" and miles is not None and miles > policy.job_changed_miles:
        nearer = _tenths_up(miles - policy.job_changed_miles)
        # A place nearer by so much is judged as one at the same distance by a limit higher by so much.
        judged = judge(bundle, replace(policy, job_changed_miles=policy.job_changed_miles + nearer))
        if judged.recommendation == changes[0].assessment.recommendation:
            changes.append(_Change(f"the new place were {nearer} miles nearer", bundle, judged))
    return changes


def _tenths_up(miles: float) -> float:
    """Miles to one decimal, rounded so that they are enough."""
    return math.ceil(miles * 10) / 10


def _stretch(time: timedelta) -> tuple[str, timedelta]:
    """A stretch of time in whole days, or in hours below a day, rounded up to be enough; and its length."""
    hours = math.ceil(time / timedelta(hours=1))
    unit, count = ("day", math.ceil(time / timedelta(days=1))) if hours >= 24 else ("hour", hours)
    return f"{count} {unit}{'' if count == 1 else 's'}", timedelta(**{f"{unit}s": count})
