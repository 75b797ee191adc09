"""Where a mail belongs: an answer to a report, a report to propose, or a list in which it waits for a person.

What the mail says is compared with rows that were looked up for it; nothing is read or written here. A
proposal is advice: a person files it. In doubt a mail waits, with a sentence that says why.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from refundlib.domain.language.folding import folded
from refundlib.domain.language.mails import reason_of
from refundlib.domain.received_mail import ADDRESS, MAIL_BYTES_MAX, ReadMail

# Of a mail's text so many are looked up.
IDS_MAX: Final = 200
CONTACTS_MAX: Final = 50
NUMBER_DIGITS_MIN: Final = 7
NUMBER_DIGITS: Final = 10
NAME_CHARACTERS_MIN: Final = 3
NAMED_MAX: Final = 5
# Of more conversations that fit no day or category chooses one.
CHOSEN_OF_MAX: Final = 20

_OPEN: Final = ("open", "waiting_on_pro", "awaiting_second_approval")
_STATES: Final = {"approved": "approved", "denied": "denied", "withdrawn": "withdrawn"}


@dataclass(frozen=True)
class KnownPro:
    """A pro of the marketplace."""

    pro_id: str
    name: str
    email: str


@dataclass(frozen=True)
class KnownReport:
    """A report a mail may be about. is_thread: the mail answers a mail of ours about it."""

    report_id: str
    charge_id: str
    pro_id: str
    pro_name: str
    state: str
    is_thread: bool = False


@dataclass(frozen=True)
class Candidate:
    """A charge a mail may be about, with its customer and what was reported on it before."""

    charge_id: str
    lead_id: str
    pro_id: str
    pro_name: str
    charged_at: datetime
    category: str
    customer_name: str
    customer_email: str
    customer_phone: str
    open_report: str | None = None
    refunded_report: str | None = None
    denied_report: str | None = None


@dataclass(frozen=True)
class Known:
    """What was looked up for a mail: pros by address or id, reports, charges."""

    pros: Sequence[KnownPro] = ()
    reports: Sequence[KnownReport] = ()
    candidates: Sequence[Candidate] = ()


@dataclass(frozen=True)
class Placement:
    """Where a mail goes (received_mails.state), why (a sentence), and what it seems to be about."""

    state: Literal["proposed", "unplaced", "answer"]
    why: str
    pro_id: str | None = None
    charge_id: str | None = None
    reason: str | None = None
    report_id: str | None = None


# -- what to look up --------------------------------------------------------------------------------------

_ID: Final = re.compile(r"(?<![\w@.-])[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?(?![\w-])")
_NUMBER: Final = re.compile(r"\+?\(?\d(?:[\s().-]{0,3}\d){6,17}")


@dataclass(frozen=True)
class Clues:
    """What a mail names: ids as written and in capitals, addresses in small letters, last ten digits."""

    ids: tuple[str, ...]
    addresses: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Clues":
        """The clues in a text."""
        addresses = _few((found.lower() for found in ADDRESS.findall(text)), CONTACTS_MAX)
        without = ADDRESS.sub(" ", text)
        words = (word for word in _ID.findall(without) if re.search(r"[\d_-]", word))
        ids = _few((form for word in words for form in (word, word.upper())), IDS_MAX)
        numbers = _few((_digits(found) for found in _NUMBER.findall(text)), CONTACTS_MAX)
        return cls(ids, addresses, tuple(number for number in numbers if number))


def clues(mail: ReadMail) -> Clues:
    """All that a mail names, in subject and text."""
    return Clues.of(f"{mail.subject}\n{mail.body}")


def sender_addresses(mail: ReadMail) -> tuple[tuple[str, ...], ...]:
    """Whose mail it may be, the surest first: From, Reply-To, the first senders of what it forwards."""
    groups = ((mail.from_address,), (mail.reply_to,), mail.forwarded_from)
    return tuple(tuple(address.lower() for address in group if address) for group in groups)


def _few(items: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))[:most]


def _digits(number: str) -> str:
    """The last ten digits; "" for what cannot tell one customer from another."""
    digits = "".join(sign for sign in number if sign in "0123456789")[-NUMBER_DIGITS:]
    return digits if len(digits) >= NUMBER_DIGITS_MIN and len(set(digits)) > 1 else ""


# -- placing ----------------------------------------------------------------------------------------------


def place(mail: ReadMail, known: Known) -> Placement:
    """Where the mail belongs."""
    if mail.is_automatic:
        return _automatic(known)
    sender = _sender(mail, known.pros)
    if mail.raw is None:
        return _too_large(mail, sender)
    if known.reports and (placement := _about_a_report(mail, known, sender)):
        return placement
    return _about_a_charge(mail, known, sender)


@dataclass(frozen=True)
class _Sender:
    """The pros a mail may be of, and how they were found. wrote_it: by the From address, and nothing else."""

    pros: tuple[KnownPro, ...] = ()
    how: str = ""
    wrote_it: bool = False


def _sender(mail: ReadMail, pros: Sequence[KnownPro]) -> _Sender:
    ways = (
        ("the sender's address", True),
        ("the address to answer to", False),
        ("the first sender of the forwarded mail", False),
    )
    for (how, wrote_it), addresses in zip(ways, sender_addresses(mail), strict=True):
        found = tuple(pro for pro in pros if pro.email.strip().lower() in addresses)
        if found:
            return _Sender(found, how, wrote_it)
    ids = set(clues(mail).ids)
    named = tuple(pro for pro in pros if pro.pro_id in ids)
    return _Sender(named, "the pro's id in the text") if named else _Sender()


def _too_large(mail: ReadMail, sender: _Sender) -> Placement:
    size, most = (f"{count / 1024 / 1024:.1f} MB" for count in (mail.size_bytes, MAIL_BYTES_MAX))
    return Placement(
        "unplaced",
        f"The mail has {size}, and {most} is the most that is fetched: only its headers are here. "
        "Open it in the mailbox.",
        pro_id=sender.pros[0].pro_id if len(sender.pros) == 1 else None,
    )


def _answered(known: Known) -> list[KnownReport]:
    """The reports whose mails it answers, else those it names."""
    return [report for report in known.reports if report.is_thread] or list(known.reports)


def _automatic(known: Known) -> Placement:
    why = "Nobody wrote this: it is an automatic answer or a mail that came back."
    answered = _answered(known)
    if len(answered) != 1:
        return Placement("unplaced", why)
    (report,) = answered
    return Placement(
        "unplaced",
        f"{why} It seems to answer report {report.report_id} of {report.pro_name}.",
        pro_id=report.pro_id,
        charge_id=report.charge_id,
    )


def _about_a_report(mail: ReadMail, known: Known, sender: _Sender) -> Placement | None:
    """The placement of a mail that answers or names a report; None when it is about another charge.

    It lands by itself only from the pro's own address and in the thread of a mail of ours: whose number
    (Message-ID) nobody can guess, as they can the report's.
    """
    answered = _answered(known)
    if len(answered) > 1:
        names = _listed(report.report_id for report in answered)
        return Placement("unplaced", f"It names several reports: {names}. Put its words beside one.")
    (report,) = answered
    about = {"pro_id": report.pro_id, "charge_id": report.charge_id}
    if not sender.wrote_it or report.pro_id not in {pro.pro_id for pro in sender.pros}:
        return _seems_to_answer(report, _writer(mail, report, sender))
    if report.state in _OPEN:
        if not report.is_thread:
            return _seems_to_answer(report, "it only names the report and answers no mail of ours")
        why = f"{report.pro_name} wrote from {sender.how}, and the mail answers our mail about"
        return Placement("answer", f"{why} {report.report_id}.", report_id=report.report_id, **about)
    if _names_another_charge(mail, known, report):
        return None
    return Placement(
        "unplaced",
        f"Report {report.report_id} is {_STATES.get(report.state, report.state)} already. "
        "If this is new evidence against a denial, it appeals the report.",
        **about,
    )


def _writer(mail: ReadMail, report: KnownReport, sender: _Sender) -> str:
    """Who wrote a mail about a report of a pro whose address is not the sender's."""
    writer = mail.from_address or "nobody who is named"
    if sender.wrote_it:
        return f"{_listed(pro.name for pro in sender.pros)} wrote it"
    if report.pro_id in {pro.pro_id for pro in sender.pros}:
        return f"{writer} wrote it, and only {sender.how} is the pro's"
    return f"{writer} wrote it"


