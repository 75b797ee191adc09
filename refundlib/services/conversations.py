"""The messages of pros and customers: found by person or id, filtered, opened, noted as read by the desk."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, NotFound
from refundlib.domain.masking import HIDDEN, mask_messages, mask_phone, mask_text
from refundlib.domain.people import Person, is_masked
from refundlib.services import places
from refundlib.services.claims import MESSAGES_MAX
from refundlib.services.desk import Desk, command
from refundlib.services.written import containing

PAGE_ROWS: Final = 50
FOUND_MAX: Final = 20
# Of a pro's or customer's messages and charges, so many of the newest are looked at.
MOMENTS_MAX: Final = 10_000
WORDS_MAX: Final = 6
SEARCH_CHARACTERS_MAX: Final = 100
DIGITS_MIN: Final = 7
STATUSES: Final = ("charged", "free", "reported", "unreported")

Row = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What a search names: people (kind, id, name, email, phone), and conversations that an id names."""

    people: list[Row]
    conversations: list[Row]


@dataclass(frozen=True)
class Scope:
    """Whose conversations: a pro's, a customer's, or about one lead. One of them is given."""

    pro_id: str | None = None
    customer_id: str | None = None
    lead_id: str | None = None


@dataclass(frozen=True)
class Filters:
    """What is shown; None filters nothing. status: one of STATUSES; since, until: of the newest moment.

    customer: a part of the customer's name, address or number.
    """

    customer: str | None = None
    category: str | None = None
    kind: str | None = None
    status: str | None = None
    unread: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Rows of conversations, and where the next page begins (None at the end)."""

    rows: list[Row]
    next_after: str | None


@dataclass(frozen=True)
class Conversation:
    """One conversation: lead, customer, charge and newest report in `row`, and its messages in order."""

    row: Row
    messages: list[Row]


@command("read_messages")
def find(desk: Desk, actor: Person, text: str) -> Found:
    """Pros and customers by id, address, number or name; conversations by the id of lead, charge, report.

    Who reads masked finds by ids alone: a search that finds would tell what is hidden.
    """
    wanted = text.strip()[:SEARCH_CHARACTERS_MAX].replace("\x00", "")
    if not wanted:
        return Found([], [])
    digits = re.sub(r"\D", "", wanted)
    by_id = is_masked(actor)
    is_number = len(digits) >= DIGITS_MIN and not re.search(r"[^\d\s().+-]", wanted)
    by_name = not (by_id or is_number or "@" in wanted)
    words = re.findall(r"\w+", wanted)[:WORDS_MAX]
    with desk.reading() as conn:
        people = queries.conversations.find(
            conn,
            id=wanted,
            email=wanted.lower() if "@" in wanted and not by_id else None,
            digits=digits[-10:] if is_number and not by_id else None,
            words=" & ".join(f"{word}:*" for word in words) or None if by_name else None,
            limit=FOUND_MAX,
        )
        conversations = queries.conversations.by_id(conn, id=wanted)
    return Found([_masked_person(row) if is_masked(actor) else row for row in people], conversations)


@command("read_messages")
def whose(desk: Desk, actor: Person, scope: Scope) -> Row:
    """The pro or customer of a scope; of a lead nothing but its id. Raises NotFound."""
    with desk.reading() as conn:
        if scope.pro_id:
            row = queries.conversations.pro(conn, pro_id=scope.pro_id)
        elif scope.customer_id:
            row = queries.conversations.customer(conn, customer_id=scope.customer_id)
        else:
            row = queries.leads.lead(conn, lead_id=scope.lead_id)
    if row is None:
        raise NotFound("There is nobody with this id. Search by name, mail address, number or id.")
    return _masked_person(row) if is_masked(actor) and "name" in row else dict(row)


@command("read_messages")
def page(desk: Desk, actor: Person, scope: Scope, filters: Filters, *, after: str | None = None) -> Page:
    """A page of conversations, the newest first. after: the page before's next_after. Raises BadFigure."""
    if filters.status not in (None, *STATUSES):
        raise BadFigure(f"There is no status {filters.status!r}; choose one of {', '.join(STATUSES)}.")
    customer = " ".join((filters.customer or "").split())
    at, row_id = places.place(after, "\U0010ffff", str, "This page does not exist. Open the first one.")
    with desk.reading() as conn:
        rows = queries.conversations.page(
            conn,
            pro_id=scope.pro_id,
            customer_id=scope.customer_id,
            lead_id=scope.lead_id,
            rows=MOMENTS_MAX,
            customer=containing(customer) if customer and not is_masked(actor) else None,
            category=filters.category,
            kind=filters.kind,
            status=filters.status,
            unread=filters.unread,
            since=filters.since,
            until=filters.until,
            after_at=at,
            after_id=row_id,
            limit=PAGE_ROWS + 1,
        )
    shown = rows[:PAGE_ROWS]
    more = len(rows) > PAGE_ROWS
    last = shown[-1] if more else None
    next_after = places.named(last["last_at"], f"{last['lead_id']} {last['pro_id']}") if last else None
    return Page([_masked_row(row) if is_masked(actor) else row for row in shown], next_after)


@command("read_messages")
def conversation(desk: Desk, actor: Person, lead_id: str, pro_id: str) -> Conversation:
    """One conversation. Raises NotFound."""
    with desk.reading() as conn:
        row = queries.conversations.conversation(conn, lead_id=lead_id, pro_id=pro_id)
        if row is None:
            raise NotFound("There is no such conversation. Open it from the list of messages.")
        messages = queries.claims.conversation(conn, lead_id=lead_id, pro_id=pro_id, limit=MESSAGES_MAX)
    it = Conversation(row, messages)
    return _masked(it) if is_masked(actor) else it


@command("mark_read")
def mark_read(desk: Desk, actor: Person, lead_id: str, pro_id: str, until: datetime) -> None:
    """Notes that the desk has read a conversation up to a moment."""
    with desk.transaction() as conn:
        queries.conversations.set_read(
            conn, lead_id=lead_id, pro_id=pro_id, read_until=until, read_by=actor.person_id
        )


def _masked_person(row: Row) -> Row:
    return {**row, "name": HIDDEN, "email": "", "phone": mask_phone(row["phone"])}


def _masked_row(row: Row) -> Row:
    name = row["customer_name"] or ""
    words = mask_text(row["last_words"], name) if row["last_words"] else None
    return {**row, "customer_name": HIDDEN, "last_words": words}


def _masked(it: Conversation) -> Conversation:
    name = it.row["customer_name"]
    row = {
        **it.row,
        "customer_name": HIDDEN,
        "customer_phone": mask_phone(it.row["customer_phone"]),
        "description": mask_text(it.row["description"], name),
    }
    return replace(it, row=row, messages=mask_messages(it.messages, name))
