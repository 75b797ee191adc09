"""How alike two claims of one reason are, by their facts and their words, and in a few words why.

An order for a person to read in, never advice: how a claim is decided does not depend on it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from refundlib.domain.claim import Bundle
from refundlib.domain.eligibility import (
    CHECK_OF_REASON,
    Gazetteer,
    NumberKind,
    PhoneBook,
    first_response,
    kind_of_number,
    miles_moved,
)

VALID_NUMBER: Final = "valid number"
WHY_MAX: Final = 4
_CHARACTERS_MAX: Final = 20_000
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
# From so much of a likeness in words on it is told as a reason.
_ALIKE_WORDS: Final = 0.25
_DAYS_APART: Final = 10
_MILES_APART: Final = 10.0

# What each likeness adds. Words alone can tell two claims at discretion apart; a lead is as bad for one pro
# as for another; what a check said of the fact in question comes before the day, the category and the kind.
_WORDS: Final = 2.0
_LEAD: Final = 1.0
_OWN_CHECK: Final = 0.6
_OTHER_CHECK: Final = 0.4
_NUMBER: Final = 0.5
_MILES: Final = 0.5
_ANSWER: Final = 0.3
_CATEGORY: Final = 0.3
_DAY: Final = 0.2
_KIND: Final = 0.2

_TOLD_OF_NUMBER: Final[Mapping[NumberKind, str]] = {
    "none": "no number",
    "repeated": "number not valid",
    "invalid": "number not valid",
    "needs_plus": "number valid only with a +",
    "fictional": "number kept for fiction",
    "valid": VALID_NUMBER,
}
_TOLD_OF_CHECK: Final = {
    "pass": "same check passed",
    "fail": "same check failed",
    "unsure": "same check unsure",
}


@dataclass(frozen=True)
class Traits:
    """What a claim is compared by.

    statuses: of the checks that apply, by id. day: of the window, from 1. miles: from the lead's zip to the
    new one, None when either has no place. number: what the lead's telephone number is. is_answered: whether
    the customer answered the pro. words: the longer ones of the report and of the customer.
    """

    reason: str
    lead_id: str
    kind: str
    category: str
    statuses: Mapping[str, str]
    day: int
    miles: float | None
    number: str
    is_answered: bool
    words: frozenset[str]


@dataclass(frozen=True)
class Likeness:
    """How alike two claims are (more is more alike), and the first WHY_MAX reasons, in a few words each."""

    score: float
    why: tuple[str, ...]


def traits(
    bundle: Bundle, statuses: Mapping[str, str], gazetteer: Gazetteer, phone_book: PhoneBook
) -> Traits:
    """The traits of a claim; statuses: of its checks, by id, those that do not apply left out or not."""
    age = bundle.report.reported_at - bundle.charge.charged_at
    return Traits(
        reason=bundle.report.reason,
        lead_id=bundle.lead.lead_id,
        kind=bundle.lead.kind,
        category=bundle.lead.category.strip().casefold(),
        statuses={check: status for check, status in statuses.items() if status != "not_applicable"},
        day=max(1, math.ceil(age / timedelta(days=1))),
        miles=miles_moved(bundle, gazetteer),
        number=number_in_words(bundle.customer.phone, phone_book),
        is_answered=bool(first_response(bundle.conversation())),
        words=frozenset(words_said(bundle)),
    )


def words_said(bundle: Bundle) -> list[str]:
    """The words a claim is compared by: of the report and of the customer, the longer ones, each once."""
    said = [bundle.report.details]
    said += [message.body for message in bundle.conversation() if message.sender == "customer"]
    return list(dict.fromkeys(_WORD.findall(" ".join(said)[:_CHARACTERS_MAX].lower())))


def number_in_words(phone: str, phone_book: PhoneBook) -> str:
    """What a telephone number is, in a few words."""
    number = phone.strip()
    kind = kind_of_number(number, phone_book)
    is_abroad = kind == "valid" and number.startswith("+") and not number.startswith("+1")
    return "number abroad" if is_abroad else _TOLD_OF_NUMBER[kind]


def rarity(of: Iterable[Traits]) -> dict[str, float]:
    """How much each word tells among some claims: what many of them say tells little."""
    claims = list(of)
    counts = Counter(word for each in claims for word in each.words)
    return {word: math.log((1 + len(claims)) / count) for word, count in counts.items()}


def likeness(mine: Traits, other: Traits, weights: Mapping[str, float]) -> Likeness:
    """How alike two claims of one reason are. weights: of the words, by `rarity` of all that are compared."""
    found = [
        (_LEAD * (mine.lead_id == other.lead_id), "same lead"),
        *_checks(mine, other),
        *_facts(mine, other),
        *_in_words(mine.words, other.words, weights),
        (_DAY * _near(mine.day - other.day, _DAYS_APART), f"day {other.day}"),
        (_CATEGORY * (mine.category == other.category), "same category"),
        (_KIND * (mine.kind == other.kind), ""),
    ]
    why = [told for gain, told in found if gain > 0 and told]
    return Likeness(sum(gain for gain, _told in found), tuple(why[:WHY_MAX]))


def _checks(mine: Traits, other: Traits) -> Iterable[tuple[float, str]]:
    """What the checks said in both; of those all claims have, only what did not pass is told."""
    own = CHECK_OF_REASON.get(mine.reason)
    told = {"within_window": "late too", "conversation_on_file": "no conversation either"}
    for check, status in mine.statuses.items():
        if other.statuses.get(check) == status:
            if check == own:
                yield _OWN_CHECK, _TOLD_OF_CHECK[status]
            else:
                yield _OTHER_CHECK, "" if status == "pass" else told.get(check, "")


def _facts(mine: Traits, other: Traits) -> Iterable[tuple[float, str]]:
    if mine.number == other.number:
        is_told = mine.number != VALID_NUMBER or mine.reason == "invalid_phone"
        yield _NUMBER, mine.number if is_told else ""
    if mine.miles is not None and other.miles is not None:
        apart = max(_MILES_APART, mine.miles / 4)
        yield _MILES * _near(mine.miles - other.miles, apart), _in_miles(other.miles)
    if mine.is_answered == other.is_answered:
        yield _ANSWER, "" if mine.is_answered else "no answer either"


def _in_miles(miles: float) -> str:
    return f"{miles:.0f} mile{'' if round(miles) == 1 else 's'}"


def _near(difference: float, apart: float) -> float:
    """1 for the same, falling to 0 where two figures are so far apart."""
    return max(0.0, 1 - abs(difference) / apart)


def _in_words(
    mine: frozenset[str], other: frozenset[str], weights: Mapping[str, float]
) -> Iterable[tuple[float, str]]:
    """The cosine of the two sets of words, the rare ones counted more. The words are not told."""
    shared, ours, theirs = (
        sum(weights.get(word, 0.0) ** 2 for word in words) for words in (mine & other, mine, other)
    )
    if shared > 0:
        cosine = shared / math.sqrt(ours * theirs)
        yield _WORDS * cosine, "similar words" if cosine >= _ALIKE_WORDS else ""
