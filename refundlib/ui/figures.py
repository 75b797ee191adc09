"""What a page of figures looks at: the period, what it is compared with, what is left out, its frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import pandas as pd
import streamlit as st

from refundlib.domain.people import Person
from refundlib.domain.statistics import wilson
from refundlib.services.desk import Desk
from refundlib.services.metrics import DAYS_MAX, Cut, figures, maturing_from, newest_day, spread_of_pros
from refundlib.ui import words
from refundlib.ui.filters import days
from refundlib.ui.shell import Visit
from refundlib.ui.text import quiet

OWN_DAYS: Final = 28
_PERIODS: Final = ("4 weeks", "12 weeks", "6 months", "12 months", "24 months", "own days")
_COMPARED: Final = ("the period before", "a year before")
_LABELS: Final[Mapping[str, Mapping[str, str]]] = {"reason": words.REASONS, "check": words.CHECKS}
CLAIMS: Final = "claims"
# Figures may be this old; what is changed meanwhile shows at the next look.
CACHE_SECONDS: Final = 20
CACHE_ENTRIES_MAX: Final = 2_000

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Lens:
    """A period of UTC days (to_day exclusive), the one it is compared with, and what is left out."""

    visit: Visit
    from_day: date
    to_day: date
    before_from: date
    before_to: date
    compared: str
    cut: Cut
    measure: str = CLAIMS

    @property
    def grain(self) -> str:
        """The periods a chart is drawn by."""
        days = (self.to_day - self.from_day).days
        return "day" if days <= 31 else "week" if days <= 400 else "month"

    @property
    def coarse_grain(self) -> str:
        """The periods of what is rare: no weeks."""
        return "month" if self.grain == "week" else self.grain

    def rows(self, name: str, by: str | None = None, by_two: str | None = None, **cut: Any) -> Rows:
        """A metric's figures in the period."""
        return self._read(name, self.from_day, self.to_day, by, by_two, cut)

    def before(self, name: str, by: str | None = None, by_two: str | None = None, **cut: Any) -> Rows:
        """The same in the period it is compared with."""
        return self._read(name, self.before_from, self.before_to, by, by_two, cut)

    def spread_of_pros(self) -> pd.DataFrame:
        """Pros by charges and refunds in the period: columns key, pros, n, k, outside, rate, low, high."""
        desk, columns = self.visit.desk, ["pro_id", "pros", "n", "k", "outside"]
        rows = _spread(desk, str(desk.engine.url), self.visit.person, self.from_day, self.to_day)
        frame = pd.DataFrame(rows, columns=columns).rename(columns={"pro_id": "key"})
        return _rated(frame, CLAIMS)

    def _read(
        self,
        name: str,
        from_day: date,
        to_day: date,
        by: str | None,
        by_two: str | None,
        left_out: dict[str, Any],
    ) -> Rows:
        cut = replace(self.cut, **left_out)
        return kept_figures(self.visit, name, from_day, to_day, by, by_two, cut)

    def frame(self, rows: Rows) -> pd.DataFrame:
        """Rows by key, currencies put together when claims are counted, one of them alone for money.

        Columns: key, n, k, rate, low, high (95 % Wilson; of claims only).
        """
        columns = ["key", "key_two", "currency", "n", "k", "pending", "amount_n", "amount_k"]
        frame = pd.DataFrame(rows, columns=columns)
        if self.measure != CLAIMS:
            frame = frame[frame["currency"] == self.measure].assign(n=frame["amount_n"], k=frame["amount_k"])
        summed = frame.groupby("key", as_index=False)[["n", "k", "pending"]].sum()
        return _rated(summed, self.measure)

    def total(self, rows: Rows) -> tuple[int, int]:
        """(k, n) over all rows."""
        frame = self.frame(rows)
        return int(frame["k"].sum()), int(frame["n"].sum())

    def parts(self, rows: Rows, names: Sequence[str], grain: str) -> pd.DataFrame:
        """Rows by period (key) and part (key_two) as counts: columns key, label and one a part."""
        counts = {
            name: self.frame([row for row in rows if row["key_two"] == name]).set_index("key")["n"]
            for name in names
        }
        frame = pd.DataFrame(counts).fillna(0).astype(int).rename_axis("key").reset_index()
        return labelled(frame, grain)

    def door(
        self,
        metric: str,
        *,
        hits: bool = False,
        period: str | None = None,
        grain: str | None = None,
        **cut: Any,
    ) -> dict[str, str]:
        """The address of the list behind a figure. period: a day, week or month (grain) of the period."""
        from_day, to_day = self.from_day, self.to_day
        if period is not None:
            from_day, to_day = days_of(period, grain or self.grain)
        whole = replace(self.cut, **cut)
        given = {name: getattr(whole, name) for name in whole.used()}
        shown = {
            "metric": metric,
            "from": max(from_day, self.from_day).isoformat(),
            "to": min(to_day, self.to_day).isoformat(),
            **given,
        }
        return {**shown, "hits": "1"} if hits else shown


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """A frame's rows, a named tuple each."""
    yield from frame.itertuples()


