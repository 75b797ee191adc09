"""Statistics of proportions, durations and agreement."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_Z95: Final = 1.959963984540054  # the normal distribution's 97.5 % quantile
# 99.8 % of what chance does lies within so many standard errors: the normal distribution's 99.9 % quantile.
FUNNEL_DEVIATIONS: Final = 3.090232306167813


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate of k in n (E. B. Wilson, 1927); (0, 1) when n is 0."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no proportion")
    if not n:
        return 0.0, 1.0
    rate, z2 = k / n, _Z95**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def survival_hour(counts: Sequence[tuple[int, int, int]], share: float) -> int | None:
    """Within how many whole units a share of all has ended (E. L. Kaplan and P. Meier, 1958).

    counts: (unit, ended in it, still running and this old), by unit; the running ones are not thrown away,
    they count as under way up to their age. None when the share has not ended within what was seen.
    """
    for unit, left in survival(counts):
        if left <= 1 - share + 1e-12:
            return unit
    return None


def survival(counts: Sequence[tuple[int, int, int]]) -> list[tuple[int, float]]:
    """The Kaplan-Meier curve: (unit, share not ended by its end), a point for each unit in which any end."""
    at_risk = sum(ended + running for _, ended, running in counts)
    left, curve = 1.0, []
    for unit, ended, running in sorted(counts):
        if ended:
            left *= 1 - ended / at_risk
            curve.append((unit, left))
        at_risk -= ended + running
    return curve


@dataclass(frozen=True)
class Limits:
    """Where a period's rate lies when nothing but chance moves it: three standard errors each way."""

    centre: float
    low: float
    high: float
    is_signal: bool


_MOVING_RANGE: Final = 1.128  # expected range of two draws, in standard deviations
_RUN: Final = 8


def control_limits(points: Sequence[tuple[int, int]]) -> list[Limits]:
    """A p'-chart of (k, n) by period (D. B. Laney, 2002): limits that also allow for what always varies.

    With many cases the limits of a plain p-chart shrink to nothing and every period alarms; here they widen
    by how much neighbours differ anyway. A signal is a rate outside, or the eighth in a row on one side.
    """
    total_n = sum(n for _, n in points)
    centre = sum(k for k, _ in points) / total_n if total_n else 0.0
    errors = [math.sqrt(centre * (1 - centre) / n) if n else 0.0 for _, n in points]
    scores = [(k / n - centre) / error for (k, n), error in zip(points, errors, strict=True) if n and error]
    ranges = [abs(one - other) for one, other in pairwise(scores)]
    spread = max(1.0, sum(ranges) / len(ranges) / _MOVING_RANGE) if ranges else 1.0
    limits, run, side = [], 0, 0
    for (k, n), error in zip(points, errors, strict=True):
        rate = k / n if n else centre
        now = (rate > centre) - (rate < centre)
        run = run + 1 if now and now == side else abs(now)
        side = now
        low, high = max(0.0, centre - 3 * error * spread), min(1.0, centre + 3 * error * spread)
        limits.append(Limits(centre, low, high, bool(n) and (not low <= rate <= high or run >= _RUN)))
    return limits


def funnel_limits(centre: float, n: int) -> tuple[float, float]:
    """Where 99.8 % of the rates of groups of n lie that share one true rate (D. J. Spiegelhalter, 2005)."""
    if not n:
        return 0.0, 1.0
    half = FUNNEL_DEVIATIONS * math.sqrt(centre * (1 - centre) / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def standardised(rates: Mapping[str, tuple[int, int]], mix: Mapping[str, int]) -> float | None:
    """The rate there would be with another mix: each group's own (k, n), weighted by the mix's n.

    None when a group of the mix has no case here, so that nothing can be said of it.
    """
    weights = {group: n for group, n in mix.items() if n}
    if not weights or any(not rates.get(group, (0, 0))[1] for group in weights):
        return None
    total = sum(weights.values())
    return sum(rates[group][0] / rates[group][1] * n / total for group, n in weights.items())


def agreement(cells: Iterable[Mapping[str, tuple[int, int]]]) -> tuple[float, int] | None:
    """How often two people decide alike claims alike: (share of pairs, how many pairs); None without a pair.

    cells: for each kind of alike claims, each person's (approved, decided). A pair is a decision of one and a
    decision of another in one cell.
    """
    agreed = pairs = 0
    for cell in cells:
        people = list(cell.values())
        for at, (k, n) in enumerate(people):
            for other_k, other_n in people[at + 1 :]:
                agreed += k * other_k + (n - k) * (other_n - other_k)
                pairs += n * other_n
    return (agreed / pairs, pairs) if pairs else None


def cohens_kappa(table: Mapping[tuple[str, str], int]) -> tuple[float, float, float] | None:
    """Agreement beyond chance of two looks at the same cases (J. Cohen, 1960): (kappa, low, high), 95 %.

    table: (first, second) → how many. None without a case, or when chance alone would always agree.
    """
    n = sum(table.values())
    if not n:
        return None
    answers = {answer for pair in table for answer in pair}
    observed = sum(table.get((answer, answer), 0) for answer in answers) / n
    chance = 0.0
    for answer in answers:
        first = sum(count for (one, _), count in table.items() if one == answer) / n
        second = sum(count for (_, other), count in table.items() if other == answer) / n
        chance += first * second
    if chance >= 1 - 1e-12:
        return None
    kappa = (observed - chance) / (1 - chance)
    error = math.sqrt(observed * (1 - observed) / n) / (1 - chance)
    return kappa, max(-1.0, kappa - _Z95 * error), min(1.0, kappa + _Z95 * error)
