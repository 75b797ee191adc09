"""Whether, when and why a charge is reported, and when that is decided."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from refundlib.demo.cases import Case, any_case

OPEN_SHARE: Final = 0.0152  # of all charges: some 300 at 20,000
REPORTED_SHARE: Final = 0.075
# How often a second pro reports a lead that is spoilt for all.
ECHO_SHARE: Final = 0.55
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """A report to be: what is true of it, and its moments. decided_at is None while it is open."""

    case: Case
    charged_at: datetime
    reported_at: datetime
    decided_at: datetime | None

    @property
    def age_days(self) -> float:
        """Days from the charge to the report."""
        return (self.reported_at - self.charged_at) / DAY


class Reporting:
    """Decides which charges are reported; `days` is how far the market goes back."""

    def __init__(self, rng: Random, as_of: datetime, days: int) -> None:
        self.rng, self.now = rng, as_of
        # A surge of the last days: what is open now. Half of a month's charges lie in reach of it.
        self.open_chance = OPEN_SHARE * days / 28 / 2 * 1.57

    def claim(self, at: datetime, zeal: float, trouble: float) -> Claim | None:
        """The report of a charge made at a moment by a pro so zealous for work so troublesome, if any."""
        rng, age = self.rng, self.now - at
        if timedelta(hours=4) < age < 28 * DAY and rng.random() < self.open_chance * min(zeal, 1.6):
            hours = rng.uniform(0.2, 47) if rng.random() < 0.9 else rng.uniform(48, 60)
            reported_at = self.now - timedelta(hours=min(hours, age / timedelta(hours=1) - 3))
            return Claim(any_case(rng), at, reported_at, None)
        if rng.random() > REPORTED_SHARE * zeal * trouble:
            return None
        delay_days = min(rng.expovariate(1 / 5), 34) if rng.random() < 0.97 else rng.uniform(31, 45)
        reported_at = at + timedelta(days=delay_days, hours=2)
        decided_at = self._decided_at(reported_at)
        return Claim(any_case(rng), at, reported_at, decided_at) if decided_at else None

    def echo(self, first: Claim, at: datetime) -> Claim | None:
        """Another pro's report of the same, a little after the first; None when nobody else troubles to."""
        rng = self.rng
        if rng.random() > ECHO_SHARE:
            return None
        later = timedelta(hours=rng.uniform(1, 60))
        reported_at = max(first.reported_at + later, at + timedelta(hours=2))
        if first.decided_at is None:
            spare = self.now - max(first.reported_at, at + timedelta(hours=2))
            return replace(first, charged_at=at, reported_at=self.now - spare * rng.random())
        decided_at = self._decided_at(reported_at)
        fresh = timedelta(minutes=12) < self.now - reported_at < timedelta(hours=47)
        if decided_at is None and not fresh:
            return None
        return replace(first, charged_at=at, reported_at=reported_at, decided_at=decided_at)

    def _decided_at(self, reported_at: datetime) -> datetime | None:
        """Mostly within a day; two weeks of each half-year were bad ones. None for what is not over yet."""
        bad_week = reported_at.isocalendar().week in (7, 8, 31, 32)
        hours = min(self.rng.lognormvariate(3.6 if bad_week else 2.7, 0.75), 240)
        decided_at = reported_at + timedelta(hours=hours)
        return decided_at if decided_at <= self.now - timedelta(hours=2) else None
