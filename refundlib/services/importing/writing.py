"""What the good rows become: marketplace rows, reports with frozen facts, decisions, card refunds."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from refundlib.db import staging
from refundlib.db.queries import queries
from refundlib.domain.journal import PlannedPayout
from refundlib.services.card_refunds import SUCCEEDED_DAYS_WATCHED
from refundlib.services.desk import Desk
from refundlib.services.importing.folder import Progress
from refundlib.services.intake import summary
from refundlib.services.intake_snapshot import assess, canonical, live_facts, parse
from refundlib.services.policies import in_force, policies

REPORTS_A_PAGE: Final = 1_000

Row = dict[str, Any]
_DECISION: Final = [
    "decision_id",
    "report_id",
    "round",
    "decision",
    "refund_amount",
    "currency",
    "note",
    "decided_by",
    "decided_at",
    "policy_version",
    "recommendation",
    "overruled",
    "checks",
    "snapshot_sha256",
]
_PAYOUT: Final = ["payout_id", "card_refund_id", "payment_id", "amount", "currency", "state"]


def write(
    conn: Connection, desk: Desk, payouts: Iterable[tuple[str, PlannedPayout]], progress: Progress
) -> dict[str, int]:
    """Writes the staged rows; how many rows of each file were new or changed."""
    it = queries.import_write
    it.mark_changed_leads(conn)
    counts = {
        name: block(conn)
        for name, block in {
            "pros": it.upsert_pros,
            "customers": it.upsert_customers,
            "leads": it.upsert_leads,
            "payments": it.insert_payments,
            "charges": it.insert_charges,
            "messages": it.insert_messages,
        }.items()
    }
    it.stage_news(conn)
    it.stage_new_decisions(conn)
    counts["reports"] = it.insert_reports(conn)
    counts["decisions"] = it.apply_decisions(conn)
    _freeze_and_assess(conn, desk, counts["reports"], progress)
    _write_decisions(conn, desk, counts["decisions"], progress)
    it.write_audit(conn)
    it.write_decision_mail(conn)
    counts["card_refunds"] = it.write_card_refunds(conn)
    _write_payouts(conn, payouts)
    it.fill_card_refunds(conn)
    it.name_payouts(conn)
    it.write_payout_mail(conn)
    now = desk.clock()
    it.watch_payouts(conn, now=now, settled_since=now - timedelta(days=SUCCEEDED_DAYS_WATCHED))
    counts["balances"] = it.upsert_marketplace_balances(conn)
    return counts


def _pages(block: Callable[..., list[Row]], conn: Connection) -> Iterable[list[Row]]:
    after = 0
    while page := block(conn, after=after, limit=REPORTS_A_PAGE):
        yield page
        after = page[-1]["n"]


def _freeze_and_assess(conn: Connection, desk: Desk, total: int, progress: Progress) -> None:
    versions = policies(conn)
    done = 0
    for page in _pages(queries.import_write.report_page, conn):
        ids = [row["report_id"] for row in page]
        facts = live_facts(conn, ids)
        texts = {report_id: canonical(facts[report_id]) for report_id in ids}
        _freeze(conn, texts, facts)
        summaries = []
        for report_id in ids:
            bundle = parse(texts[report_id])
            summaries.append(summary(assess(desk, bundle, in_force(versions, bundle.charge.charged_at))))
        queries.import_write.set_assessments(
            conn,
            report_ids=ids,
            recommendations=[each["recommendation"] for each in summaries],
            passes=[each["passes"] for each in summaries],
            unsures=[each["unsures"] for each in summaries],
            fails=[each["fails"] for each in summaries],
        )
        done += len(ids)
        progress("freezing reports", done, total)


def _freeze(conn: Connection, texts: dict[str, str], facts: dict[str, Row]) -> None:
    queries.import_write.freeze(
        conn,
        report_ids=list(texts),
        facts=list(texts.values()),
        taken_at=[facts[report_id]["report"]["reported_at"] for report_id in texts],
    )


def _write_decisions(conn: Connection, desk: Desk, total: int, progress: Progress) -> None:
    versions = policies(conn)
    done = 0
    for page in _pages(queries.import_write.decision_page, conn):
        rows = [_decision(desk, versions, row) for row in page]
        staging.copy_into(conn, "refunds.decisions", _DECISION, rows)
        done += len(rows)
        progress("writing decisions", done, total)


def _decision(desk: Desk, versions: Any, row: Row) -> tuple[Any, ...]:
    bundle = parse(row["facts"])
    bundle = replace(bundle, charge=replace(bundle.charge, refunded_amount=row["refunded_before"]))
    policy = in_force(versions, row["charged_at"])
    assessment = assess(desk, bundle, policy)
    return (
        f"{row['report_id']}.1",
        row["report_id"],
        1,
        row["decision"],
        row["refund_amount"],
        row["currency"],
        row["note"],
        row["decided_by"],
        row["decided_at"],
        policy.version,
        assessment.recommendation,
        assessment.recommendation not in (row["decision"], "review"),
        json.dumps(assessment.to_json(row["report_id"])["checks"]),
        row["sha256"],
    )


def _write_payouts(conn: Connection, payouts: Iterable[tuple[str, PlannedPayout]]) -> None:
    currencies = {
        row["card_refund_id"]: row["currency"] for row in queries.import_write.card_refund_currencies(conn)
    }
    staging.copy_into(
        conn,
        "refunds.payouts",
        _PAYOUT,
        (
            (
                payout.payout_id,
                card_refund_id,
                payout.payment_id,
                payout.amount,
                currencies[card_refund_id],
                "pending",
            )
            for card_refund_id, payout in payouts
        ),
    )
