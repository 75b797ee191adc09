"""Golden cases: what a policy must mean, clause by clause, whatever its numbers; they guard publishing."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from refundlib.domain.claim import Bundle, bundle_from_json
from refundlib.domain.eligibility import Gazetteer, PhoneBook, assess
from refundlib.domain.errors import CardRefundRefused
from refundlib.domain.journal import Account, card_until
from refundlib.domain.policy import CLAUSES, Policy

CHARGED: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
# New York and Los Angeles: about 2,445 miles.
NEAR, FAR = "10001", "90012"


@dataclass(frozen=True)
class Golden:
    """One case: the clause it is of, what must hold, and what was found (equal when it passes)."""

    clause: str
    title: str
    wanted: str
    found: str

    @property
    def passes(self) -> bool:
        """Whether the policy means it."""
        return self.wanted == self.found


def golden_cases(policy: Policy, gazetteer: Gazetteer, phone_book: PhoneBook) -> list[Golden]:
    """Every case judged by a policy, in the order of the clauses."""

    def judged(**changes: Any) -> dict[str, str]:
        it = assess(golden_claim(policy, **changes), policy, gazetteer, phone_book)
        return {"recommendation": it.recommendation} | {check.id: check.status for check in it.checks}

    cases = [
        *_of_claims(policy, judged),
        *_of_words(policy),
        *_of_numbers(policy),
        *_of_money(policy),
    ]
    return sorted(cases, key=lambda case: list(CLAUSES).index(case.clause))


Judged = Callable[..., dict[str, str]]


def _job(**changed: str) -> dict[str, Any]:
    return {"reason": "job_changed", **changed}


def _terms(description: str) -> dict[str, Any]:
    return {"reason": "terms_violation", "description": description}


def _phone(number: str) -> dict[str, Any]:
    return {"reason": "invalid_phone", "phone": number}


# Claims, and what a check or the advice must say of each: clause, title, check, status, and what the case
# changes of `golden_claim`; `late` counts from the end of the policy's own window.
_CLAIMS: Final[tuple[tuple[str, str, str, str, dict[str, Any]], ...]] = (
    ("W1", "Reported exactly at the end of the window", "within_window", "pass", {"late": 0 * SECOND}),
    ("W1", "Reported a second later", "within_window", "fail", {"late": SECOND}),
    ("W1", "Reported before it was charged", "within_window", "unsure", {"age": -SECOND}),
    ("W2", "No message on file", "conversation_on_file", "unsure", {"replies": None}),
    ("J1", "The job is across the country", "job_changed", "pass", _job(changed_zip=FAR)),
    ("J1", "The job is at the same zip", "job_changed", "fail", _job(changed_zip=NEAR)),
    ("J1", "Work the pro does not offer", "job_changed", "pass", _job(changed_category="roofing")),
    ("J1", "The category that was asked for", "job_changed", "fail", _job(changed_category="Plumbing")),
    ("J1", "A military zip has no place", "job_changed", "unsure", _job(changed_zip="09001")),
    (
        "T1",
        "A business looks for employees",
        "terms_violated",
        "pass",
        _terms("We are hiring two installers"),
    ),
    ("T1", "A minor leak is not a minor", "terms_violated", "fail", _terms("Just a minor leak")),
    ("P1", "A number of one digit repeated", "phone_invalid", "pass", _phone("000-000-0000")),
    ("P1", "A number that exists", "phone_invalid", "fail", _phone("+1 650-253-0000")),
    ("P1", "A number kept for fiction", "phone_invalid", "unsure", _phone("(212) 555-0123")),
    ("N1", "The first response is a clear no", "first_response_clear_no", "pass", {}),
    ("N1", "It puts the job off", "first_response_clear_no", "unsure", {"replies": "Maybe later"}),
    ("N1", "It says no to a detail", "first_response_clear_no", "fail", {"replies": "No, the upstairs one"}),
    ("N1", "A lead has no quote to refuse", "first_response_clear_no", "fail", {"kind": "lead"}),
    ("H1", "Not hired is never refundable", "recommendation", "deny", {"reason": "not_hired"}),
    ("D1", "What no clause names is for a person", "recommendation", "review", {"reason": "other"}),
    ("B1", "A charge that was refunded before", "not_refunded_before", "fail", {"refunded": 1}),
    ("N1", "In time, on file, refused: approve", "recommendation", "approve", {}),
)


def _of_claims(policy: Policy, judged: Judged) -> Iterator[Golden]:
    """Claims, and what the checks must say of them."""
    for clause, title, what, wanted, changes in _CLAIMS:
        facts = dict(changes)
        if "late" in facts:
            facts["age"] = timedelta(days=policy.window_days) + facts.pop("late")
        yield Golden(clause, title, wanted, judged(**facts)[what])


def _of_words(policy: Policy) -> Iterator[Golden]:
    """The text a pro reads names the number that counts, and no other one.

    What no machine reads (a text that says the opposite of its rule) is for whoever publishes.
    """
    for clause, number, unit in (
        ("W1", policy.window_days, "days"),
        ("S1", policy.sla_hours, "hours"),
        ("C1", policy.card_refund_days, "days"),
    ):
        title = f"The text names the {number} {unit} of the rule, and no other number"
        text = policy.clause(clause)
        yield Golden(clause, title, "named", "named" if _numbers_in(text) == {number} else f"“{text}”")
    text = policy.clause("J1")
    title = f"A distance in the text is the {policy.job_changed_miles:.10g} miles of the rule"
    agrees = _numbers_in(text) <= {policy.job_changed_miles}
    yield Golden("J1", title, "the same", "the same" if agrees else f"“{text}”")
    text = policy.clause("S2")
    promised = "promised" if re.search(r"\be?-?mail", text, re.IGNORECASE) else f"“{text}”"
    yield Golden("S2", "The text promises an email", "promised", promised)


def _numbers_in(text: str) -> set[float]:
    """The numbers written in a text: 30 in "30-day", "(30)" and "30."; 1000 in "1,000"."""
    found = re.findall(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?", text)
    return {float(number.replace(",", "")) for number in found}


def _of_numbers(policy: Policy) -> Iterator[Golden]:
    """Numbers a marketplace can keep."""
    for clause, title, holds in (
        ("W1", "There is at least a day to report", policy.window_days >= 1),
        ("S1", "Reports are handled within an hour to 30 days", 1 <= policy.sla_hours <= 720),
        ("C1", "There is at least a day to ask for the card", policy.card_refund_days >= 1),
    ):
        yield Golden(clause, title, "yes", "yes" if holds else "no")


def _of_money(policy: Policy) -> Iterator[Golden]:
    """A credit on the balance at once, its right to the card, what was spent, and which money goes first."""
    until = card_until(CHARGED, policy.card_refund_days)
    account = _credited(policy, paid_at=CHARGED - SECOND)
    yield Golden("B1", "A credit is on the balance at once", "5000", str(account.balance))
    last = CHARGED + timedelta(days=policy.card_refund_days)
    yield Golden("C1", "The card may be asked for until its last day", f"{last}", f"{until}")
    by = policy.spend_order
    wanted, found = "credit" if by == "refunds_first" else "payment", _spent_first(account, policy)
    yield Golden("C2", f"Spent first of a payment and a newer credit, by {by}", wanted, found)
    wanted = "payment" if by == "refunds_last" else "credit"
    found = _spent_first(_credited(policy, paid_at=CHARGED + SECOND), policy)
    yield Golden("C2", f"Spent first of a credit and a newer payment, by {by}", wanted, found)
    left = account.lots["refund:R.1"].remaining
    try:
        account.request_card_refund("CR.1", "refund:R.1", left + 1, CHARGED + SECOND)
        found = "taken"
    except CardRefundRefused:
        found = "refused"
    yield Golden("C2", "More than is unspent cannot go to the card", "refused", found)


def _credited(policy: Policy, paid_at: datetime) -> Account:
    """A pro with a payment of $25 and a credit of $25."""
    account = Account("p", "USD")
    account.pay("t", 2500, paid_at)
    account.credit("R.1", 2500, CHARGED, ("t",), card_until(CHARGED, policy.card_refund_days))
    return account


def _spent_first(account: Account, policy: Policy) -> str:
    """Which of the payment and the credit a charge of $25 takes."""
    account.charge("next", 2500, CHARGED + 2 * SECOND, None, policy.spend_order)
    return "credit" if account.lots["refund:R.1"].remaining == 0 else "payment"


_BEFORE: Final = CHARGED - timedelta(days=1)
_CHARGE: Final = {
    "charge_id": "C",
    "amount": 2500,
    "currency": "USD",
    "charged_at": CHARGED.isoformat(),
}
_LEAD: Final = {
    "lead_id": "L",
    "category": "plumbing",
    "zip": NEAR,
    "created_at": _BEFORE.isoformat(),
}


def golden_claim(
    policy: Policy,
    *,
    reason: str = "clear_no",
    kind: str = "opportunity",
    age: timedelta | None = None,
    replies: str | None = "No thanks",
    refunded: int = 0,
    phone: str = "+1 650-253-0000",
    description: str = "Leak under the sink",
    changed_zip: str | None = None,
    changed_category: str | None = None,
) -> Bundle:
    """A claim on a $25 opportunity in New York, with what a case changes of it."""
    age = min(timedelta(hours=1), timedelta(days=policy.window_days)) if age is None else age
    report = {"report_id": "R", "reason": reason, "details": "", "reported_at": (CHARGED + age).isoformat()}
    return bundle_from_json(
        {
            "report": report | {"changed_zip": changed_zip, "changed_category": changed_category},
            "charge": _CHARGE | {"refunded_amount": refunded},
            "lead": _LEAD | {"kind": kind, "description": description},
            "pro": {"pro_id": "P", "categories": ["plumbing"], "zip": NEAR},
            "customer": {"customer_id": "U", "phone": phone},
            "messages": [] if replies is None else _said(replies),
        }
    )


def _said(replies: str) -> list[dict[str, str]]:
    """The pro's offer, and what the customer says a minute later."""
    said = (("pro", "Hi! I can do it for $240."), ("customer", replies))
    return [
        {
            "message_id": f"m{at}",
            "sender": sender,
            "body": body,
            "sent_at": (_BEFORE + timedelta(minutes=at)).isoformat(),
        }
        for at, (sender, body) in enumerate(said)
    ]
