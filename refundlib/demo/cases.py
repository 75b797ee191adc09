"""How a report can lie: what is true of the claim, so that chat, advice, decision and note tell one story."""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from refundlib.domain.policy import BUILT_IN

Advice = Literal["approve", "deny", "review"]

# How often staff approve what the checks advise so; the rest is life.
APPROVED: Final = {"approve": 0.94, "review": 0.5, "deny": 0.07}


@dataclass(frozen=True)
class Case:
    """One way a report of a reason can lie.

    weight: how often, of 100 reports. advice: what the checks say of it when it comes in time. spoils: it
    is wrong with the lead itself, for every pro who paid for it.
    """

    name: str
    reason: str
    weight: int
    advice: Advice
    spoils: bool = False

    def advised(self, age_days: float) -> Advice:
        """What the checks say when it is reported so many days after the charge."""
        return "deny" if is_late(age_days) else self.advice


def is_late(age_days: float) -> bool:
    """Whether a report comes after the window."""
    return age_days > BUILT_IN.window_days


CASES: Final = (
    Case("refused", "clear_no", 20, "approve"),
    Case("postponed", "clear_no", 4, "review"),
    Case("answered", "clear_no", 2, "deny"),
    Case("bargained", "clear_no", 2, "deny"),
    Case("bought", "clear_no", 2, "deny"),
    Case("no_number", "invalid_phone", 16, "approve", spoils=True),
    Case("not_in_service", "invalid_phone", 4, "review", spoils=True),
    Case("works", "invalid_phone", 4, "deny"),
    Case("breach", "terms_violation", 6, "approve", spoils=True),
    Case("unclear", "terms_violation", 1, "review"),
    Case("small", "terms_violation", 1, "deny"),
    Case("of_age", "terms_violation", 1, "deny"),
    Case("staff_door", "terms_violation", 1, "deny"),
    Case("moved", "job_changed", 6, "approve"),
    Case("other_work", "job_changed", 4, "approve"),
    Case("only_said", "job_changed", 2, "review"),
    Case("near", "job_changed", 2, "deny"),
    Case("ghosted", "not_hired", 7, "deny"),
    Case("outbid", "not_hired", 6, "deny"),
    Case("duplicate", "other", 3, "review"),
    Case("closed", "other", 2, "review"),
    Case("wrong_category", "other", 2, "review"),
    Case("by_mistake", "other", 2, "review"),
    Case("done_before", "other", 1, "review"),
    Case("smaller", "other", 1, "review"),
)
_WEIGHTS: Final = [case.weight for case in CASES]


def any_case(rng: Random) -> Case:
    """A case, the frequent ones more often."""
    return rng.choices(CASES, _WEIGHTS)[0]
