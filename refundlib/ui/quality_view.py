"""Decision quality: where advice is overruled, whether people agree, second looks, what was redone."""

from collections import defaultdict
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.money import format_money
from refundlib.domain.people import SUPPORT
from refundlib.domain.statistics import agreement
from refundlib.services import second_looks
from refundlib.ui import charts, figure_parts, words
from refundlib.ui.figures import Lens, bar, foot, groups, points
from refundlib.ui.shell import Visit, refusals, show_told, tell
from refundlib.ui.text import quiet

_SAMPLE_SIZES: Final = (10, 25, 50, 100)
_LANDIS_KOCH: Final = ((0.8, "almost perfect"), (0.6, "substantial"), (0.4, "moderate"), (0.2, "fair"))

Tables = dict[str, pd.DataFrame]


def show(visit: Visit) -> None:
    """The page of decision quality."""
    show_told()
    with refusals():
        lens = bar(visit, ("category", "reason", "agent"), "overrule", money=False)
        tables: Tables = {}
        own = visit.person.roles == {SUPPORT}
        if own:
            quiet("The claims you decided.")
        if not lens.rows("overrule"):
            st.info("Nothing was decided in this period with these filters.", icon=":material/rule:")
        else:
            st.markdown(f"### {_answer(lens)}")
            _overrules(lens, tables)
            if not own:
                _agreement(lens, tables)
        left, right = st.columns(2)
        with left:
            _second_looks(lens, tables)
        with right:
            if not own:
                _rework(lens, tables)
        if not own:
            _discretionary(lens, tables)
        if tables:
            figure_parts.tables(tables, "quality", lens.to_day)
        foot(lens)


def _answer(lens: Lens) -> str:
    k, n = lens.total(lens.rows("overrule"))
    before_k, before_n = lens.total(lens.before("overrule"))
    change = f", {points(k / n - before_k / before_n)} on {lens.compared}" if n and before_n else ""
    shares = {key: hits for key, (hits, _) in groups(lens.frame(lens.rows("overrule", "reason"))).items()}
    most = max(shares, key=lambda key: (shares[key], key))
    why = f": most often {words.REASONS.get(most, most)} ({shares[most]:,} of them)" if k else ""
    return f"Our advice was overruled in {k / n:.1%} of {n:,} decisions{change}{why}"


def _overrules(lens: Lens, tables: Tables) -> None:
    left, right = st.columns(2)
    with left:
        if lens.cut.used() <= {"reason"}:
            tables["overruled by check"] = figure_parts.rates(
                lens, "check_overrule", "check", column="other", title="By the check our advice rested on"
            )
        tables["overruled by reason"] = figure_parts.rates(lens, "overrule", "reason", title="By reason")
    with right:
        tables["overruled by agent"] = figure_parts.rates(lens, "overrule", "agent", title="By who decided")
        quiet("n decisions, k against an advice to approve or to deny; “look closely” cannot be overruled.")


def _agreement(lens: Lens, tables: Tables) -> None:
    """Whether different people decide alike claims alike: the same reason, the same advice."""
    cells: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in lens.rows("refund_activity", "agent", "alike"):
        k, n = cells[row["key_two"]].get(row["key"], (0, 0))
        cells[row["key_two"]][row["key"]] = (k + row["k"], n + row["n"])
    found = agreement(cells.values())
    if found is None:
        return
    share, pairs = found
    st.markdown(f"#### Two people decide claims alike in {share:.1%} of pairs")
    quiet(f"Alike: the same reason and the same advice; {pairs:,} pairs of decisions by different people.")
    tables["approved by person, against alike claims"] = _expected(cells)