def _seems_to_answer(report: KnownReport, doubt: str) -> Placement:
    return Placement(
        "unplaced",
        f"It seems to answer report {report.report_id} of {report.pro_name}, but {doubt}. "
        "If it is the pro's answer, put it beside the report.",
        pro_id=report.pro_id,
        charge_id=report.charge_id,
    )


_REPORT_IN_WORDS: Final = re.compile(
    r"(?:^|answer |already: |before: |on )[Rr]eport (?=[\w-]*[\d_-])([A-Za-z0-9](?:[\w-]{0,62}[A-Za-z0-9])?)"
)


def report_of(why: str) -> str | None:
    """The report that the sentence of a placement names, as these rules write it; None for none."""
    found = _REPORT_IN_WORDS.search(why)
    return found[1] if found else None


def _names_another_charge(mail: ReadMail, known: Known, report: KnownReport) -> bool:
    own = f"{mail.subject}\n{mail.words}"
    others = [each for each in known.candidates if each.charge_id != report.charge_id]
    return bool(_best([each for each in others if each.pro_id == report.pro_id], own))


def _about_a_charge(mail: ReadMail, known: Known, sender: _Sender) -> Placement:
    if not sender.pros:
        return _unknown_sender(mail, known)
    ours = {pro.pro_id for pro in sender.pros}
    theirs = [each for each in known.candidates if each.pro_id in ours]
    found = _best(theirs, f"{mail.subject}\n{mail.words}") or _best(theirs, f"{mail.subject}\n{mail.body}")
    pros = {each.pro_id for each in found.fits} if found else ours
    if len(pros) > 1:
        return _two_pros(sender)
    pro_id = next(iter(pros))
    if found is None:
        return _no_conversation(mail, known, sender, pro_id)
    if len(found.fits) > 1:
        return _two_conversations(found, pro_id)
    return _proposed(mail, found, sender)


