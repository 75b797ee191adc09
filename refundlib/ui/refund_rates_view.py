"""Refund rates: is it better or worse, and why; by charge date, and what was decided beside it."""

from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from refundlib.domain.statistics import control_limits, funnel_limits, standardised
from refundlib.ui import charts, figure_parts
from refundlib.ui.figures import CLAIMS, Lens, bar, days_of, each, foot, groups, labelled, points, ripe_until
from refundlib.ui.shell import Visit, refusals
from refundlib.ui.text import quiet

_BREAKDOWNS: Final = {
    "category": ("refund_rate", "category"),
    "lead kind": ("refund_rate", "kind"),
    "region": ("refund_rate", "region"),
    "reason": ("refund_activity", "reason"),
    "agent": ("refund_activity", "agent"),
}
# Marks of the funnel: the largest of those within the limits of chance, those of most charges outside.
INSIDE_DRAWN_MAX: Final = 600
OUTSIDE_DRAWN_MAX: Final = 1_000
DRAWN_FROM: Final = 10
MOVERS: Final = 4

Tables = dict[str, pd.DataFrame]


def show(visit: Visit) -> None:
    """The page of refund rates."""
    with refusals():
        lens = bar(visit, ("category", "kind", "region"), "refund_rate")
        tables: Tables = {}
        if not lens.rows("refund_rate"):
            st.info("No charge was made in this period with these filters.", icon=":material/monitoring:")
            return
        st.markdown(f"### {_answer(lens)}")
        _over_time(lens, tables)
        left, right = st.columns(2)
        with left:
            _breakdown(lens, tables)
        with right:
            _movers(lens, tables)
            _pros(lens, tables)
        _activity(lens, tables)
        figure_parts.tables(tables, "refund-rates", lens.to_day)
        foot(lens)


def _answer(lens: Lens) -> str:
    """Better or worse, and why: over the days that can no longer change."""
    ripe = ripe_until(lens.visit)
    if ripe <= lens.from_day:
        return "These charges can all still be reported: their refund rate is not known yet"
    now = _ripe(lens, ripe, before=False)
    before = _ripe(lens, ripe, before=True)
    rate = _rate(now)
    if not now or not before:
        return f"Refund rate is {rate:.1%}; there is nothing before to compare it with"
    change = rate - _rate(before)
    if abs(change) < 0.0005:
        return f"Refund rate is {rate:.1%}, the same as {lens.compared}"
    way = "up" if change > 0 else "down"
    same_mix = standardised(now, {group: n for group, (_, n) in before.items()})
    mix = (
        ""
        if same_mix is None
        else f"; {points(same_mix - _rate(before))} with the mix of categories unchanged"
    )
    return (
        f"Refund rate is {rate:.1%}, {way} {abs(change) * 100:.1f} points on {lens.compared}: "
        f"mostly {_driver(now, before, change)}{mix}"
    )


def _ripe(lens: Lens, ripe: Any, *, before: bool) -> dict[str, tuple[int, int]]:
    """(k, n) by category over the period's days before `ripe`."""
    rows = (lens.before if before else lens.rows)("refund_rate", "category", "month")
    if before or ripe >= lens.to_day:
        kept = rows
    else:
        kept = [row for row in rows if days_of(row["key_two"], "month")[1] <= ripe]
    frame = lens.frame(kept)
    return groups(frame)


def _rate(groups: dict[str, tuple[int, int]]) -> float:
    n = sum(n for _, n in groups.values())
    return sum(k for k, _ in groups.values()) / n if n else 0.0


def _shares(groups: dict[str, tuple[int, int]]) -> dict[str, float]:
    """What each group adds to the rate of all."""
    total = sum(n for _, n in groups.values())
    return {group: k / total for group, (k, _) in groups.items()} if total else {}


def _moves(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]]) -> dict[str, float]:
    """What each group adds to the change of the rate."""
    ours, theirs = _shares(now), _shares(before)
    return {group: ours.get(group, 0.0) - theirs.get(group, 0.0) for group in {*ours, *theirs}}


def _driver(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]], change: float) -> str:
    moves = _moves(now, before)
    most = (max if change > 0 else min)(moves, key=lambda group: (moves[group], group))
    return f"{most} ({points(moves[most])})"


def _over_time(lens: Lens, tables: Tables) -> None:
    frame = lens.frame(lens.rows("refund_rate", lens.grain))
    ripe = ripe_until(lens.visit)
    ends = [days_of(key, lens.grain) for key in frame["key"]]
    share = [_mature_share(first, beyond, ripe) for first, beyond in ends]
    frame = labelled(frame, lens.grain).assign(mature=share, maturing=[each < 1 for each in share])
    standing = frame[~frame["maturing"]]
    steady = control_limits(list(groups(standing).values()))
    centre = _rate(groups(standing if standing["n"].sum() else frame))
    signals = dict(zip(standing["key"], (each.is_signal for each in steady), strict=True))
    around = dict(zip(standing["key"], steady, strict=True))
    frame = frame.assign(
        centre=centre,
        floor=[around[key].low if key in around else np.nan for key in frame["key"]],
        roof=[around[key].high if key in around else np.nan for key in frame["key"]],
        signal=[signals.get(key, False) for key in frame["key"]],
    )
    told = f"{sum(signals.values())} of {len(standing)} {lens.grain}s differ by more than chance"
    st.markdown(f"#### By {lens.grain} of charge: {told}")
    figure_parts.chart(
        charts.control(frame),
        "control",
        {charts.CONTROL_CURVE: [lens.door("refund_rate", hits=True, period=key) for key in frame["key"]]},
        alt=f"Refund rate by {lens.grain} of charge, between control limits.",
    )
    young = frame[frame["maturing"]]
    note = (
        "The band is where chance alone would keep it (Laney p′ limits); "
        "diamonds lie outside, or end a run of eight."
    )
    if len(young):
        seen = ", ".join(f"{row.label} {row.mature:.0%}" for row in each(young.tail(3)))
        note += f" Pale: still maturing, share that can no longer change: {seen}."
    quiet(note)
    tables[f"refund rate by {lens.grain}"] = figure_parts.table_of(frame).assign(
        mature=frame["mature"].round(2), signal=frame["signal"]
    )


