"""The statistics of the charts, against figures worked out by hand or published."""

import math

import pytest

from refundlib.domain.statistics import (
    agreement,
    cohens_kappa,
    control_limits,
    funnel_limits,
    standardised,
    survival,
    wilson,
)


def test_wilson_by_hand() -> None:
    """3 of 41: centre (3/41 + z²/82) / (1 + z²/41), the interval 2.5 to 19.4 %."""
    low, high = wilson(3, 41)
    assert (round(low, 3), round(high, 3)) == (0.025, 0.194)
    assert wilson(0, 0) == (0.0, 1.0)


def test_control_limits_of_steady_periods_are_those_of_a_p_chart() -> None:
    """Periods that differ by less than chance get p ± 3·sqrt(p(1−p)/n), and no alarm."""
    limits = control_limits([(10, 100), (11, 100), (9, 100), (10, 100)])
    half = 3 * math.sqrt(0.1 * 0.9 / 100)
    assert limits[0].centre == pytest.approx(0.1)
    assert limits[0].high == pytest.approx(0.1 + half)
    assert not any(each.is_signal for each in limits)


def test_control_limits_alarm_for_a_jump_and_not_for_what_always_varies() -> None:
    """One jump among steady weeks is a signal; large weeks that always swing are none."""
    steady = [(100, 1000)] * 12
    assert [each.is_signal for each in control_limits([*steady, (200, 1000)])][-1]
    swinging = [(90_000 if week % 2 else 110_000, 1_000_000) for week in range(12)]
    assert not any(each.is_signal for each in control_limits(swinging))


def test_control_limits_alarm_for_a_long_run() -> None:
    """Eight weeks in a row above the centre are a signal, though none is outside."""
    points = [(95, 1000)] * 8 + [(105, 1000)] * 8
    assert [at for at, each in enumerate(control_limits(points)) if each.is_signal] == [7, 15]


def test_control_limits_without_cases() -> None:
    """Nothing, or a period of nothing, alarms nobody."""
    assert control_limits([]) == []
    assert not any(each.is_signal for each in control_limits([(0, 0), (0, 10), (0, 0)]))


def test_funnel_narrows() -> None:
    """Around 10 %: 0 to 39 % for 10, 7.1 to 12.9 % for 1,000."""
    assert funnel_limits(0.1, 10) == (0.0, pytest.approx(0.393, abs=0.001))
    assert funnel_limits(0.1, 1000) == (pytest.approx(0.0707, abs=1e-4), pytest.approx(0.1293, abs=1e-4))


def test_standardised_takes_the_mix_away() -> None:
    """Rates unchanged, mix moved to the worse group: crude goes up, standardised stays."""
    now = {"roofing": (20, 100), "painting": (5, 100)}
    before = {"roofing": 50, "painting": 150}
    assert sum(k for k, _ in now.values()) / 200 == 0.125
    assert standardised(now, before) == pytest.approx(0.25 * 0.2 + 0.75 * 0.05)
    assert standardised({"painting": (5, 100)}, before) is None


def test_agreement_counts_pairs_of_different_people() -> None:
    """Two people, 3 of 4 and 1 of 2 approved: 3·1 + 1·1 of 8 pairs agree."""
    assert agreement([{"dana": (3, 4), "eli": (1, 2)}]) == (0.5, 8)
    assert agreement([{"dana": (3, 4)}]) is None


def test_kappa_of_a_textbook() -> None:
    """20, 5, 10, 15: observed 0.7, chance 0.5, kappa 0.4."""
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    kappa = cohens_kappa(table)
    assert kappa is not None
    assert kappa[0] == pytest.approx(0.4)
    assert kappa[1] == pytest.approx(0.4 - 1.959964 * math.sqrt(0.7 * 0.3 / 50) / 0.5, abs=1e-5)
    assert cohens_kappa({}) is None
    assert cohens_kappa({("yes", "yes"): 9}) is None


def test_survival_keeps_running_ones_at_risk() -> None:
    """Two ended after 1 and 3, one ran for 2: 2/3 are left after 1, none after 3."""
    assert survival([(1, 1, 0), (2, 0, 1), (3, 1, 0)]) == [(1, pytest.approx(2 / 3)), (3, 0.0)]