def _unknown_sender(mail: ReadMail, known: Known) -> Placement:
    writer = mail.from_address or mail.from_name or "nobody who is named"
    why = f"No pro has the address of the sender ({writer})."
    named = [each for each in known.candidates if each.charge_id in set(clues(mail).ids)]
    if len(named) != 1:
        return Placement("unplaced", f"{why} If it is a pro's, place it by the charge.")
    (one,) = named
    return Placement(
        "unplaced",
        f"{why} It names charge {one.charge_id} of {one.pro_name}: make sure who wrote it.",
        charge_id=one.charge_id,
    )


def _two_pros(sender: _Sender) -> Placement:
    names = _listed(f"{pro.name} ({pro.pro_id})" for pro in sender.pros)
    return Placement("unplaced", f"Two pros fit, by {sender.how}: {names}. Choose the charge.")


def _no_conversation(mail: ReadMail, known: Known, sender: _Sender, pro_id: str) -> Placement:
    name = next(pro.name for pro in sender.pros if pro.pro_id == pro_id)
    named = set(clues(mail).ids)
    foreign = [each for each in known.candidates if each.pro_id != pro_id and each.charge_id in named]
    if foreign:
        why = f"It is from {name}, but charge {foreign[0].charge_id} belongs to {foreign[0].pro_name}."
    else:
        why = f"It is from {name}, by {sender.how}, but it names no conversation of theirs."
    return Placement("unplaced", f"{why} Choose the charge, or ask the pro.", pro_id=pro_id)


def _two_conversations(found: "_Fit", pro_id: str) -> Placement:
    names = _listed(f"{each.charge_id} ({each.customer_name})" for each in found.fits)
    return Placement(
        "unplaced",
        f"{_count(len(found.fits))} conversations fit, by {found.how}: {names}. Choose one.",
        pro_id=pro_id,
    )


def _proposed(mail: ReadMail, found: "_Fit", sender: _Sender) -> Placement:
    (charge,) = found.fits
    about = {"pro_id": charge.pro_id, "charge_id": charge.charge_id}
    if obstacle := _reported(charge):
        return Placement("unplaced", obstacle, **about)
    reason, words = reason_of(mail.words or mail.body)
    because = f"The words “{words}” decided the reason." if words else "No words tell the reason."
    return Placement(
        "proposed",
        f"The pro, {charge.pro_name}, is known by {sender.how}; the charge by {found.how}. {because}",
        reason=reason,
        **about,
    )


def _reported(charge: Candidate) -> str:
    """Why the charge is not proposed: what was reported on it before; "" when it can be reported."""
    one = f"Charge {charge.charge_id}"
    if charge.open_report:
        return f"{one} is reported already: report {charge.open_report} is still to be decided."
    if charge.refunded_report:
        return f"{one} was refunded before, on report {charge.refunded_report}."
    if charge.denied_report:
        return (
            f"{one} was reported before: report {charge.denied_report} is denied already. "
            "If this is new evidence, it appeals the report."
        )
    return ""


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    if len(every) > NAMED_MAX:
        every = [*every[:NAMED_MAX], f"{len(every) - NAMED_MAX} more"]
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def _count(number: int) -> str:
    return "Two" if number == 2 else str(number)


# -- which conversation -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fit:
    """The charges that fit best, and by what."""

    fits: tuple[Candidate, ...]
    how: str


_HOW: Final = (
    "its id",
    "the lead's id",
    "its report's id",
    "the customer's address or number",
    "the customer's full name",
    "the customer's last name",
)


