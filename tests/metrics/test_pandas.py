"""Every metric on the sample equals an independent computation with pandas, straight from the CSV files."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from refundlib.domain.people import Person
from refundlib.services.desk import Desk
from refundlib.services.importing import import_folder
from refundlib.services.metrics import DIMENSIONS, metrics
from tests.conftest import DATA, Clock

SAMPLE = DATA / "sample"
FROM, TO = date(2026, 3, 1), date(2026, 11, 1)
SLA = pd.Timedelta(hours=48)


def read(name: str, *times: str) -> pd.DataFrame:
    """One file, every cell as text, the named columns as times."""
    frame = pd.read_csv(SAMPLE / f"{name}.csv", dtype=str, keep_default_na=False)
    for column in times:
        frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    for column in frame.columns.intersection(["amount", "refund_amount"]):
        frame[column] = pd.to_numeric(frame[column]).fillna(0).astype(int)
    return frame


def claims() -> pd.DataFrame:
    """Every report with its charge, lead and decision."""
    charges = read("charges", "charged_at").merge(
        read("leads")[["lead_id", "kind", "category"]], on="lead_id"
    )
    reports = read("reports", "reported_at").merge(charges, on="charge_id")
    return reports.merge(read("decisions", "decided_at"), on="report_id", how="left")


def base(name: str, now: datetime) -> tuple[pd.DataFrame, str]:
    """The rows a metric counts, with columns hit and amount_k, and the column of its date."""
    if name == "refund_rate":
        frame = read("charges", "charged_at").merge(
            read("leads")[["lead_id", "kind", "category"]], on="lead_id"
        )
        approved = claims().query("decision == 'approve'")[["charge_id", "refund_amount"]]
        frame = frame.merge(approved, on="charge_id", how="left")
        frame["amount_k"] = frame["refund_amount"].fillna(0)
        return frame.assign(hit=frame["amount_k"] > 0), "charged_at"
    if name == "payout_reversals":
        refunds = read("card_refunds", "submitted_at", "requested_at")
        frame = refunds.merge(
            claims()[["report_id", "reason", "kind", "category", "pro_id"]], on="report_id", how="left"
        )
        hit = frame["outcome"].isin(["failed", "reversed"])
        return frame.assign(hit=hit, amount_k=frame["amount"].where(hit, 0)), "submitted_at"
    frame = claims()
    if name == "refund_activity":
        frame = frame.dropna(subset=["decided_at"])
        return frame.assign(hit=frame["decision"] == "approve", amount_k=frame["refund_amount"]), "decided_at"
    if name == "time_to_decision":
        hit = frame["decided_at"].notna()
        return frame.assign(hit=hit, amount_k=frame["amount"].where(hit, 0)), "reported_at"
    frame["deadline_at"] = frame["reported_at"] + SLA
    late = frame["decided_at"].fillna(pd.Timestamp(now)) > frame["deadline_at"]
    return frame.assign(hit=late, amount_k=frame["amount"].where(late, 0)), "deadline_at"


def expected(name: str, by: str | None, now: datetime) -> list[dict[str, Any]]:
    """The contract's rows."""
    frame, at = base(name, now)
    frame = frame[(frame[at] >= pd.Timestamp(FROM, tz="UTC")) & (frame[at] < pd.Timestamp(TO, tz="UTC"))]
    day = frame[at].dt.tz_convert(None).dt.normalize()
    keys = {
        None: pd.Series("all", index=frame.index),
        "month": day.dt.strftime("%Y-%m"),
        "week": (day - pd.to_timedelta(day.dt.day_of_week, unit="D")).dt.strftime("%Y-%m-%d"),
        "day": day.dt.strftime("%Y-%m-%d"),
    }
    names = {"pro": "pro_id", "agent": "decided_by"}
    key = keys[by] if by in keys else frame[names.get(by or "", by)]
    if by == "agent":
        key = key.fillna("undecided")
    rows = []
    for (value, currency), group in frame.groupby([key, frame["currency"]]):
        n, k = len(group), int(group["hit"].sum())
        amount_n, amount_k = int(group["amount"].sum()), int(group["amount_k"].sum())
        rows.append((value, currency, n, k, k / n, amount_n, amount_k, amount_k / amount_n))
    columns = ("key", "currency", "n", "k", "rate", "amount_n", "amount_k", "amount_rate")
    return [dict(zip(columns, row, strict=True)) for row in sorted(rows)]


CASES = [
    (name, by)
    for name, dimensions in DIMENSIONS.items()
    if name != "overrule"
    for by in (None, *dimensions)
    if by != "region"
]


def test_metrics_equal_pandas(owner_desk: Desk, clock: Clock, people: dict[str, Person]) -> None:
    """Each metric, whole and by each dimension, has exactly the rows that pandas computes from the files."""
    clock.now = datetime(2026, 11, 21, tzinfo=UTC)
    import_folder(owner_desk, SAMPLE)
    for name, by in CASES:
        rows = metrics(owner_desk, people["mo"], name, FROM, TO, by)["rows"]
        ours = [{column: row[column] for column in list(row)[:8]} for row in rows]
        ours.sort(key=lambda row: (row["key"], row["currency"]))
        theirs = expected(name, by, clock.now)
        assert theirs, f"{name} by {by} compares nothing"
        assert len(ours) == len(theirs), f"{name} by {by}"
        for one, other in zip(ours, theirs, strict=True):
            assert one == other, f"{name} by {by}"


def test_time_to_decision_hours(owner_desk: Desk, people: dict[str, Person]) -> None:
    """The median of hours to a decision is pandas' median."""
    import_folder(owner_desk, SAMPLE)
    (row,) = metrics(owner_desk, people["mo"], "time_to_decision", FROM, TO)["rows"]
    frame, _at = base("time_to_decision", datetime.now(UTC))
    inside = (frame["reported_at"] >= pd.Timestamp(FROM, tz="UTC")) & (
        frame["reported_at"] < pd.Timestamp(TO, tz="UTC")
    )
    hours = (frame["decided_at"] - frame["reported_at"])[inside].dt.total_seconds() / 3600
    assert row["median_hours"] == pytest.approx(hours.median(), abs=0.01)
