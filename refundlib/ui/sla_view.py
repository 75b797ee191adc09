"""Deadlines: what is late and due now, whether we keep the promise, and how long a decision takes."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.people import SUPPORT
from refundlib.domain.statistics import survival, survival_hour
from refundlib.services.metrics import at_the_desk, clocks, mail_delay, pauses
from refundlib.ui import charts, figure_parts, words
from refundlib.ui.figures import Lens, bar, each, foot, labelled, points
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_BRACKETS: Final = {
    "late": "late",
    "under_6": "under 6 h",
    "under_12": "6 to 12 h",
    "under_24": "12 to 24 h",
    "beyond": "over 24 h",
    "waiting": "waiting on the pro",
}

Tables = dict[str, pd.DataFrame]


def show(visit: Visit) -> None:
    """The page of deadlines."""
    with refusals():
        lens = bar(visit, ("category", "reason", "kind", "agent"), "sla", money=False)
        tables: Tables = {}
        if visit.person.roles == {SUPPORT}:
            quiet("Over time: the claims you decided.")
        st.markdown(f"### {_answer(lens)}")
        left, right = st.columns([2, 3])
        with left:
            _now(visit, tables)
        with right:
            _over_time(lens, tables)
        left, right = st.columns(2)
        with left:
            _durations(lens, tables)
        with right:
            _arrivals(lens, tables)
        left, right = st.columns(2)
        with left:
            tables["late by agent"] = figure_parts.rates(lens, "sla", "agent", title="Late, by who decided")
        with right:
            tables["late by reason"] = figure_parts.rates(lens, "sla", "reason", title="Late, by reason")
        _afterwards(lens)
        figure_parts.tables(tables, "deadlines", lens.to_day)
        foot(lens)


def _fell_due(lens: Lens, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """(late, fell due): deadlines that still lie ahead of an undecided claim are left out."""
    frame = lens.frame(rows)
    return int(frame["k"].sum()), int((frame["n"] - frame["pending"]).sum())


def _answer(lens: Lens) -> str:
    late, due = _fell_due(lens, lens.rows("sla"))
    if not due:
        return "No deadline fell in this period"
    before_late, before_due = _fell_due(lens, lens.before("sla"))
    kept = 1 - late / due
    if not before_due:
        return f"{kept:.1%} of deadlines were kept; there is nothing before to compare it with"
    change = kept - (1 - before_late / before_due)
    return f"{kept:.1%} of deadlines were kept, {points(change)} on {lens.compared}{_why(lens)}"


def _why(lens: Lens) -> str:
    """The week that holds the most of what was late, when it holds much of it."""
    frame = lens.frame(lens.rows("sla", "week"))
    total = frame["k"].sum()
    if not total or len(frame) < 3:
        return ""
    worst = next(each(frame.sort_values("k", ascending=False)))
    share = worst.k / total
    return f"; {share:.0%} of what was late fell in the week of {worst.key}" if share > 2 / len(frame) else ""


def _now(visit: Visit, tables: Tables) -> None:
    now = at_the_desk(visit.desk, visit.person)
    frame = pd.DataFrame({"label": list(_BRACKETS.values()), "n": [now[name] for name in _BRACKETS]})
    late = f":red[{now['late']} late]" if now["late"] else "none late"
    st.markdown(f"#### Now: {now['open']} open, {late}")
    figure_parts.picture(charts.bars(frame, "open"), "now", alt="Open by time left.")
    oldest = (
        "–"
        if now["oldest_at"] is None
        else words.duration((visit.desk.clock() - now["oldest_at"]).total_seconds())
    )
    quiet(
        f"The oldest is {oldest} old. Before midnight {now['due_tonight']} fall due, and about "
        f"{now['usual_arrivals']:.0f} more reports will come, as on this weekday in the last eight weeks."
    )
    with st.container(horizontal=True):
        for state, text in (
            ("Late", "Open the late ones"),
            ("Under 6 h", "Those under 6 h"),
            ("Waiting", "Those waiting"),
        ):
            st.page_link("pages/queue.py", label=text, query_params={"state": state})
    tables["open now"] = frame.rename(columns={"label": "time left"})


def _over_time(lens: Lens, tables: Tables) -> None:
    grain = lens.grain
    frame = lens.frame(lens.rows("sla", grain))
    if not len(frame):
        return
    frame = labelled(frame, grain).assign(
        kept=frame["n"] - frame["k"] - frame["pending"], late=frame["k"], **{"still open": frame["pending"]}
    )
    late, due = int(frame["late"].sum()), int((frame["n"] - frame["pending"]).sum())
    st.markdown(f"#### {late:,} of {due:,} that fell due were late")
    doors = [lens.door("sla", period=key) for key in frame["key"]]
    late_doors = [lens.door("sla", hits=True, period=key) for key in frame["key"]]
    figure_parts.chart(
        charts.stacked(frame, {"kept": "main", "late": "bad", "still open": "calm"}),
        "sla",
        {0: doors, 1: late_doors, 2: doors},
        alt=f"Deadlines kept, late and still open, by {grain}.",
    )
    quiet("By the day of the deadline. Late: decided after it, or undecided past it; never while it waits.")
    tables[f"deadlines by {grain}"] = frame[["key", "n", "kept", "late", "still open"]]


def _durations(lens: Lens, tables: Tables) -> None:
    read = (lens.visit.desk, lens.visit.person)
    days = (lens.from_day, lens.to_day)
    lines: dict[str, list[tuple[float, float]]] = {}
    told, rows = [], []
    for name, metric in (("without pauses", "time_to_decision"), ("with pauses", "raw_time_to_decision")):
        merged = _merged(clocks(*read, metric, *days, None, lens.cut))
        lines[name] = [(unit, 1 - left) for unit, left in survival(merged)]
        half, nine = survival_hour(merged, 0.5), survival_hour(merged, 0.9)
        told.append(f"{name} {_hours(half)} and {_hours(nine)}")
        rows.append({"clock": name, "half within hours": half, "nine in ten within hours": nine})
    if not any(lines.values()):
        return
    st.markdown("#### Half and nine in ten are decided within: " + "; ".join(told))
    figure = charts.curves(lines, "hours")
    figure.update_xaxes(range=[0, 120])
    figure_parts.picture(figure, "km", alt="Share decided within so many hours.")
    quiet("By the day of the report. Open ones count as open (Kaplan–Meier): new ones do not flatter us.")
    tables["hours to a decision"] = pd.DataFrame(rows)


def _merged(found: dict[tuple[str, str], list[tuple[int, int, int]]]) -> list[tuple[int, int, int]]:
    """The curve's counts over all currencies."""
    total: dict[int, tuple[int, int]] = {}
    for counts in found.values():
        for unit, ended, running in counts:
            before = total.get(unit, (0, 0))
            total[unit] = (before[0] + ended, before[1] + running)
    return [(unit, ended, running) for unit, (ended, running) in sorted(total.items())]


