"""The demo marketplace, neighbourhood by neighbourhood: leads through the seasons, sold to up to four pros.

Rows come out as dicts of the exchange format; nothing is kept but one neighbourhood at a time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from refundlib.demo import chats, notes
from refundlib.demo.cases import APPROVED
from refundlib.demo.catalog import CATEGORIES, DESCRIPTIONS, FIRMS, FIRST, LAST
from refundlib.demo.places import TOWNS, Town, far_from
from refundlib.demo.reporting import Claim, Reporting

DAYS: Final = 730
CHARGES_A_PRO: Final = 80
# Pros of one town who compete for its leads: at least so many, where there are as many.
NEIGHBOURS: Final = 6
TRADES: Final = 3
# To how many pros a lead is sold, and how often, where as many offer the work.
SOLD_TO: Final = {1: 69, 2: 17, 3: 9, 4: 5}
# The first pro buys, the others within hours.
HOURS_BETWEEN: Final = 7
PREFIX: Final = "D"
# The market made here; copies of it have the numbers after.
_FIRST: Final = f"{PREFIX}0"
AGENTS: Final = {"dana": 5, "eli": 4, "mo": 1, "noor": 1}
FAILURES: Final = ("expired_or_canceled_card", "lost_or_stolen_card", "declined")
BAD_NUMBERS: Final = ("000-000-0000", "", "123", "555-0100", "+1 999 999 9999")

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
    count = max(1, scale.pros // NEIGHBOURS)
    ends = [scale.pros * (number + 1) // count for number in range(count)]
    weights = [rng.paretovariate(1.6) for _ in range(scale.pros)]
    total, left, first = sum(weights), scale.charges, 0
    for number, end in enumerate(ends):
        fair = round(scale.charges * sum(weights[first:end]) / total)
        share = left if end == scale.pros else min(left, fair)
        left -= share
        yield from _Neighbourhood(scale, number, first, weights[first:end], share).rows()
        first = end


@dataclass
class _Pro:
    """A pro, and how far the story of their charges has come."""

    pro_id: str
    firm: str
    categories: list[str]
    weight: float
    zeal: float
    cover: int = 0
    number: int = 0

    def next_key(self) -> str:
        """What the ids of the next charge and of all around it end with."""
        self.number += 1
        return f"{self.pro_id[3:]}{self.number:05}"


@dataclass
class _Sale:
    """One pro buys a lead; what the pro reports of it, if anything."""

    pro: _Pro
    at: datetime
    claim: Claim | None = None
    key: str = ""
    by_card: bool = False
    amount: int = 0


@dataclass
class _Lead:
    """A customer's request and the pros it is sold to, the first of them first."""

    category: str
    town: Town
    customer: str
    sales: list[_Sale]
    spoilt_by: str = ""  # the case that is true of it for every pro
    kind: str = "lead"
    key: str = ""


