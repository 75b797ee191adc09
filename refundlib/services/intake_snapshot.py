"""The facts of a claim, frozen when the report arrives: one canonical JSON text and its SHA-256.

The text is the bundle of `refunds evaluate`, with the names and addresses of pro and customer added,
keys sorted, no blanks: the same facts always give the same text.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from refundlib.db.queries import queries
from refundlib.domain.claim import Bundle, bundle_from_json
from refundlib.domain.eligibility import Assessment
from refundlib.domain.eligibility import assess as judge
from refundlib.domain.policy import Policy
from refundlib.services.desk import Desk

Row = dict[str, Any]


def canonical(facts: Row) -> str:
    """The one text of some facts."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse(facts: str) -> Bundle:
    """The claim that a frozen text holds. Raises BundleError when it was not one of ours."""
    return bundle_from_json(json.loads(facts))


def assess(desk: Desk, bundle: Bundle, policy: Policy) -> Assessment:
    """Judges a claim with the desk's zips and phone rules."""
    return judge(bundle, policy, desk.gazetteer, desk.phone_book)


def live_facts(conn: Connection, report_ids: Sequence[str]) -> dict[str, Row]:
    """The facts of some reports as they are now, by report id; none where lead, pro or customer is gone."""
    conversations: dict[str, list[Row]] = defaultdict(list)
    for message in queries.snapshots.conversations_of(conn, report_ids=list(report_ids)):
        conversations[message["report_id"]].append(_message(message))
    rows = queries.snapshots.facts_of(conn, report_ids=list(report_ids))
    return {row["report_id"]: _facts(row, conversations[row["report_id"]]) for row in rows}


def draft_facts(conn: Connection, charge: Row, said: Row) -> Row:
    """The facts a report would have. charge: a row of intake.charge; said: the report's columns."""
    messages = queries.snapshots.conversation_until(
        conn, lead_id=charge["lead_id"], pro_id=charge["pro_id"], until=said["reported_at"]
    )
    return _facts({**charge, **said}, [_message(message) for message in messages])


def differences(frozen: Row, live: Row) -> list[tuple[str, Any, Any]]:
    """What differs between frozen and live facts: (path like "customer.phone", then, now), by path."""
    then, now = dict(_leaves("", frozen)), dict(_leaves("", live))
    return [
        (path, then.get(path), now.get(path))
        for path in sorted({*then, *now})
        if then.get(path) != now.get(path)
    ]


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in _leaves(f"{path}.{key}".lstrip("."), part)]
    if path == "messages":
        return [(f"messages.{message['message_id']}", message) for message in value]
    return [(path, value)]


def _message(row: Row) -> Row:
    return {
        "message_id": row["message_id"],
        "sender": row["sender"],
        "body": row["body"],
        "sent_at": _time(row["sent_at"]),
    }


def _facts(row: Row, messages: list[Row]) -> Row:
    report = {
        "report_id": row["report_id"],
        "reason": row["reason"],
        "details": row["details"],
        "reported_at": _time(row["reported_at"]),
        "changed_zip": row["changed_zip"],
        "changed_category": row["changed_category"],
    }
    if row["number_tried"] is not None:
        report["number_tried"] = row["number_tried"]
    return {
        "report": report,
        "charge": {
            "charge_id": row["charge_id"],
            "amount": row["amount"],
            "currency": row["currency"],
            "charged_at": _time(row["charged_at"]),
            "refunded_amount": row["refunded_before"],
        },
        "lead": {
            "lead_id": row["lead_id"],
            "kind": row["kind"],
            "category": row["category"],
            "zip": row["lead_zip"],
            "description": row["description"],
            "created_at": _time(row["created_at"]),
        },
        "pro": {
            "pro_id": row["pro_id"],
            "name": row["pro_name"],
            "email": row["pro_email"],
            "phone": row["pro_phone"],
            "categories": row["categories"],
            "zip": row["pro_zip"],
        },
        "customer": {
            "customer_id": row["customer_id"],
            "name": row["customer_name"],
            "email": row["customer_email"],
            "phone": row["customer_phone"],
        },
        "messages": messages,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