def _hours(hours: int | None) -> str:
    return "not yet" if hours is None else f"{hours} h"


def _arrivals(lens: Lens, tables: Tables) -> None:
    frame = lens.frame(lens.rows("sla", "arrival"))
    if not len(frame):
        return
    slots = frame["key"].str.split(" ", n=1)
    frame = frame.assign(day=slots.str[0].astype(int), hour=slots.str[1].astype(int))
    worst = frame[(frame["n"] >= 10) & (frame["k"] >= 5)].sort_values("rate", ascending=False).head(1)
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    told = "When reports that become late arrive"
    for row in each(worst):
        told = f"Most often late: arrivals on {days[row.day - 1]} after {row.hour}:00 UTC, {row.k} of {row.n}"
    st.markdown(f"#### {told}")
    by_place = {(row.day, row.hour): row.key for row in each(frame)}
    doors = [
        lens.door("sla", hits=True, other=by_place[day, hour]) if (day, hour) in by_place else None
        for day in range(1, 8)
        for hour in range(24)
    ]
    figure_parts.chart(
        charts.heat(frame), "arrivals", {0: doors}, alt="Share late by weekday and hour of arrival."
    )
    tables["late by arrival"] = frame[["day", "hour", "n", "k", "rate"]].round(4)


def _afterwards(lens: Lens) -> None:
    read = (lens.visit.desk, lens.visit.person, lens.from_day, lens.to_day)
    asked, mails = pauses(*read), mail_delay(*read)
    st.markdown("#### Pauses and mail")
    st.markdown(
        f"{asked['n']:,} questions to pros; in {asked['k']:,} the pro had written since the report already. "
        + (
            f"{mails['n']:,} mails sent, half within {mails['median_minutes']:.0f} min, nine in ten within "
            f"{mails['p90_minutes']:.0f} min of the decision."
            if mails["n"]
            else "No mail was sent in this period."
        )
    )