class _Neighbourhood:
    """The pros of one town and their two years."""

    def __init__(self, scale: Scale, number: int, first_pro: int, weights: list[float], charges: int) -> None:
        self.scale, self.charges = scale, charges
        self.rng = Random(f"{scale.seed}.{number}")  # noqa: S311
        self.town = TOWNS[(scale.seed + 5 * number) % len(TOWNS)]
        trades = list(CATEGORIES)
        start = scale.seed + TRADES * number
        self.trades = [trades[(start + at) % len(trades)] for at in range(TRADES)]
        self.pros = [self._pro(first_pro + at, weight) for at, weight in enumerate(weights)]
        self.reporting = Reporting(self.rng, scale.as_of, DAYS)

    def rows(self) -> Rows:
        """The pros, then charge after charge in the order of time."""
        for pro in self.pros:
            yield "pros", self._pro_row(pro)
        sales = [(sale.at, sale.pro.pro_id, sale, lead) for lead in self._leads() for sale in lead.sales]
        sales.sort(key=lambda each: each[:2])
        for _at, _pro, sale, lead in sales:
            yield from self._sold(lead, sale)

    # -- who buys what ------------------------------------------------------------------------------

    def _pro(self, number: int, weight: float) -> _Pro:
        rng = self.rng
        return _Pro(
            f"{_FIRST}P{number:05}",
            f"{rng.choice(LAST)} {rng.choice(FIRMS)}",
            rng.sample(self.trades, rng.choice((1, 2, 2, 3))),
            weight,
            # Most report one charge in twelve; a few live on it.
            rng.choice((0.3, 0.7, 1.0, 1.0, 1.2)) if rng.random() < 0.93 else 4.0,
        )

    def _leads(self) -> Iterator[_Lead]:
        """Leads until all charges are made, in no order."""
        rng, left = self.rng, self.charges
        weights = [pro.weight for pro in self.pros]
        while left:
            buyer = rng.choices(self.pros, weights)[0]
            category = rng.choice(buyer.categories)
            wanted = min(left, rng.choices(list(SOLD_TO), list(SOLD_TO.values()))[0])
            pros = [buyer, *self._rivals(buyer, category, wanted - 1)]
            town = rng.choice(TOWNS) if rng.random() < 0.03 else self.town
            lead = _Lead(category, town, rng.choice(FIRST), self._sales(pros, self._moment(category)))
            self._reported_by(lead)
            left -= len(lead.sales)
            yield lead

    def _rivals(self, buyer: _Pro, category: str, count: int) -> list[_Pro]:
        """Other pros who offer the work, those who buy much more often; fewer where there are fewer."""
        rivals = [pro for pro in self.pros if pro is not buyer and category in pro.categories]
        return sorted(rivals, key=lambda pro: self.rng.expovariate(pro.weight))[:count] if count else []

    def _sales(self, pros: list[_Pro], first_at: datetime) -> list[_Sale]:
        rng = self.rng
        room = (self.scale.as_of - timedelta(hours=3) - first_at) / timedelta(seconds=1)
        lags = [min(rng.expovariate(1 / (HOURS_BETWEEN * 3600)), rng.random() * room) for _ in pros[1:]]
        ats = [first_at, *(first_at + timedelta(seconds=round(lag)) for lag in sorted(lags))]
        return [_Sale(pro, at) for pro, at in zip(pros, ats, strict=True)]

    def _moment(self, category: str) -> datetime:
        """A moment of the two years: growing, seasonal, mostly in working hours of weekdays."""
        rng, swing = self.rng, CATEGORIES[category][3]
        while True:
            day = int(DAYS * math.sqrt(rng.random()))
            at = self.scale.as_of - timedelta(days=DAYS - day, seconds=rng.randint(0, 86_399))
            season = 1 + swing * math.cos((at.timetuple().tm_yday - 190) / 365 * 2 * math.pi)
            weekday = 0.45 if at.weekday() >= 5 else 1.0
            hour = 1.0 if 12 <= at.hour <= 23 else 0.25
            if rng.random() * 1.9 < season * weekday * hour and at < self.scale.as_of - timedelta(hours=3):
                return at

    def _reported_by(self, lead: _Lead) -> None:
        """Who reports it. A lead that is spoilt is so for all who bought it; one or two of them say so."""
        trouble = CATEGORIES[lead.category][4]
        for sale in lead.sales:
            sale.claim = self.reporting.claim(sale.at, sale.pro.zeal, trouble)
        spoilt = next((sale for sale in lead.sales if sale.claim and sale.claim.case.spoils), None)
        if spoilt is not None and spoilt.claim is not None:
            self._spoil(lead, spoilt, spoilt.claim)
        names = {sale.claim.case.name for sale in lead.sales if sale.claim}
        refusals = {"refused", "postponed", "answered", "bargained"} & names
        lead.kind = (
            "opportunity" if refusals or ("bought" not in names and self.rng.random() < 0.5) else "lead"
        )
        for sale in lead.sales:
            if refusals and sale.claim and sale.claim.case.name == "bought":
                sale.claim = None

    def _spoil(self, lead: _Lead, first: _Sale, claim: Claim) -> None:
        lead.spoilt_by = claim.case.name
        others = [sale for sale in lead.sales if sale is not first]
        for sale in others:
            sale.claim = None
        if others:
            echo = self.rng.choice(others)
            echo.claim = self.reporting.echo(claim, echo.at)

    # -- what happens -------------------------------------------------------------------------------

    def _sold(self, lead: _Lead, sale: _Sale) -> Rows:
        sale.key = sale.pro.next_key()
        case = sale.claim.case.name if sale.claim else lead.spoilt_by
        moved = self.rng.choice(far_from(lead.town))
        words = self._words(lead, sale.pro, moved)
        if not lead.key:
            lead.key = sale.key
            yield "customers", self._customer(lead)
            yield "leads", self._lead_row(lead, sale.at)
        yield from self._paid(lead, sale)
        yield from self._chat(lead, sale, case or self._uneventful(lead), words)
        if sale.claim:
            yield from self._reported(lead, sale, sale.claim, moved, words)

    def _uneventful(self, lead: _Lead) -> str:
        """Where nothing is reported one pro gets the job; of several some do not."""
        return "lost" if len(lead.sales) > 1 and self.rng.random() < 0.5 else ""

    def _words(self, lead: _Lead, pro: _Pro, moved: Town) -> dict[str, Any]:
        rng = self.rng
        price = rng.randint(12, 90) * 10
        strange = [each for each in CATEGORIES if each != lead.category and each not in pro.categories]
        return {
            "customer": lead.customer,
            "pro": pro.firm,
            "price": price,
            "less": price * 7 // 10,
            "city": moved.name,
            "category": lead.category,
            "other": rng.choice(strange),
        }

    def _pro_row(self, pro: _Pro) -> Row:
        rng = self.rng
        return {
            "pro_id": pro.pro_id,
            "name": pro.firm,
            "email": f"{pro.pro_id.lower()}@pros.example",
            "phone": _phone(rng, self.town),
            "categories": "|".join(pro.categories),
            "zip": self.town.zip,
            "joined_at": _text(self.scale.as_of - timedelta(days=DAYS + rng.randint(1, 600))),
        }

    def _customer(self, lead: _Lead) -> Row:
        rng = self.rng
        unreachable = lead.spoilt_by == "no_number"
        return {
            "customer_id": f"{_FIRST}C{lead.key}",
            "name": f"{lead.customer} {rng.choice(LAST)}",
            "email": f"{_FIRST.lower()}c{lead.key}@customers.example",
            "phone": rng.choice(BAD_NUMBERS) if unreachable else _phone(rng, lead.town),
        }

    def _lead_row(self, lead: _Lead, at: datetime) -> Row:
        rng = self.rng
        described = DESCRIPTIONS[lead.category]
        if any(sale.claim and sale.claim.case.reason == "terms_violation" for sale in lead.sales):
            described = tuple(each for each in described if not each.startswith("Minor"))
        return {
            "lead_id": f"{_FIRST}L{lead.key}",
            "kind": lead.kind,
            "customer_id": f"{_FIRST}C{lead.key}",
            "category": lead.category,
            "zip": lead.town.zip,
            "description": rng.choice(described),
            "created_at": _text(at - timedelta(minutes=rng.randint(61, 2000))),
        }

    def _paid(self, lead: _Lead, sale: _Sale) -> Rows:
        """The charge, after a payment when the balance does not cover it."""
        rng, pro = self.rng, sale.pro
        low, high = CATEGORIES[lead.category][:2]
        sale.amount = round(rng.randint(low, high), -2) - rng.choice((0, 1, 0))
        sale.by_card = by_card = rng.random() < 0.25
        top_up = sale.amount if by_card else rng.choice((5_000, 10_000, 20_000))
        if by_card or pro.cover < sale.amount:
            yield (
                "payments",
                {
                    "payment_id": f"{_FIRST}Y{sale.key}",
                    "pro_id": pro.pro_id,
                    "amount": top_up,
                    "currency": "USD",
                    "paid_at": _text(sale.at - timedelta(minutes=1)),
                    "processor_ref": f"ch_{_FIRST}{sale.key}",
                },
            )
            pro.cover += 0 if by_card else top_up
        pro.cover -= 0 if by_card else sale.amount
        yield (
            "charges",
            {
                "charge_id": f"{_FIRST}{sale.key}",
                "lead_id": f"{_FIRST}L{lead.key}",
                "pro_id": pro.pro_id,
                "amount": sale.amount,
                "currency": "USD",
                "charged_at": _text(sale.at),
                "paid_with": "card" if by_card else "balance",
                "payment_id": f"{_FIRST}Y{sale.key}" if by_card else "",
            },
        )

    def _chat(self, lead: _Lead, sale: _Sale, case: str, words: Row) -> Rows:
        rng = self.rng
        sent_at = sale.at - timedelta(minutes=rng.randint(15, 55))
        for number, (sender, body) in enumerate(chats.story(rng, case, **words), start=1):
            yield (
                "messages",
                {
                    "message_id": f"{_FIRST}M{sale.key}-{number}",
                    "lead_id": f"{_FIRST}L{lead.key}",
                    "pro_id": sale.pro.pro_id,
                    "sender": sender,
                    "body": body,
                    "sent_at": _text(min(sent_at, self.scale.as_of)),
                },
            )
            sent_at += timedelta(minutes=rng.randint(1, 12))

    # -- reports ------------------------------------------------------------------------------------

    def _reported(self, lead: _Lead, sale: _Sale, claim: Claim, moved: Town, words: Row) -> Rows:
        rng, case = self.rng, claim.case
        zips = {"moved": moved.zip, "near": lead.town.near}
        yield (
            "reports",
            {
                "report_id": f"{_FIRST}-{int(sale.key)}",
                "charge_id": f"{_FIRST}{sale.key}",
                "reason": case.reason,
                "details": notes.details(rng, case),
                "changed_zip": zips.get(case.name, ""),
                "changed_category": words["other"] if case.name == "other_work" else "",
                "channel": rng.choice(("chat", "chat", "email", "phone")),
                "reported_at": _text(claim.reported_at),
            },
        )
        if claim.decided_at:
            yield from self._decided(sale, claim, claim.decided_at)

    def _decided(self, sale: _Sale, claim: Claim, decided_at: datetime) -> Rows:
        rng = self.rng
        approve = rng.random() < APPROVED[claim.case.advised(claim.age_days)]
        yield (
            "decisions",
            {
                "report_id": f"{_FIRST}-{int(sale.key)}",
                "decision": "approve" if approve else "deny",
                "refund_amount": sale.amount if approve else 0,
                "decided_by": rng.choices(list(AGENTS), list(AGENTS.values()))[0],
                "decided_at": _text(decided_at),
                "note": notes.note(rng, claim.case, approve, claim.age_days),
            },
        )
        # A charge paid by card has its payment to itself; behind another's credit others may have emptied it.
        if approve and sale.by_card and rng.random() < 0.9:
            yield from self._card_refund(sale, decided_at)

    def _card_refund(self, sale: _Sale, decided_at: datetime) -> Rows:
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
                "card_refund_id": f"{_FIRST}R{sale.key}",
                "report_id": f"{_FIRST}-{int(sale.key)}",
                "amount": sale.amount,
                "currency": "USD",
                "requested_at": _text(requested_at),
                "submitted_at": _text(requested_at + timedelta(seconds=40)),
                "settled_at": "" if outcome == "pending" else _text(settled_at),
                "outcome": outcome,
                "processor_ref": f"re_{_FIRST}{sale.key}",
                "failure_reason": rng.choice(FAILURES) if outcome in ("failed", "reversed") else "",
            },
        )


def _phone(rng: Random, town: Town) -> str:
    return f"({town.area}) {rng.choice((234, 345, 437, 566, 645, 723, 868))}-{rng.randint(1000, 9999)}"


def _text(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
