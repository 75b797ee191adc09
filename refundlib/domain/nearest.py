"""What would change an advice: the nearest change of fact, check by check, with its figures."""

import math
from datetime import timedelta
from typing import Final

from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import Assessment, Check, Gazetteer, miles_moved
from refundlib.domain.policy import Policy

# What a check that does not pass would need, where no figure tells it.
_NEEDED: Final = {
    "not_refunded_before": "nothing had been refunded on this charge before",
    "conversation_on_file": "a message of the conversation were on file",
    "reason_qualifies": "the reason were one the policy names",
    "job_changed": "the new place were farther away, or the new work not offered by the pro",
    "terms_violated": "the words showed a breach of the terms",
    "phone_invalid": "the number could not exist",
    "first_response_clear_no": "the first response refused the offer",
}


def what_would_change(assessment: Assessment, bundle: Bundle, policy: Policy, gazetteer: Gazetteer) -> str:
    """One sentence: what of the facts would have to be otherwise for another advice."""
    if assessment.recommendation == "approve":
        return _until_it_fails(bundle, policy, gazetteer)
    missing = [check for check in assessment.checks if check.status in ("fail", "unsure")]
    if any(check.id == "reason_qualifies" for check in missing):
        named = "It rests on the reason given"
        return f"{named}: a person decides it (D1)." if bundle.report.reason == "other" else f"{named} (H1)."
    needed = [_needed(check, bundle, policy, gazetteer) for check in missing]
    return f"It would be advised to approve if {' and '.join(needed)}."


def _needed(check: Check, bundle: Bundle, policy: Policy, gazetteer: Gazetteer) -> str:
    """What one check would need to pass."""
    if check.id == "within_window":
        late = bundle.report.reported_at - bundle.charge.charged_at - timedelta(days=policy.window_days)
        return f"it had been reported {_stretch(late)} earlier" if late > timedelta(0) else "the dates agreed"
    if check.id == "job_changed" and (miles := miles_moved(bundle, gazetteer)) is not None:
        farther = max(policy.job_changed_miles - miles, 0.0)
        return f"the new place were more than {farther:.1f} miles farther away"
    if check.id == "first_response_clear_no" and bundle.lead.kind != "opportunity":
        return "it had been an opportunity with a quote to refuse"
    return _NEEDED[check.id]


def _until_it_fails(bundle: Bundle, policy: Policy, gazetteer: Gazetteer) -> str:
    """How far an approval is from a denial: the days left, and the miles beyond the limit."""
    age = bundle.report.reported_at - bundle.charge.charged_at
    left = timedelta(days=policy.window_days) - age
    told = f"It would be advised to deny if it had been reported more than {_stretch(left, up=False)} later"
    miles = miles_moved(bundle, gazetteer) if bundle.report.reason == "job_changed" else None
    if miles is not None and miles > policy.job_changed_miles:
        told += f", or the new place were {miles - policy.job_changed_miles:.1f} miles nearer"
    return f"{told}."


def _stretch(time: timedelta, *, up: bool = True) -> str:
    """A stretch of time in whole days, or in hours below a day; up: rounded so that it is enough."""
    whole = math.ceil if up else math.floor
    days = whole(time / timedelta(days=1))
    if time >= timedelta(days=1):
        return f"{days} day{'' if days == 1 else 's'}"
    hours = max(whole(time / timedelta(hours=1)), 1 if up else 0)
    return f"{hours} hour{'' if hours == 1 else 's'}"
