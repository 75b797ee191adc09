"""A report as its pro sees it: where it stands, what was decided by which clause, what may go to the card.

One reading for the page staff can show, for the marketplace's product, and the words the mails use too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.eligibility import CLAUSE_OF_REASON
from refundlib.domain.errors import NotFound
from refundlib.domain.masking import mask_text
from refundlib.domain.money import format_money
from refundlib.domain.people import Person, is_masked
from refundlib.services import card_refunds
from refundlib.services.desk import Desk, command
from refundlib.services.policies import in_force, policies

# A card refund's states as a pro reads them: never more than is true.
CARD_STATES: Final[Mapping[str, str]] = {
    "requested": "asked for",
    "submitted": "being sent to your bank",
    "unknown": "being sent to your bank",
    "pending": "sent to your bank",
    "succeeded": "sent to your bank",
    "failed": "came back; the money is on your balance",
    "reversed": "came back; the money is on your balance",
    "declined": "not sent; the money is on your balance",
}

Row = dict[str, Any]


@dataclass(frozen=True)
class Decided:
    """One decision as the pro reads it: what, when, the clause with its words, why where that is owed.

    taken_back: an approval that was undone.
    """

    decision: str
    decided_at: datetime
    amount_minor: int
    clause: str
    clause_text: str
    reason: str
    taken_back: bool


@dataclass(frozen=True)
class Credit:
    """The balance credit: amounts in minor units, what may go to the card now and until when, or why not."""

    amount_minor: int
    unspent_minor: int
    card_most_minor: int
    card_until: datetime
    card_why_not: str | None


@dataclass(frozen=True)
class CardMoney:
    """A card refund: amount in minor units, its state as the pro reads it, when it was asked for."""

    amount_minor: int
    state: str
    requested_at: datetime


@dataclass(frozen=True)
class ProView:
    """A report as its pro sees it. state: what a pro is told of DOMAIN's states; decisions: first to last."""

    report_id: str
    charge_id: str
    lead_id: str
    pro_id: str
    pro_name: str
    category: str
    kind: str
    reason: str
    state: str
    headline: str
    reported_at: datetime
    charged_at: datetime
    charge_minor: int
    currency: str
    decide_by: datetime | None
    question: str | None
    decisions: tuple[Decided, ...]
    credit: Credit | None
    card_refunds: tuple[CardMoney, ...]
    may_appeal: bool


def deciding_clause(decision: str, reason: str, checks: Sequence[Mapping[str, Any]]) -> str:
    """The clause a decision rests on. checks: id, clause, status of the checks it was made with.

    A denial rests on the first check that fails, else on the reason's clause; an approval on the reason's
    clause, and on discretion (D1) where a check fails or the policy does not name the reason.
    """
    failed = next((check["clause"] for check in checks if check["status"] == "fail"), None)
    own = CLAUSE_OF_REASON[reason]
    if decision == "deny":
        return str(failed or own)
    return "D1" if failed or own == "H1" else own


@command("see_as_pro")
def see_as_pro(desk: Desk, actor: Person, report_id: str) -> ProView:
    """A report as its pro sees it. Raises NotFound."""
    with desk.reading() as conn:
        row = queries.pro_view.report(conn, report_id=report_id)
        if row is None:
            raise no_report(report_id)
        decisions = queries.pro_view.decisions(conn, report_id=report_id)
        payouts = queries.claims.card_refunds(conn, report_id=report_id)
        versions = policies(conn)
    policy = in_force(versions, row["charged_at"])

    def hidden(text: str) -> str:
        return mask_text(text, row["pro_name"], row["customer_name"]) if is_masked(actor) else text

    decided = tuple(
        Decided(
            each["decision"],
            each["decided_at"],
            each["refund_amount"],
            clause := deciding_clause(each["decision"], row["reason"], each["checks"]),
            policy.clause(clause),
            hidden(
                each["note"] if owes_reason(each["decision"], each["refund_amount"], row["amount"]) else ""
            ),
            each["decision"] == "approve" and each["decision_id"] != row["standing_decision_id"],
        )
        for each in decisions
    )
    state = "open" if row["state"] == "awaiting_second_approval" else row["state"]
    may_appeal = state == "denied" and sum(each.decision == "deny" for each in decided) == 1
    return ProView(
        **{name: row[name] for name in _TAKEN},
        charge_minor=row["amount"],
        state=state,
        headline=_headline(state, row, may_appeal=may_appeal),
        decide_by=row["deadline_at"] if state == "open" else None,
        question=hidden(row["question"]) if state == "waiting_on_pro" else None,
        decisions=decided,
        credit=_credit(desk, report_id) if state == "approved" else None,
        card_refunds=tuple(
            CardMoney(each["amount"], CARD_STATES[each["state"]], each["requested_at"]) for each in payouts
        ),
        may_appeal=may_appeal,
    )


_TAKEN: Final = (
    "report_id", "charge_id", "lead_id", "pro_id", "pro_name", "category", "kind", "reason", "reported_at",
    "charged_at", "currency",
)  # fmt: skip


def no_report(report_id: str) -> NotFound:
    """That a report is not here, as a pro is told."""
    return NotFound(f"There is no report {report_id!r}. Check the id.")


def owes_reason(decision: str, amount_minor: int, charge_minor: int) -> bool:
    """Whether the written reason is for the pro: of a denial, and of a refund of a part."""
    return decision == "deny" or amount_minor < charge_minor


def _headline(state: str, row: Row, *, may_appeal: bool) -> str:
    if state == "open":
        return f"We are looking at your report{' again' if row['round'] > 1 else ''}."
    if state == "waiting_on_pro":
        return "We need one thing from you. Our time to decide rests until you answer."
    if state == "withdrawn":
        return "This report was taken back, as you asked."
    if state == "approved":
        return f"Approved: {format_money(row['refunded_amount'], row['currency'])} went to your balance."
    appeal = (
        " If there is something we have not seen, tell support: it can be opened once more."
        if may_appeal
        else ""
    )
    return f"We looked at it and cannot refund this charge.{appeal}"


def _credit(desk: Desk, report_id: str) -> Credit | None:
    found = card_refunds.offered(desk, report_id)
    if found is None:
        return None
    return Credit(
        amount_minor=found.credit_minor,
        unspent_minor=found.remaining_minor,
        card_most_minor=0 if found.why_not else found.most_minor,
        card_until=found.card_until,
        card_why_not=found.why_not,
    )