def groups(frame: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """(k, n) by key."""
    return {row.key: (int(row.k), int(row.n)) for row in each(frame)}


def _rated(counts: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Counts n and k with their rate and its 95 % interval (of claims only)."""
    pairs = [(int(k), int(n)) for k, n in zip(counts["k"], counts["n"], strict=True)]
    bounds = [_bounds(k, n, measure) for k, n in pairs]
    return counts.assign(
        rate=[k / n if n else float("nan") for k, n in pairs],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
    )


def _bounds(k: int, n: int, measure: str) -> tuple[float, float]:
    return wilson(k, n) if measure == CLAIMS else (k / n if n else 0.0,) * 2


def kept_figures(visit: Visit, name: str, *asked: Any) -> Rows:
    """A metric's figures (services.metrics.figures), at most CACHE_SECONDS old."""
    return _figures(visit.desk, str(visit.desk.engine.url), visit.person, name, *asked)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=CACHE_ENTRIES_MAX, show_spinner=False)
def _figures(_desk: Desk, database: str, person: Person, name: str, *asked: Any) -> Rows:
    """Figures, kept for a moment by database and person: many charts and people ask for the same."""
    assert database == str(_desk.engine.url)
    return figures(_desk, person, name, *asked)


@st.cache_data(ttl=CACHE_SECONDS, max_entries=CACHE_ENTRIES_MAX, show_spinner=False)
def _spread(_desk: Desk, database: str, person: Person, from_day: date, to_day: date) -> Rows:
    """How pros spread, kept like `_figures`."""
    assert database == str(_desk.engine.url)
    return spread_of_pros(_desk, person, from_day, to_day)


def days_of(period: str, grain: str) -> tuple[date, date]:
    """The days of a chart's period: (first, day after the last)."""
    if grain == "month":
        first = date.fromisoformat(f"{period}-01")
        return first, (first + timedelta(days=32)).replace(day=1)
    first = date.fromisoformat(period)
    return first, first + timedelta(days=7 if grain == "week" else 1)


def labelled(frame: pd.DataFrame, grain: str) -> pd.DataFrame:
    """A frame by period with what its axis shows in `label`: Jun 1, or Jun 26 for a month of 2026."""
    firsts = [days_of(key, grain)[0] for key in frame["key"]]
    names = [f"{day:%b %y}" if grain == "month" else f"{day:%b} {day.day}" for day in firsts]
    return frame.assign(label=names)


# -- the bar above a page --------------------------------------------------------------------------------


def bar(visit: Visit, dimensions: tuple[str, ...], metric: str, *, money: bool = True) -> Lens:
    """Period, comparison and filters, all in the address."""
    last = newest_day(visit.desk, visit.person)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        period = st.selectbox("Period", _PERIODS, index=2, key="period", bind="query-params", width=130)
        compared = st.selectbox("Compared with", _COMPARED, key="compared", bind="query-params", width=170)
        if period == "own days":
            from_day, to_day = days("Days", last, OWN_DAYS, earliest=last - timedelta(days=DAYS_MAX - 1))
        else:
            from_day, to_day = _period(period, last)
        lens = Lens(visit, from_day, to_day, *_compared(from_day, to_day, compared), compared, Cut())
        chosen = {each: _choice(lens, metric, each) for each in dimensions}
        measure = _measure(lens, metric) if money else CLAIMS
    return replace(lens, cut=Cut(**chosen), measure=measure)


def _choice(lens: Lens, metric: str, dimension: str) -> str | None:
    options = [row["key"] for row in lens.rows(metric, dimension)]
    # A name in the address that this period does not have stays a name: its figures are then empty.
    named = st.session_state.get(dimension)
    labels = _LABELS.get(dimension, {})
    chosen: str | None = st.selectbox(
        label_of(dimension),
        sorted({*options, *([named] if named else [])}),
        index=None,
        format_func=lambda name: labels.get(name, name),
        key=dimension,
        bind="query-params",
        placeholder="all",
        width=150,
    )
    return chosen


def _measure(lens: Lens, metric: str) -> str:
    currencies = sorted({row["currency"] for row in lens.rows(metric)})
    chosen: str = st.segmented_control(
        "Counted by",
        [CLAIMS, *currencies],
        default=CLAIMS,
        required=True,
        key="measure",
        bind="query-params",
    )
    return chosen or CLAIMS


def _period(period: str, last: date) -> tuple[date, date]:
    number, unit = int(period.split()[0]), period.split()[1]
    to_day = last + timedelta(days=1)
    if unit == "weeks":
        monday = last - timedelta(days=last.weekday())
        return monday - timedelta(days=7 * (number - 1)), to_day
    months = last.year * 12 + last.month - number
    return date(months // 12, months % 12 + 1, 1), to_day


def _compared(from_day: date, to_day: date, compared: str) -> tuple[date, date]:
    if compared == "a year before":
        return from_day - timedelta(days=364), to_day - timedelta(days=364)
    return from_day - (to_day - from_day), from_day


def label_of(dimension: str) -> str:
    """A dimension as a heading."""
    return {"pro": "Pro", "kind": "Lead kind", "outcome": "Became"}.get(dimension, dimension.capitalize())


def label(dimension: str, key: str) -> str:
    """A group in words."""
    return _LABELS.get(dimension, {}).get(key, key)


def foot(lens: Lens) -> None:
    """Of when the figures are, and in which days they count."""
    now = lens.visit.desk.clock()
    quiet(
        f"{lens.from_day:%b} {lens.from_day.day}, {lens.from_day.year} to "
        f"{lens.to_day - timedelta(days=1):%b} {(lens.to_day - timedelta(days=1)).day} in UTC days, "
        f"as of {words.moment(now, lens.visit.person)} ({lens.visit.person.time_zone}). "
        "Click a mark to open what it counts."
    )


def ripe_until(visit: Visit) -> date:
    """Charges made before this day can no longer be reported and decided: their rate stands."""
    return maturing_from(visit.desk, visit.person).date()


def points(share: float) -> str:
    """A difference of two rates: +1.3 points."""
    return f"{share * 100:+.1f} points".replace("-", "−")