def _mature_share(first: Any, beyond: Any, ripe: Any) -> float:
    share: float = (ripe - first).days / (beyond - first).days
    return min(1.0, max(0.0, share))


def _breakdown(lens: Lens, tables: Tables) -> None:
    chosen = st.segmented_control(
        "Broken down by", list(_BREAKDOWNS), default="category", required=True, key="by", bind="query-params"
    )
    metric, dimension = _BREAKDOWNS[chosen or "category"]
    note = "Most charges first. The line is the 95 % interval; the stroke is " + lens.compared + "."
    if metric == "refund_activity":
        note = "Charges nobody reported have no reason and no agent: this is the share approved of decisions."
    tables[f"by {chosen}"] = figure_parts.rates(lens, metric, dimension, title="", note=note)


def _movers(lens: Lens, tables: Tables) -> None:
    """What added most to the change, either way."""
    ripe = ripe_until(lens.visit)
    now, before = _ripe(lens, ripe, before=False), _ripe(lens, ripe, before=True)
    if not now or not before:
        return
    moves = pd.DataFrame(
        [
            {
                "category": group,
                "adds": adds,
                "rate": _rate({group: now[group]}) if group in now else np.nan,
                "before": _rate({group: before[group]}) if group in before else np.nan,
            }
            for group, adds in sorted(_moves(now, before).items())
        ]
    )
    moves = moves.reindex(moves["adds"].abs().sort_values(ascending=False).index)
    top = "; ".join(f"{row.category} {points(row.adds)}" for row in each(moves.head(MOVERS)))
    st.markdown(f"#### What moved it: {top}")
    crude = _rate(now)
    same = standardised(now, {group: n for group, (_, n) in before.items()})
    if same is not None:
        quiet(f"Crude {crude:.2%}; with the categories’ mix of {lens.compared} {same:.2%}.")
    tables["what moved it"] = moves.round(4)


def _pros(lens: Lens, tables: Tables) -> None:
    st.markdown("#### Pros, and what chance alone would do")
    if lens.cut.used():
        quiet("Pros are compared over all charges: clear the filters to see them.")
        return
    if lens.measure != CLAIMS:
        quiet("Pros are compared by how many charges were refunded.")
        return
    frame = lens.spread_of_pros()
    pros, outside = int(frame["pros"].sum()), int(frame["outside"].sum())
    centre = (frame["k"] * frame["pros"]).sum() / (frame["n"] * frame["pros"]).sum()
    far = frame[frame["outside"]].head(OUTSIDE_DRAWN_MAX)
    near = frame[~frame["outside"]].sort_values("pros", ascending=False).head(INSIDE_DRAWN_MAX)
    marks = pd.concat([near, far]).query("n >= @DRAWN_FROM")
    marks = marks.assign(label=[_pros_named(row.key, row.pros) for row in each(marks)])
    sizes = np.unique(np.geomspace(DRAWN_FROM, max(DRAWN_FROM + 1, int(frame["n"].max())), 60).astype(int))
    limits = pd.DataFrame([(n, *funnel_limits(centre, int(n))) for n in sizes], columns=["n", "low", "high"])
    figure_parts.chart(
        charts.funnel(marks, limits, centre),
        "funnel",
        {charts.FUNNEL_CURVE: [lens.door("refund_rate", hits=True, pro=key) for key in marks["key"]]},
        alt="Pros by number of charges and refund rate, within 99.8 % limits.",
    )
    quiet(
        f"{outside:,} of {pros:,} pros lie outside 99.8 % limits: a diamond each. Those within that are "
        f"alike share a mark, larger the more they are. Below {DRAWN_FROM} charges none is drawn."
    )
    tables["pros outside the limits"] = figure_parts.table_of(far)


def _pros_named(pro_id: str, pros: int) -> str:
    return pro_id if pros == 1 else f"{pro_id} and {pros - 1:,} more pros like it"


def _activity(lens: Lens, tables: Tables) -> None:
    """What was decided, by decision date: never on the axis of the rate."""
    grain = lens.grain
    frame = lens.frame(lens.rows("refund_activity", grain))
    if not len(frame):
        return
    frame = labelled(frame, grain).assign(approved=frame["k"], denied=frame["n"] - frame["k"])
    approved, decided = int(frame["k"].sum()), int(frame["n"].sum())
    if lens.measure == CLAIMS:
        st.markdown(f"#### Decided in the same time: {decided:,} reports, {approved:,} approved")
    else:
        st.markdown(f"#### Decided in the same time, in minor units of {lens.measure}")
    doors = {
        0: [lens.door("refund_activity", hits=True, period=key) for key in frame["key"]],
        1: [lens.door("refund_activity", period=key) for key in frame["key"]],
    }
    money = None if lens.measure == CLAIMS else lens.measure
    figure_parts.chart(
        charts.stacked(frame, {"approved": "main", "denied": "calm"}, money=money),
        "activity",
        doors,
        alt=f"Reports approved and denied by {grain} of decision.",
    )
    quiet("By the date of the decision, whenever the charge was made: another question than the rate above.")
    tables[f"decided by {grain}"] = frame[["key", "approved", "denied"]]
