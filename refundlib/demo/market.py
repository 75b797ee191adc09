"""The demo marketplace, pro by pro: charges through the seasons, reports, decisions, card refunds.

Rows come out as dicts of the exchange format; nothing is kept but one pro at a time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from refundlib.demo import chats
from refundlib.demo.places import TOWNS, Town

DAYS: Final = 730
CHARGES_A_PRO: Final = 80
OPEN_SHARE: Final = 0.0152  # of all charges: some 300 at 20,000
PREFIX: Final = "D"
# The market made here; copies of it have the numbers after.
_FIRST: Final = f"{PREFIX}0"

# Price range in minor units, how often it is bought, how it swings through the year, how often it goes wrong.
CATEGORIES: Final = {
    "plumbing": (1500, 2800, 5, 0.1, 1.0),
    "roofing": (2400, 4500, 2, 0.6, 1.7),
    "painting": (1000, 2200, 3, 0.4, 0.9),
    "house cleaning": (700, 1500, 5, 0.1, 0.7),
    "landscaping": (900, 2000, 4, 0.8, 1.0),
    "handyman": (800, 1800, 4, 0.1, 0.9),
    "electrical": (1500, 2900, 3, 0.1, 0.8),
    "moving": (1800, 3600, 2, 0.5, 1.4),
}
DESCRIPTIONS: Final = {
    "plumbing": (
        "Leak under the kitchen sink",
        "New water heater",
        "Minor leak in the wall",
        "Clogged drain",
    ),
    "roofing": (
        "Shingles blown off by the storm",
        "Whole roof, about 2,000 square feet",
        "Leak at the chimney",
    ),
    "painting": ("Two bedrooms and a hallway", "Outside of a small house", "Kitchen cabinets"),
    "house cleaning": ("Weekly cleaning, three rooms", "Move-out cleaning", "Deep cleaning before a party"),
    "landscaping": ("Hedge and lawn, every other week", "Take down a dead tree", "New beds along the fence"),
    "handyman": ("Hang five doors", "Assemble furniture", "Fix the back gate"),
    "electrical": ("Three new outlets", "Lights in the basement", "Charger for an electric car"),
    "moving": ("Two rooms across town", "One piano, third floor", "Family of four, next month"),
}
REASONS: Final = {
    "clear_no": 30,
    "invalid_phone": 24,
    "job_changed": 14,
    "not_hired": 14,
    "terms_violation": 8,
    "other": 10,
}
FIRST: Final = [
    "Ana",
    "Ben",
    "Cara",
    "Dev",
    "Ella",
    "Finn",
    "Gus",
    "Hana",
    "Ivy",
    "Jonas",
    "Kim",
    "Lia",
    "Max",
    "Nora",
    "Omar",
    "Pia",
    "Quinn",
    "Rosa",
    "Sam",
    "Tess",
    "Uma",
    "Vic",
    "Wes",
    "Yara",
    "Zoe",
]
LAST: Final = [
    "Abbott",
    "Brooks",
    "Chen",
    "Diaz",
    "Evans",
    "Foster",
    "Garcia",
    "Hughes",
    "Irwin",
    "Jensen",
    "Khan",
    "Lopez",
    "Moss",
    "Novak",
    "Ortiz",
    "Park",
    "Quigley",
    "Reyes",
    "Singh",
    "Turner",
    "Underwood",
    "Vega",
    "Wu",
    "Young",
    "Zimmer",
]
FIRMS: Final = ("Services", "& Sons", "Home Care", "Brothers", "Works", "Crew", "Pros")
AGENTS: Final = {"dana": 5, "eli": 4, "mo": 1, "noor": 1}
DETAILS: Final = (
    "",
    "",
    "Please see the chat.",
    "This should not have been charged.",
    "Third time this month!",
)
GOODWILL: Final = (
    "A duplicate of a lead charged last week.",
    "Two pros were sent to the same address; fair to give it back.",
    "The customer booked by mistake and said so at once.",
)
OVERRULED: Final = (
    "Called the customer: it is as the pro says.",
    "The chat leaves no doubt once it is read whole.",
    "The pro showed a recording of the call.",
)
DENIALS: Final = (
    "The chat does not show it.",
    "The number works; we called it.",
    "The customer asked for a later date, which is no refusal.",
    "Not being hired is never a reason for a refund.",
)
FAILURES: Final = ("expired_or_canceled_card", "lost_or_stolen_card", "declined")

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]


@dataclass(frozen=True)
class Scale:
    """How large the demo is, and when it is."""

    charges: int
    seed: int
    as_of: datetime

    @property
    def pros(self) -> int:
        """How many pros share the charges."""
        return max(3, round(self.charges / CHARGES_A_PRO))


def rows(scale: Scale) -> Rows:
    """Every row of the marketplace as (file, row). Same scale, same rows."""
    rng = Random(scale.seed)  # noqa: S311 - believable, not secret
    weights = [rng.paretovariate(1.6) for _ in range(scale.pros)]
    total = sum(weights)
    left = scale.charges
    for number, weight in enumerate(weights):
        share = left if number == scale.pros - 1 else min(left, max(1, round(scale.charges * weight / total)))
        left -= share
        yield from _Pro(scale, number, Random(f"{scale.seed}.{number}"), share).rows()  # noqa: S311


class _Pro:
    """One pro's two years."""

    def __init__(self, scale: Scale, number: int, rng: Random, charges: int) -> None:
        self.scale, self.rng, self.charges = scale, rng, charges
        self.pro_id = f"{_FIRST}P{number:05}"
        self.town: Town = rng.choice(TOWNS)
        self.categories = rng.sample(list(CATEGORIES), rng.choice((1, 1, 2, 3)))
        self.firm = f"{rng.choice(LAST)} {rng.choice(FIRMS)}"
        # Most report one charge in twelve; a few live on it.
        self.zeal = rng.choice((0.3, 0.7, 1.0, 1.0, 1.2)) if rng.random() < 0.93 else 4.0
        self.cover = 0
        self.number = 0
        self.busy_until = scale.as_of - timedelta(days=DAYS + 1)

    def rows(self) -> Rows:
        """The pro, then lead after lead in the order of time."""
        rng = self.rng
        yield (
            "pros",
            {
                "pro_id": self.pro_id,
                "name": self.firm,
                "email": f"{self.pro_id.lower()}@pros.example",
                "phone": _phone(rng, self.town),
                "categories": "|".join(self.categories),
                "zip": self.town.zip,
                "joined_at": _text(self.scale.as_of - timedelta(days=DAYS + rng.randint(1, 600))),
            },
        )
        moments = sorted(self._moment() for _ in range(self.charges))
        for at, following in zip(moments, [*moments[1:], None], strict=True):
            yield from self._lead(at, following)

    def _moment(self) -> datetime:
        """A moment of the two years: growing, seasonal, mostly in working hours of weekdays."""
        rng = self.rng
        category = CATEGORIES[self.categories[0]]
        while True:
            day = int(DAYS * math.sqrt(rng.random()))
            at = self.scale.as_of - timedelta(days=DAYS - day, seconds=rng.randint(0, 86_399))
            season = 1 + category[3] * math.cos((at.timetuple().tm_yday - 190) / 365 * 2 * math.pi)
            weekday = 0.45 if at.weekday() >= 5 else 1.0
            hour = 1.0 if 12 <= at.hour <= 23 else 0.25
            if rng.random() * 1.9 < season * weekday * hour and at < self.scale.as_of - timedelta(hours=3):
                return at

    def _lead(self, at: datetime, following: datetime | None) -> Rows:
        rng = self.rng
        self.number += 1
        key = f"{self.pro_id[3:]}{self.number:05}"
        category = rng.choice(self.categories)
        report = self._report(at, category)
        reason, honest = report["reason"] if report else "", bool(report and report["honest"])
        town = rng.choice(TOWNS) if rng.random() < 0.03 else self.town
        moved = rng.choice([other for other in TOWNS if other.zip != town.zip])
        words = self._words(category, moved)
        yield "customers", self._customer(key, town, reason, honest, words)
        yield "leads", self._lead_row(key, category, town, at, reason)
        yield from self._paid(key, category, at)
        yield from self._chat(key, at, reason, honest, words)
        if report:
            yield from self._reported(key, report, moved, words, following)

    def _words(self, category: str, moved: Town) -> dict[str, Any]:
        rng = self.rng
        price = rng.randint(12, 90) * 10
        return {
            "customer": rng.choice(FIRST),
            "pro": self.firm,
            "price": price,
            "less": price * 7 // 10,
            "city": moved.name,
            "category": category,
            "other": rng.choice([other for other in CATEGORIES if other != category]),
        }

    def _customer(self, key: str, town: Town, reason: str, honest: bool, words: Row) -> Row:
        rng = self.rng
        bad = reason == "invalid_phone" and honest
        return {
            "customer_id": f"{_FIRST}C{key}",
            "name": f"{words['customer']} {rng.choice(LAST)}",
            "email": f"{_FIRST.lower()}c{key}@customers.example",
            "phone": rng.choice(("000-000-0000", "", "123", "555-0100", "+1 999 999 9999"))
            if bad
            else _phone(rng, town),
        }

    def _lead_row(self, key: str, category: str, town: Town, at: datetime, reason: str) -> Row:
        rng = self.rng
        opportunity = (reason == "clear_no" and rng.random() < 0.9) or rng.random() < 0.5
        return {
            "lead_id": f"{_FIRST}L{key}",
            "kind": "opportunity" if opportunity else "lead",
            "customer_id": f"{_FIRST}C{key}",
            "category": category,
            "zip": town.zip,
            "description": rng.choice(DESCRIPTIONS[category]),
            "created_at": _text(at - timedelta(minutes=rng.randint(61, 2000))),
        }

    def _paid(self, key: str, category: str, at: datetime) -> Rows:
        """The charge, after a payment when the balance does not cover it."""
        rng = self.rng
        low, high = CATEGORIES[category][:2]
        self.amount = round(rng.randint(low, high), -2) - rng.choice((0, 1, 0))
        by_card = rng.random() < 0.25
        top_up = self.amount if by_card else rng.choice((5_000, 10_000, 20_000))
        if by_card or self.cover < self.amount:
            yield (
                "payments",
                {
                    "payment_id": f"{_FIRST}Y{key}",
                    "pro_id": self.pro_id,
                    "amount": top_up,
                    "currency": "USD",
                    "paid_at": _text(at - timedelta(minutes=1)),
                    "processor_ref": f"ch_{_FIRST}{key}",
                },
            )
            self.cover += 0 if by_card else top_up
        self.cover -= 0 if by_card else self.amount
        yield (
            "charges",
            {
                "charge_id": f"{_FIRST}{key}",
                "lead_id": f"{_FIRST}L{key}",
                "pro_id": self.pro_id,
                "amount": self.amount,
                "currency": "USD",
                "charged_at": _text(at),
                "paid_with": "card" if by_card else "balance",
                "payment_id": f"{_FIRST}Y{key}" if by_card else "",
            },
        )

    def _chat(self, key: str, at: datetime, reason: str, honest: bool, words: Row) -> Rows:
        rng = self.rng
        sent_at = at - timedelta(minutes=rng.randint(15, 55))
        for number, (sender, body) in enumerate(chats.story(rng, reason, honest, **words), start=1):
            yield (
                "messages",
                {
                    "message_id": f"{_FIRST}M{key}-{number}",
                    "lead_id": f"{_FIRST}L{key}",
                    "pro_id": self.pro_id,
                    "sender": sender,
                    "body": body,
                    "sent_at": _text(min(sent_at, self.scale.as_of)),
                },
            )
            sent_at += timedelta(minutes=rng.randint(1, 12))

    # -- reports ------------------------------------------------------------------------------------

    def _report(self, at: datetime, category: str) -> Row | None:
        """Whether and when this charge is reported; the last days' reports are still open."""
        rng, now = self.rng, self.scale.as_of
        reason = rng.choices(list(REASONS), list(REASONS.values()))[0]
        report = {"reason": reason, "honest": rng.random() < 0.7}
        age = now - at
        # A surge of the last days: what is open now. Half of a month's charges lie in reach of it.
        recent = timedelta(hours=4) < age < timedelta(days=28)
        if recent and rng.random() < OPEN_SHARE * DAYS / 28 / 2 * 1.25 * min(self.zeal, 1.6) / 0.92:
            hours = rng.uniform(0.2, 47) if rng.random() < 0.9 else rng.uniform(48, 60)
            reported_at = now - timedelta(hours=min(hours, age / timedelta(hours=1) - 3))
            return {**report, "reported_at": reported_at, "decided_at": None}
        if rng.random() > 0.085 * self.zeal * CATEGORIES[category][4]:
            return None
        delay_days = min(rng.expovariate(1 / 5), 34) if rng.random() < 0.97 else rng.uniform(31, 45)
        reported_at = at + timedelta(days=delay_days, hours=2)
        decided_at = reported_at + timedelta(hours=self._hours_to_decide(reported_at))
        if decided_at > now - timedelta(hours=2):
            return None
        return {**report, "reported_at": reported_at, "decided_at": decided_at}

    def _hours_to_decide(self, reported_at: datetime) -> float:
        """Mostly within a day; two weeks of each half-year were bad ones."""
        bad_week = reported_at.isocalendar().week in (7, 8, 31, 32)
        return min(self.rng.lognormvariate(3.6 if bad_week else 2.7, 0.75), 240)

    def _reported(self, key: str, report: Row, moved: Town, words: Row, following: datetime | None) -> Rows:
        rng = self.rng
        changed = report["reason"] == "job_changed" and rng.random() < 0.85
        by_zip = changed and rng.random() < 0.6
        yield (
            "reports",
            {
                "report_id": f"{_FIRST}-{int(key)}",
                "charge_id": f"{_FIRST}{key}",
                "reason": report["reason"],
                "details": rng.choice(DETAILS),
                "changed_zip": (moved.zip if report["honest"] else self.town.zip) if by_zip else "",
                "changed_category": words["other"] if changed and not by_zip else "",
                "channel": rng.choice(("chat", "chat", "email", "phone")),
                "reported_at": _text(report["reported_at"]),
            },
        )
        if report["decided_at"]:
            yield from self._decided(key, report, following)

    def _decided(self, key: str, report: Row, following: datetime | None) -> Rows:
        rng = self.rng
        good = report["honest"] and report["reason"] != "not_hired"
        approve = rng.random() < (0.93 if good else 0.12)
        yield (
            "decisions",
            {
                "report_id": f"{_FIRST}-{int(key)}",
                "decision": "approve" if approve else "deny",
                "refund_amount": self.amount if approve else 0,
                "decided_by": rng.choices(list(AGENTS), list(AGENTS.values()))[0],
                "decided_at": _text(report["decided_at"]),
                "note": self._note(report, approve, good),
            },
        )
        if approve and rng.random() < 0.16:
            yield from self._card_refund(key, report["decided_at"])

    def _note(self, report: Row, approve: bool, good: bool) -> str:
        if not approve:
            return self.rng.choice(DENIALS)
        if report["reason"] == "other":
            return self.rng.choice(GOODWILL)
        return "" if good else self.rng.choice(OVERRULED)

    def _card_refund(self, key: str, decided_at: datetime) -> Rows:
        """Asked for at once, so that the credit is whole; the processor answers in days."""
        rng, now = self.rng, self.scale.as_of
        requested_at = decided_at + timedelta(seconds=1)
        settled_at = requested_at + timedelta(days=rng.uniform(2, 9))
        outcome = rng.choices(("succeeded", "failed", "reversed"), (88, 8, 4))[0]
        if settled_at > now:
            outcome = "pending"
        yield (
            "card_refunds",
            {
                "card_refund_id": f"{_FIRST}R{key}",
                "report_id": f"{_FIRST}-{int(key)}",
                "amount": self.amount,
                "currency": "USD",
                "requested_at": _text(requested_at),
                "submitted_at": _text(requested_at + timedelta(seconds=40)),
                "settled_at": "" if outcome == "pending" else _text(settled_at),
                "outcome": outcome,
                "processor_ref": f"re_{_FIRST}{key}",
                "failure_reason": rng.choice(FAILURES) if outcome in ("failed", "reversed") else "",
            },
        )


def _phone(rng: Random, town: Town) -> str:
    return f"({town.area}) {rng.choice((234, 345, 437, 566, 645, 723, 868))}-{rng.randint(1000, 9999)}"


def _text(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
