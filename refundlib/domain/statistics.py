"""Statistics of proportions."""

import math
from collections.abc import Sequence
from typing import Final

_Z95: Final = 1.959963984540054  # the normal distribution's 97.5 % quantile


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
