"""Statistics of proportions."""

import math
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
