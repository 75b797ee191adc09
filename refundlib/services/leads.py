"""A lead with its customer, everybody charged for it, and the conversations."""

from dataclasses import dataclass, replace
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import NotFound
from refundlib.domain.masking import HIDDEN, mask_messages, mask_phone, mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.services.claims import MESSAGES_MAX
from refundlib.services.desk import Desk, command

CHARGES_MAX: Final = 100

Row = dict[str, Any]


@dataclass(frozen=True)
class Lead:
    """A lead's row with its customer, its charges (with reports), and messages by pro id."""

    row: Row
    charges: list[Row]
    pros: list[Row]
    conversations: dict[str, list[Row]]


@command("read_lead")
def lead(desk: Desk, actor: Person, lead_id: str) -> Lead:
    """A lead. Raises NotFound."""
    with desk.reading() as conn:
        row = queries.leads.lead(conn, lead_id=lead_id)
        if row is None:
            raise NotFound(f"There is no lead {lead_id!r}. Open it from one of its claims.")
        pros = queries.leads.pros_in_conversation(conn, lead_id=lead_id)
        found = Lead(
            row,
            queries.claims.lead_charges(conn, lead_id=lead_id, limit=CHARGES_MAX),
            pros,
            {
                pro["pro_id"]: queries.claims.conversation(
                    conn, lead_id=lead_id, pro_id=pro["pro_id"], limit=MESSAGES_MAX
                )
                for pro in pros
            },
        )
    return _masked(found) if is_masked(actor) else found


def _masked(it: Lead) -> Lead:
    name = it.row["customer_name"]
    hidden = {
        "customer_name": HIDDEN,
        "customer_email": "",
        "customer_phone": mask_phone(it.row["customer_phone"]),
    }
    row = {**it.row, **hidden, "description": mask_text(it.row["description"], name)}
    conversations = {pro_id: mask_messages(messages, name) for pro_id, messages in it.conversations.items()}
    return replace(it, row=row, conversations=conversations)
