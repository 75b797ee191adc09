"""The eight eligibility checks of a claim, each with a sentence and the words that show it.

Advice, not a decision: staff may overrule it with a written reason. Source: DOMAIN, Checks.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal, Protocol

from refundlib.domain.claim import Bundle, Message
from refundlib.domain.language.folding import Span
from refundlib.domain.language.job import words_of_change
from refundlib.domain.language.phone import words_of_dead_number
from refundlib.domain.language.replies import read_reply
from refundlib.domain.language.terms import read_terms
from refundlib.domain.money import format_money
from refundlib.domain.policy import Policy

Status = Literal["pass", "fail", "unsure", "not_applicable"]
Recommendation = Literal["approve", "deny", "review"]

EARTH_RADIUS_MILES: Final = 3958.7613  # mean radius, IUGG

CHECK_IDS: Final = (
    "within_window",
    "not_refunded_before",
    "conversation_on_file",
    "reason_qualifies",
    "job_changed",
    "terms_violated",
    "phone_invalid",
    "first_response_clear_no",
)
CLAUSE_OF_REASON: Final[Mapping[str, str]] = {
    "job_changed": "J1",
    "terms_violation": "T1",
    "invalid_phone": "P1",
    "clear_no": "N1",
    "not_hired": "H1",
    "other": "D1",
}
CHECK_OF_REASON: Final[Mapping[str, str]] = {
    "job_changed": "job_changed",
    "terms_violation": "terms_violated",
    "invalid_phone": "phone_invalid",
    "clear_no": "first_response_clear_no",
}


@dataclass(frozen=True)
class Place:
    """A zip's place, in degrees. kind: "standard", "unique", "po_box" or "military"."""

    zip: str
    city: str
    state: str
    kind: str
    latitude: float
    longitude: float

    def __str__(self) -> str:
        return f"{self.zip} {self.city}, {self.state}"


class Gazetteer(Protocol):
    """Knows where a zip is."""

    def place(self, zip_code: str) -> Place | None:
        """The place of a five-digit zip; None when there is no such zip."""


class PhoneBook(Protocol):
    """Knows which telephone numbers can exist."""

    def is_valid(self, number: str) -> bool:
        """Whether a number can exist: one with + in its country, one without as a US/NANP number."""

    def is_fictional(self, number: str) -> bool:
        """Whether a valid number is one of those kept for fiction, NANP 555-0100 to 555-0199."""


@dataclass(frozen=True)
class Evidence:
    """Words that show something: in a message, or in a field such as "lead.description".

    start and end count code points, end exclusive.
    """

    start: int
    end: int
    message_id: str | None = None
    field: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract's object."""
        where = {"message_id": self.message_id} if self.field is None else {"field": self.field}
        return {**where, "start": self.start, "end": self.end}


