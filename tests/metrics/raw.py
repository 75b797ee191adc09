"""Each metric computed anew with pandas from the raw tables, knowing nothing of the desk's views and sums."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import text

from refundlib.services.desk import Desk

Rows = list[dict[str, Any]]
REASON_CHECKS = ("job_changed", "terms_violated", "phone_invalid", "first_response_clear_no")
UNDECIDED = ("open", "waiting_on_pro", "awaiting_second_approval")


class Raw:
    """The raw tables of a desk, read once."""

    def __init__(self, desk: Desk) -> None:
        self.now = pd.Timestamp(desk.clock())
        with desk.reading() as conn:

            def table(name: str) -> pd.DataFrame:
                frame = pd.DataFrame(conn.execute(text(f"SELECT * FROM {name}")).mappings().all())
                return frame if len(frame.columns) else self._empty(conn, name)

            self._empty: Callable[..., pd.DataFrame] = lambda conn, name: pd.DataFrame(
                columns=list(conn.execute(text(f"SELECT * FROM {name} LIMIT 0")).keys())
            )
            self.charges, self.leads = table("marketplace.charges"), table("marketplace.leads")
            self.reports, self.decisions = table("refunds.reports"), table("refunds.decisions")
            self.card_refunds, self.payouts = table("refunds.card_refunds"), table("refunds.payouts")
            self.audit, self.zips = table("refunds.audit"), table("refunds.zip_regions")
        self.leads["region"] = (
            self.leads["zip"].str[:5].map(self.zips.set_index("zip")["state"]).fillna("unknown")
        )

    def expected(self, name: str, from_: date, to: date, by: str | None) -> Rows:
        """The contract's rows of a metric."""
        frame = getattr(self, name)()
        for column in ("at",):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        frame = frame[
            (frame["at"] >= pd.Timestamp(from_, tz="UTC")) & (frame["at"] < pd.Timestamp(to, tz="UTC"))
        ]
        if frame.empty:
            return []
        rows = []
        for (key, currency), group in frame.groupby([self._key(frame, by), frame["currency"]]):
            n, k = len(group), int(group["hit"].sum())
            amount_n, amount_k = int(group["amount"].sum()), int(group["amount_k"].sum())
            rows.append((str(key), currency, n, k, k / n, amount_n, amount_k, amount_k / amount_n))
        columns = ("key", "currency", "n", "k", "rate", "amount_n", "amount_k", "amount_rate")
        return [dict(zip(columns, row, strict=True)) for row in sorted(rows)]

    @staticmethod
    def _key(frame: pd.DataFrame, by: str | None) -> "pd.Series[Any]":
        day = frame["at"].dt.tz_convert(None).dt.normalize()
        dates = {
            None: lambda: pd.Series("all", index=frame.index),
            "month": lambda: day.dt.strftime("%Y-%m"),
            "week": lambda: (day - pd.to_timedelta(day.dt.day_of_week, unit="D")).dt.strftime("%Y-%m-%d"),
            "day": lambda: day.dt.strftime("%Y-%m-%d"),
        }
        return dates[by]() if by in dates else frame["pro_id" if by == "pro" else by]

    # -- one method a metric: columns at, currency, amount, hit, amount_k and the dimensions --------------

    def refund_rate(self) -> pd.DataFrame:
        approved = self.reports[self.reports["state"] == "approved"][["charge_id", "refunded_amount"]]
        frame = self.charges.merge(self.leads[["lead_id", "kind", "category", "region"]], on="lead_id")
        frame = frame.merge(approved, on="charge_id", how="left")
        return frame.assign(
            at=frame["charged_at"],
            hit=frame["refunded_amount"].notna(),
            amount_k=frame["refunded_amount"].fillna(0).astype(int),
        )

    def _decided(self) -> pd.DataFrame:
        columns = ["report_id", "reason", "kind", "category", "pro_id", "amount", "lead_id", "currency"]
        frame = self.decisions.drop(columns="currency").merge(self.reports[columns], on="report_id")
        frame = frame.merge(self.leads[["lead_id", "region"]], on="lead_id")
        return frame.assign(at=frame["decided_at"], agent=frame["decided_by"])

    def refund_activity(self) -> pd.DataFrame:
        frame = self._decided()
        alike = frame["reason"] + "/" + frame["recommendation"]
        return frame.assign(hit=frame["decision"] == "approve", amount_k=frame["refund_amount"], alike=alike)

    def overrule(self) -> pd.DataFrame:
        frame = self._decided()
        against = ((frame["recommendation"] == "approve") & (frame["decision"] == "deny")) | (
            (frame["recommendation"] == "deny") & (frame["decision"] == "approve")
        )
        return frame.assign(hit=against, amount_k=frame["amount"].where(against, 0))

    def check_overrule(self) -> pd.DataFrame:
        frame = self.overrule()
        grounds = [
            [
                check["id"]
                for check in row.checks
                if (row.recommendation == "deny" and check["status"] == "fail")
                or (
                    row.recommendation == "approve"
                    and check["status"] == "pass"
                    and check["id"] in REASON_CHECKS
                )
            ]
            for row in frame.itertuples()
        ]
        return frame.assign(check=grounds).explode("check").dropna(subset=["check"]).reset_index(drop=True)

    def _with_decider(self) -> pd.DataFrame:
        deciders = self.decisions.set_index("decision_id")["decided_by"]
        agent = self.reports["standing_decision_id"].map(deciders).fillna("undecided")
        frame = self.reports.assign(agent=agent).merge(self.leads[["lead_id", "region"]], on="lead_id")
        for column in ("deadline_at", "decided_at", "opened_at", "paused_at", "reported_at"):
            frame[column] = pd.to_datetime(frame[column], utc=True)
        return frame

    def sla(self) -> pd.DataFrame:
        frame = self._with_decider()
        running = frame["state"].isin(["open", "awaiting_second_approval"]) & (
            frame["deadline_at"] < self.now
        )
        late = (frame["decided_at"] > frame["deadline_at"]) | running
        arrival = (frame["opened_at"].dt.day_of_week + 1).astype(str) + frame["opened_at"].dt.strftime(" %H")
        return frame.assign(
            at=frame["deadline_at"], hit=late, amount_k=frame["amount"].where(late, 0), arrival=arrival
        )

    def _time(self, *, net: bool) -> pd.DataFrame:
        frame = self._with_decider()
        frame = frame[frame["state"] != "withdrawn"]
        ends = frame["decided_at"].fillna(frame["paused_at"]) if net else frame["decided_at"]
        seconds = (ends.fillna(self.now) - frame["opened_at"]).dt.total_seconds()
        if net:
            seconds = seconds - frame["paused_seconds"]
        hit = frame["decided_at"].notna()
        hour = np.maximum(1, np.ceil(seconds / 3600)).astype(int).astype(str)
        return frame.assign(
            at=frame["reported_at"],
            hit=hit,
            amount_k=frame["amount"].where(hit, 0),
            hour=hour,
            seconds=seconds,
        )

    def time_to_decision(self) -> pd.DataFrame:
        return self._time(net=True)

    def raw_time_to_decision(self) -> pd.DataFrame:
        return self._time(net=False)

    def _paid(self) -> pd.DataFrame:
        columns = ["report_id", "reason", "kind", "category"]
        parts = self.payouts.drop(columns=["currency"]).rename(columns={"amount": "part"})
        frame = self.card_refunds.merge(parts, on="card_refund_id").merge(
            self.reports[columns], on="report_id"
        )
        if frame.empty:
            return frame.assign(at=[], hit=[], amount_k=[], outcome=[], processor=[], days=[])
        order = [
            "unknown",
            "requested",
            "submitted",
            "pending",
            "reversed",
            "failed",
            "declined",
            "succeeded",
        ]
        rows = []
        for _, group in frame.groupby("card_refund_id"):
            state = min(group["state"], key=order.index)
            back = int(group.loc[group["state"].isin(["failed", "reversed"]), "part"].sum())
            refs = group.sort_values("payout_id")["processor_ref"].dropna()
            rows.append(
                {
                    **group.iloc[0].to_dict(),
                    "at": group["submitted_at"].iloc[0],
                    "state": state,
                    "outcome": "pending" if state in ("submitted", "unknown") else state,
                    "hit": back > 0,
                    "amount_k": back,
                    "settled": group["settled_at"].max(),
                    "back_at": group["reversed_at"].max(),
                    "processor": "no id yet"
                    if refs.empty
                    else ("stripe" if refs.iloc[0].startswith(("re_", "pyr_")) else "another"),
                }
            )
        return pd.DataFrame(rows).dropna(subset=["at"])

    def payout_reversals(self) -> pd.DataFrame:
        return self._paid()

    def payout_processor(self) -> pd.DataFrame:
        return self._paid()

    def reversal_age(self) -> pd.DataFrame:
        frame = self._paid()
        frame = frame[frame["hit"].astype(bool)].copy()
        ended = pd.to_datetime(frame["back_at"], utc=True).fillna(pd.to_datetime(frame["settled"], utc=True))
        return frame.assign(days=_days(ended - pd.to_datetime(frame["at"], utc=True)), hit=True)

    def time_to_money(self) -> pd.DataFrame:
        frame = self._paid()
        frame = frame[frame["state"] == "succeeded"].copy()
        took = pd.to_datetime(frame["settled"], utc=True) - pd.to_datetime(frame["requested_at"], utc=True)
        return frame.assign(days=_days(took), hit=True, amount_k=frame["amount"])

    def rework(self) -> pd.DataFrame:
        frame = self.audit[self.audit["action"].isin(["undone", "reopened"])]
        frame = frame.drop(columns=["reason"]).merge(self.reports, on="report_id")
        return frame.assign(agent=frame["actor"], deed=frame["action"], hit=True, amount_k=frame["amount"])


def _days(took: "pd.Series[Any]") -> "pd.Series[Any]":
    return np.maximum(1, np.ceil(took.dt.total_seconds() / 86_400)).astype(int).astype(str)
