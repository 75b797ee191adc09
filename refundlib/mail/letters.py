"""The letters pros get, from the templates beside this file: subject in the first line, then the body.

A template that names a fact nobody gave is an error at once, not a hole in a letter.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from refundlib.domain.letter import Letter
from refundlib.domain.money import format_money

KINDS: Final = (
    "approved",
    "denied",
    "undone",
    "card_refund_sent",
    "card_refund_returned",
    "question",
    "reopened",
    "withdrawn",
)
SUBJECT_CHARACTERS_MAX: Final = 200
_FOLDER: Final = Path(__file__).parent / "templates"

# What was reported, as the object of "You reported …" (DOMAIN: Reasons).
_REASONS: Final = {
    "job_changed": "that the job changed from what was asked for",
    "terms_violation": "that the request breaks our terms of service",
    "invalid_phone": "that the customer's phone number is not valid",
    "clear_no": "that the customer's first answer was a clear no",
    "not_hired": "that the customer did not hire you",
    "other": "something our refund policy does not name",
}


class TemplateLetters:
    """Letters from Jinja2 templates in plain text."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._templates = _templates(folder)

    def compose(self, kind: str, facts: Mapping[str, Any]) -> Letter:
        """The letter of a kind. KeyError for an unknown kind, jinja2.UndefinedError for a fact not given."""
        subject, body = self._templates[kind]
        return Letter(_one_line(subject.render(facts)), body.render(facts).strip() + "\n")


@lru_cache(maxsize=2)
def _templates(folder: Path) -> Mapping[str, tuple[Template, Template]]:
    """Subject and body of each kind, compiled once a process."""
    environment, found = _environment(folder), {}
    for kind in KINDS:
        subject, _, body = (folder / f"{kind}.txt").read_text(encoding="utf-8").partition("\n")
        found[kind] = environment.from_string(subject), environment.from_string(body)
    return found


def _environment(folder: Path) -> Environment:
    # Plain text: escaping for HTML would put &amp; into letters. Facts are values, never templates.
    environment = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters |= {
        "money": format_money,
        "day": _day,
        "moment": _moment,
        "words": _words,
        "reason": _REASONS.__getitem__,
        "quoted": _quoted,
    }
    return environment


def _one_line(text: str) -> str:
    """A header's value: no control characters, single blanks, a bounded length."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:SUBJECT_CHARACTERS_MAX]


def _day(moment: datetime) -> str:
    """2 March 2026, in UTC."""
    at = moment.astimezone(UTC)
    return f"{at.day} {at:%B %Y}"


def _moment(moment: datetime) -> str:
    """2 March 2026, 15:00 UTC: minutes cut, not rounded, so that no right seems longer than it is."""
    return f"{_day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def _words(name: str) -> str:
    """A category as words on one line: house_cleaning gives "house cleaning"."""
    return _one_line(name.replace("_", " "))


def _quoted(text: str) -> str:
    """Somebody's own words, set off from ours line by line."""
    return "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines())