@dataclass(frozen=True)
class Check:
    """One check's answer: the clause it rests on, a status, a sentence, and the evidence."""

    id: str
    clause: str
    status: Status
    why: str
    evidence: tuple[Evidence, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The contract's object."""
        return {
            "id": self.id,
            "clause": self.clause,
            "status": self.status,
            "why": self.why,
            "evidence": [each.to_json() for each in self.evidence],
        }


@dataclass(frozen=True)
class Assessment:
    """The eight checks in their order, what they advise, and the sentence that says why."""

    recommendation: Recommendation
    checks: tuple[Check, ...]
    headline: str

    def to_json(self, report_id: str) -> dict[str, Any]:
        """The line that `refunds evaluate` writes."""
        return {
            "report_id": report_id,
            "recommendation": self.recommendation,
            "checks": [check.to_json() for check in self.checks],
        }


@dataclass(frozen=True)
class _Finding:
    status: Status
    why: str
    evidence: tuple[Evidence, ...] = ()


def assess(bundle: Bundle, policy: Policy, gazetteer: Gazetteer, phone_book: PhoneBook) -> Assessment:
    """Judges a claim by a policy version."""
    conversation = bundle.conversation()
    findings: dict[str, Callable[[], _Finding]] = {
        "within_window": lambda: _within_window(bundle, policy),
        "not_refunded_before": lambda: _not_refunded_before(bundle),
        "conversation_on_file": lambda: _conversation_on_file(conversation),
        "reason_qualifies": lambda: _reason_qualifies(bundle.report.reason),
        "job_changed": lambda: _job_changed(bundle, conversation, policy, gazetteer),
        "terms_violated": lambda: _terms_violated(bundle, conversation),
        "phone_invalid": lambda: _phone_invalid(bundle, conversation, phone_book),
        "first_response_clear_no": lambda: _first_response_clear_no(bundle, conversation),
    }
    own = CHECK_OF_REASON.get(bundle.report.reason)
    checks = tuple(
        _check(check_id, bundle.report.reason, find() if check_id in (*CHECK_IDS[:4], own) else _NOT_ASKED)
        for check_id, find in findings.items()
    )
    return _assessment(checks)


def reassess(first: Assessment, bundle: Bundle, policy: Policy, gazetteer: Gazetteer) -> Assessment:
    """The assessment by another policy, from the one that is there: new is what a policy's numbers judge."""
    reason = bundle.report.reason
    again = {"within_window": _within_window(bundle, policy)}
    if CHECK_OF_REASON.get(reason) == "job_changed":
        again["job_changed"] = _job_changed(bundle, bundle.conversation(), policy, gazetteer)
    checks = tuple(
        _check(check.id, reason, again[check.id]) if check.id in again else check for check in first.checks
    )
    return _assessment(checks)


def may_differ(first: Assessment, bundle: Bundle, policy: Policy) -> bool:
    """Whether another policy can change a status; where it cannot, `reassess` need not be asked."""
    if CHECK_OF_REASON.get(bundle.report.reason) == "job_changed" and bundle.report.changed_zip:
        return True
    return first.checks[0].status != _within_window(bundle, policy).status


def if_passed(first: Assessment, check_id: str) -> Assessment:
    """The assessment if one check passed, whatever of its facts had made it so."""
    return _assessment(
        tuple(replace(each, status="pass") if each.id == check_id else each for each in first.checks)
    )


_NOT_ASKED: Final = _Finding("not_applicable", "The report gives another reason.")
_CLAUSES: Final[Mapping[str, str]] = {
    "within_window": "W1",
    "not_refunded_before": "B1",
    "conversation_on_file": "W2",
    **{check_id: CLAUSE_OF_REASON[reason] for reason, check_id in CHECK_OF_REASON.items()},
}


def _check(check_id: str, reason: str, found: _Finding) -> Check:
    clause = _CLAUSES.get(check_id, CLAUSE_OF_REASON[reason])
    return Check(check_id, clause, found.status, found.why, found.evidence)


def _assessment(checks: tuple[Check, ...]) -> Assessment:
    deciding: dict[Recommendation, list[Check]] = {
        "deny": [check for check in checks if check.status == "fail"],
        "review": [check for check in checks if check.status == "unsure"],
        "approve": [check for check in checks if check.status == "pass"][-1:],
    }
    for recommendation, because in deciding.items():
        if because:
            return Assessment(recommendation, checks, because[-1].why)
    raise AssertionError("the first four checks always apply")


# -- the four that always apply --------------------------------------------------------------------------


def _within_window(bundle: Bundle, policy: Policy) -> _Finding:
    age = bundle.report.reported_at - bundle.charge.charged_at
    if age < timedelta(0):
        return _Finding("unsure", "Reported before it was charged: check both dates.")
    day = math.ceil(age / timedelta(days=1)) or 1
    if age <= timedelta(days=policy.window_days):
        return _Finding("pass", f"Reported on day {day} of {policy.window_days}.")
    return _Finding("fail", f"Reported on day {day}; the window is {policy.window_days} days.")


def _not_refunded_before(bundle: Bundle) -> _Finding:
    before = bundle.charge.refunded_amount
    if not before:
        return _Finding("pass", "Nothing was refunded on this charge before.")
    return _Finding(
        "fail", f"{format_money(before, bundle.charge.currency)} was refunded on this charge before."
    )


def _conversation_on_file(conversation: tuple[Message, ...]) -> _Finding:
    count = len(conversation)
    if count:
        return _Finding("pass", f"The conversation is on file: {count} message{'s' if count > 1 else ''}.")
    return _Finding("unsure", "No conversation is on file from before the report.")


def _reason_qualifies(reason: str) -> _Finding:
    if reason == "not_hired":
        return _Finding("fail", "Not being hired is never a reason for a refund.")
    if reason == "other":
        return _Finding("unsure", "A reason the policy does not name: refunded at discretion only.")
    return _Finding("pass", "The policy names this reason.")


# -- J1 --------------------------------------------------------------------------------------------------


def _job_changed(
    bundle: Bundle, conversation: tuple[Message, ...], policy: Policy, gazetteer: Gazetteer
) -> _Finding:
    given = [
        *_moved(bundle, policy, gazetteer),
        *_other_work(bundle),
    ] or [_change_in_chat(conversation)]
    ranked = sorted(given, key=lambda finding: ("pass", "unsure", "fail").index(finding.status))
    return ranked[0]


def _moved(bundle: Bundle, policy: Policy, gazetteer: Gazetteer) -> list[_Finding]:
    changed = (bundle.report.changed_zip or "").strip()
    if not changed:
        return []
    evidence = (_whole("report.changed_zip", bundle.report.changed_zip), _whole("lead.zip", bundle.lead.zip))
    places = [_located(gazetteer, bundle.lead.zip, "lead's"), _located(gazetteer, changed, "new")]
    doubts = [place for place in places if isinstance(place, str)]
    if doubts:
        return [_Finding("unsure", doubts[0], evidence)]
    old, new = (place for place in places if isinstance(place, Place))
    return [_distance_finding(old, new, policy.job_changed_miles, evidence)]


def miles_moved(bundle: Bundle, gazetteer: Gazetteer) -> float | None:
    """Miles from the lead's zip to the new one; None when either has no place."""
    changed = (bundle.report.changed_zip or "").strip()
    old, new = (_located(gazetteer, zip_code, "") for zip_code in (bundle.lead.zip, changed))
    return distance_miles(old, new) if isinstance(old, Place) and isinstance(new, Place) else None


def _distance_finding(old: Place, new: Place, limit_miles: float, evidence: tuple[Evidence, ...]) -> _Finding:
    miles = distance_miles(old, new)
    route = f"{new} is {miles:.1f} miles from {old}"
    if miles > limit_miles:
        return _Finding("pass", f"The job moved: {route}, over {limit_miles:g}.", evidence)
    return _Finding("fail", f"The job is still near: {route}, not over {limit_miles:g}.", evidence)


def _located(gazetteer: Gazetteer, zip_code: str, whose: str) -> Place | str:
    """The place of a zip, or the sentence that says why there is none."""
    zip5 = _zip5(zip_code)
    place = gazetteer.place(zip5) if zip5 else None
    if place is None:
        return f"The {whose} zip {zip_code[:20]!r} is not known, so the distance is not either."
    if place.kind in ("po_box", "military"):
        kind = "PO boxes" if place.kind == "po_box" else "military mail"
        return f"The {whose} zip {place.zip} is for {kind}: it has no place to measure from."
    return place


def _zip5(zip_code: str) -> str:
    """The five digits of a zip or ZIP+4; empty when it is neither."""
    digits = zip_code.strip().replace("-", "").replace(" ", "")
    return digits[:5] if digits.isascii() and digits.isdigit() and len(digits) in (5, 9) else ""


def distance_miles(one: Place, other: Place) -> float:
    """The great-circle distance of two places in statute miles (haversine formula)."""
    lat_1, lat_2 = math.radians(one.latitude), math.radians(other.latitude)
    half_lat = (lat_2 - lat_1) / 2
    half_lon = math.radians(other.longitude - one.longitude) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_MILES * math.asin(min(1.0, math.sqrt(chord)))


def _other_work(bundle: Bundle) -> list[_Finding]:
    changed = (bundle.report.changed_category or "").strip()
    if not changed:
        return []
    evidence = (_whole("report.changed_category", bundle.report.changed_category),)
    offered = {category.strip().casefold() for category in bundle.pro.categories if category.strip()}
    if changed.casefold() == bundle.lead.category.strip().casefold():
        return [_Finding("fail", f"The job is still {bundle.lead.category}.", evidence)]
    if not offered:
        return [_Finding("unsure", "The pro's profile lists no categories to compare with.", evidence)]
    if changed.casefold() in offered:
        return [_Finding("unsure", f"The job became {changed}, which the pro offers.", evidence)]
    return [_Finding("pass", f"The job became {changed}, which the pro does not offer.", evidence)]


def _change_in_chat(conversation: tuple[Message, ...]) -> _Finding:
    evidence = tuple(
        Evidence(span.start, span.end, message_id=message.message_id)
        for message in conversation
        if message.sender == "customer"
        for span in words_of_change(message.body)
    )
    if evidence:
        return _Finding("unsure", "The chat speaks of a change; no new zip or category was given.", evidence)
    return _Finding("unsure", "No new zip or category was given, and the chat shows no change.")


# -- T1 --------------------------------------------------------------------------------------------------


def _terms_violated(bundle: Bundle, conversation: tuple[Message, ...]) -> _Finding:
    texts: list[tuple[str, dict[str, str]]] = [(bundle.lead.description, {"field": "lead.description"})]
    texts += [
        (each.body, {"message_id": each.message_id}) for each in conversation if each.sender == "customer"
    ]
    readings = [(reading, where) for text, where in texts for reading in read_terms(text)]
    for broken, status in ((True, "pass"), (False, "fail")):
        shown = [(reading, where) for reading, where in readings if reading.broken is broken]
        if shown:
            evidence = tuple(Evidence(each.span.start, each.span.end, **where) for each, where in shown)
            return _Finding(status, shown[0][0].why, evidence)  # type: ignore[arg-type]
    return _Finding("unsure", "Neither chat nor description shows a breach of the terms: a person must look.")


# -- P1 --------------------------------------------------------------------------------------------------


NumberKind = Literal["none", "repeated", "invalid", "needs_plus", "fictional", "valid"]


def kind_of_number(number: str, phone_book: PhoneBook) -> NumberKind:
    """What a telephone number is: where the check P1 draws its lines.

    "none": no digits; "repeated": one digit; "needs_plus": valid only once a + is put before it.
    """
    digits = [character for character in number if character.isdigit()]
    if not digits:
        return "none"
    if len(set(digits)) == 1:
        return "repeated"
    if not phone_book.is_valid(number):
        return "needs_plus" if "+" not in number and phone_book.is_valid(f"+{number}") else "invalid"
    return "fictional" if phone_book.is_fictional(number) else "valid"


def _phone_invalid(bundle: Bundle, conversation: tuple[Message, ...], phone_book: PhoneBook) -> _Finding:
    number = bundle.customer.phone.strip()
    evidence = (_whole("customer.phone", bundle.customer.phone),) if bundle.customer.phone else ()
    kind, shown = kind_of_number(number, phone_book), number[:30]
    if kind == "valid":
        return _valid_number(number, evidence, conversation)
    found: dict[NumberKind, tuple[Status, str]] = {
        "none": ("pass", f"{shown!r} has no digits." if number else "There is no phone number."),
        "repeated": ("pass", f"{shown} is one digit repeated, not a phone number."),
        "invalid": ("pass", f"{shown} is not a valid phone number."),
        "needs_plus": ("unsure", f"{shown} is valid only abroad, with a + before it."),
        "fictional": ("unsure", f"{shown} is one of the numbers kept for fiction."),
    }
    return _Finding(*found[kind], evidence)


def _valid_number(number: str, evidence: tuple[Evidence, ...], conversation: tuple[Message, ...]) -> _Finding:
    said = tuple(
        Evidence(span.start, span.end, message_id=message.message_id)
        for message in conversation
        if message.sender != "system"
        for span in words_of_dead_number(message.body)
    )
    if said:
        return _Finding("unsure", f"{number[:30]} could be valid, but the chat says it does not work.", said)
    return _Finding("fail", f"{number[:30]} is a valid phone number.", evidence)


# -- N1 --------------------------------------------------------------------------------------------------


def _first_response_clear_no(bundle: Bundle, conversation: tuple[Message, ...]) -> _Finding:
    if bundle.lead.kind != "opportunity":
        return _Finding("fail", "This was a lead, charged when bought; only opportunities have this ground.")
    response = first_response(conversation)
    if not response:
        spoke = any(message.sender == "pro" for message in conversation)
        why = "The customer has not answered the pro." if spoke else "The pro wrote no message to respond to."
        return _Finding("unsure", why)
    reading = read_reply("\n".join(message.body for message in response))
    return _Finding(reading.status, reading.why, _spread(reading.span, response))


def first_response(conversation: tuple[Message, ...]) -> tuple[Message, ...]:
    """The customer's first response after the pro's first message: the messages up to somebody else's."""
    people = [message for message in conversation if message.sender != "system"]
    start = next((at for at, message in enumerate(people) if message.sender == "pro"), len(people))
    begin = next((at for at in range(start, len(people)) if people[at].sender == "customer"), len(people))
    end = next((at for at in range(begin, len(people)) if people[at].sender == "pro"), len(people))
    return tuple(people[begin:end])


def _spread(span: Span, response: tuple[Message, ...]) -> tuple[Evidence, ...]:
    """A span of the joined response as spans of its messages (joined by one character)."""
    evidence, offset = [], 0
    for message in response:
        start, end = max(span.start - offset, 0), min(span.end - offset, len(message.body))
        if start < end:
            evidence.append(Evidence(start, end, message_id=message.message_id))
        offset += len(message.body) + 1
    return tuple(evidence)


def _whole(field: str, value: str | None) -> Evidence:
    return Evidence(0, len(value or ""), field=field)
