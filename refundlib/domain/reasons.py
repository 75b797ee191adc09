"""The reasons a pro can report, in plain words: what qualifies, what does not (DOMAIN: the refund policy)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class InWords:
    """A reason as a pro reads it. title: its name; qualifies, does_not: one sentence or two each."""

    title: str
    qualifies: str
    does_not: str


# What is wrong with a lead for one pro is wrong for every pro who paid for it (T1, P1). Whether the job
# changed, or the first answer was a no, is between one pro and the customer.
SHARED_REASONS: Final = ("invalid_phone", "terms_violation")

# In the order in which a form offers them.
REASONS_IN_WORDS: Final[Mapping[str, InWords]] = MappingProxyType(
    {
        "clear_no": InWords(
            "The customer’s first answer was a clear no",
            "You sent a quote for an opportunity, and the first thing the customer wrote back refuses it: "
            "“No thanks”, “We found somebody else”.",
            "A postponement (“maybe later”), a question, bargaining, or a no after a conversation. "
            "A lead you bought directly has no quote to refuse.",
        ),
        "invalid_phone": InWords(
            "The phone number is not valid",
            "The number on the lead cannot exist, or is not in service.",
            "A number that works and is not answered, or a customer who does not call back.",
        ),
        "job_changed": InWords(
            "The job is another than was asked for",
            "The job is at another place, too far from the first, or of a kind you do not offer. "
            "Name the new zip or the new category.",
            "The same job with another date, another budget, or more or less of the same work.",
        ),
        "terms_violation": InWords(
            "The request breaks the terms of service",
            "A business that looks for employees, a minor who asks, spam, and the like.",
            "A customer who is curt, changes their mind or asks for a low price.",
        ),
        "not_hired": InWords(
            "The customer did not hire me",
            "This is never refunded: once there is contact, the job is yours to win. If the first answer to "
            "your quote was a clear no, or the number is not valid, report that instead.",
            "No answer after contact, a higher bid than another’s, a job that was put off.",
        ),
        "other": InWords(
            "Something else",
            "What the policy does not name, a lead you got twice for example. A person decides, fairly, "
            "and says why. Describe what happened.",
            "What one of the reasons above describes: report that one, it is decided sooner.",
        ),
    }
)