def _expected(cells: dict[str, dict[str, tuple[int, int]]]) -> pd.DataFrame:
    """Each person's approvals beside what the others' rates on alike claims would give."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for people in cells.values():
        all_k, all_n = (sum(counts) for counts in zip(*people.values(), strict=True))
        for name, (k, n) in people.items():
            if all_n > n:
                total = sums[name]
                total[0] += k
                total[1] += n
                total[2] += n * (all_k - k) / (all_n - n)
    rows = [
        {"person": name, "decided": int(n), "approved": int(k), "others would approve": round(expected, 1)}
        for name, (k, n, expected) in sorted(sums.items())
    ]
    return pd.DataFrame(rows, columns=["person", "decided", "approved", "others would approve"])


def _second_looks(lens: Lens, tables: Tables) -> None:
    read = (lens.visit.desk, lens.visit.person)
    seen = second_looks.agreement(*read, lens.from_day, lens.to_day)
    waits = second_looks.waiting(*read)
    st.markdown(f"#### {_kappa_in_words(seen)}")
    quiet("A second person decides again without seeing the first decision (Cohen’s kappa, 95 % interval).")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if lens.visit.may("second_look") and waits["yours"]:
            st.page_link(
                "pages/second_look.py", label=f"Look again at {waits['yours']}", icon=":material/visibility:"
            )
        if lens.visit.may("draw_sample"):
            _draw(lens)
    if seen.n:
        table = [{"first": first, "second": second, "n": n} for (first, second), n in seen.table.items()]
        tables["second looks"] = pd.DataFrame(table)
        tables["where the second look differs"] = pd.DataFrame(seen.differing)


def _kappa_in_words(seen: second_looks.Agreement) -> str:
    if not seen.n:
        return "No decision of this period had a second look yet"
    same = sum(n for (first, second), n in seen.table.items() if first == second)
    told = f"Second looks agree in {same} of {seen.n}"
    if seen.kappa is None:
        return told
    kappa, low, high = seen.kappa
    word = next((word for least, word in _LANDIS_KOCH if kappa > least), "slight")
    return f"{told}: kappa {kappa:.2f} ({low:.2f} to {high:.2f}), {word}"


def _draw(lens: Lens) -> None:
    with st.popover("Draw a sample", icon=":material/casino:"), st.form("draw", border=False):
        size = st.selectbox("How many", _SAMPLE_SIZES, index=1)
        seed = st.text_input("Seed", value=f"{lens.from_day}", help="The same seed draws the same decisions.")
        if st.form_submit_button("Draw", type="primary"):
            with refusals():
                count = second_looks.draw(
                    lens.visit.desk, lens.visit.person, lens.from_day, lens.to_day, size, seed
                )
                tell(f"{count} decisions wait for a second look.")
                st.rerun()


def _rework(lens: Lens, tables: Tables) -> None:
    deeds, grain = ("undone", "reopened"), lens.coarse_grain
    frame = lens.parts(lens.rows("rework", grain, "deed"), deeds, grain)
    undone, reopened = (int(frame[deed].sum()) for deed in deeds)
    st.markdown(f"#### {undone} approvals undone, {reopened} denials reopened")
    if len(frame):
        doors = {
            curve: [lens.door("rework", period=key, grain=grain, other=deed) for key in frame["key"]]
            for curve, deed in enumerate(deeds)
        }
        figure_parts.chart(
            charts.stacked(frame, {"undone": "bad", "reopened": "main"}),
            "rework",
            doors,
            alt="Undone and reopened.",
        )
    tables["undone and reopened"] = frame.drop(columns="label")


def _discretionary(lens: Lens, tables: Tables) -> None:
    rows = second_looks.discretionary(lens.visit.desk, lens.visit.person, lens.from_day, lens.to_day)
    st.markdown(f"#### {len(rows)} newest refunds at discretion, with their reasons")
    if not rows:
        quiet("None in this period.")
        return
    frame = pd.DataFrame([_discretion(lens.visit, row) for row in rows])
    tables["refunds at discretion"] = frame
    if (at := figure_parts.chosen_row(frame, "discretion", rows_shown=8)) is not None:
        st.switch_page("pages/claim.py", query_params={"claim": rows[at]["report_id"]})


def _discretion(visit: Visit, row: dict[str, Any]) -> dict[str, str]:
    return {
        "Decided": words.moment(row["decided_at"], visit.person),
        "Report": row["report_id"],
        "Reason given by the pro": words.REASONS[row["reason"]],
        "Charge": format_money(row["amount"], row["currency"]),
        "Refund": format_money(row["refund_amount"], row["currency"]),
        "Who": row["decided_by"],
        "Why": row["note"] or "no reason on file",
    }