def _best(candidates: Sequence[Candidate], text: str) -> _Fit | None:
    """The charges of the strongest clue any has; of several the one whose category or day the text names."""
    it = _Text.of(text)
    ranked = [(rank, each) for each in candidates if (rank := it.rank(each)) is not None]
    if not ranked:
        return None
    best = min(rank for rank, _ in ranked)
    fits = {each.charge_id: each for rank, each in ranked if rank == best}
    is_few = 1 < len(fits) <= CHOSEN_OF_MAX
    chosen = [each for each in fits.values() if it.has_day_or_category(each)] if is_few else []
    how = _HOW[best] + (" and a day or category" if len(chosen) == 1 else "")
    return _Fit(tuple(chosen) if len(chosen) == 1 else tuple(fits.values()), how)


@dataclass(frozen=True)
class _Text:
    """A text made ready to be asked for many charges: as written, with single blanks, and that folded."""

    text: str
    plain: str
    clues: Clues

    @classmethod
    def of(cls, text: str) -> "_Text":
        even = " ".join(text.split())
        return cls(even, folded(even), Clues.of(text))

    def rank(self, charge: Candidate) -> int | None:
        """The strongest clue to the charge, as an index of _HOW; None for none."""
        reports = {charge.open_report, charge.refunded_report, charge.denied_report}
        signs = (
            charge.charge_id in self.clues.ids,
            charge.lead_id in self.clues.ids,
            not reports.isdisjoint(self.clues.ids),
            self._has_contact(charge),
            self._has_name(" ".join(charge.customer_name.split())),
            self._has_last_name(charge),
        )
        return signs.index(True) if True in signs else None

    def _has_contact(self, charge: Candidate) -> bool:
        email, digits = charge.customer_email.strip().lower(), _digits(charge.customer_phone)
        has_email = bool(email) and email in self.clues.addresses
        return has_email or (bool(digits) and digits in self.clues.numbers)

    def _has_name(self, name: str) -> bool:
        return len(name) >= NAME_CHARACTERS_MIN and _has_words(self.plain, folded(name))

    def _has_last_name(self, charge: Candidate) -> bool:
        """Whether it has the last name: with a capital unless the text has none, and not the pro's own."""
        last = (charge.customer_name.split() or [""])[-1]
        if len(last) < NAME_CHARACTERS_MIN or _has_words(folded(charge.pro_name), folded(last)):
            return False
        if self.text == self.text.lower():
            return _has_words(self.plain, folded(last))
        return any(self.text[at : at + 1].isupper() for at in _places(self.plain, folded(last)))

    def has_day_or_category(self, charge: Candidate) -> bool:
        """Whether the text names the day of the charge, or the lead's category."""
        category = folded(charge.category.replace("_", " "))
        words = [category, *category.split()] if len(category) >= NAME_CHARACTERS_MIN else []
        return any(_has_words(self.plain, each) for each in [*words, *_days(charge.charged_at)])


def _has_words(plain: str, words: str) -> bool:
    return next(_places(plain, words), None) is not None


def _places(plain: str, words: str) -> Iterator[int]:
    """Where the words stand by themselves."""
    # Plain searches: patterns of 500 charges take seconds to be made.
    wanted = " ".join(words.split())
    at = plain.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        if not (_is_of_word(plain[at - 1 : at]) or _is_of_word(plain[end : end + 1])):
            yield at
        at = plain.find(wanted, at + 1)


def _is_of_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


_MONTHS: Final = (
    ("january", "enero"), ("february", "febrero"), ("march", "marzo"), ("april", "abril"), ("may", "mayo"),
    ("june", "junio"), ("july", "julio"), ("august", "agosto"), ("september", "septiembre"),
    ("october", "octubre"), ("november", "noviembre"), ("december", "diciembre"),
)  # fmt: skip


def _days(charged_at: datetime) -> list[str]:
    """How a mail may write the day of a charge; an evening here is the next day in UTC, so two days count."""
    written = []
    for day in (charged_at.date(), (charged_at - timedelta(hours=8)).date()):
        english, spanish = _MONTHS[day.month - 1]
        for month in (english, english[:3]):
            written += [f"{month} {day.day}", f"{month} {day.day}{_ordinal(day.day)}", f"{day.day} {month}"]
        written += [f"{day.day} de {spanish}", f"{day.month}/{day.day}", f"{day.month:02}/{day.day:02}"]
        written += [f"{day:%Y-%m-%d}", f"{day.month}/{day.day}/{day.year}"]
    return list(dict.fromkeys(written))


def _ordinal(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
