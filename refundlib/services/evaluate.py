"""`refunds evaluate`: judges claims from JSON Lines, one answer a line, without a database."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn

from refundlib.domain.claim import (
    Bundle,
    BundleError,
    Charge,
    Customer,
    Lead,
    Message,
    Pro,
    Report,
    bundle_from_json,
)
from refundlib.domain.eligibility import Gazetteer, PhoneBook, assess
from refundlib.domain.errors import BadFigure
from refundlib.domain.policy import Policy, policy_from_json

Judge = Callable[[object], dict[str, object]]
# The objects of a line; a claim's fields have the names that the line has.
_PARTS: Final[Mapping[str, type]] = {
    "report": Report,
    "charge": Charge,
    "lead": Lead,
    "pro": Pro,
    "customer": Customer,
}
_NAMED_MAX: Final = 30


def read_policy(path: Path) -> Policy:
    """A policy from a JSON file. Raises BadFigure when it cannot be read."""
    try:
        return policy_from_json(json.loads(path.read_bytes(), parse_constant=_no_constant))
    except OSError as error:
        raise BadFigure(f"The policy file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadFigure(f"The policy file {path} is no JSON: {error}.") from error


def judge(policy: Policy, gazetteer: Gazetteer, phone_book: PhoneBook) -> Judge:
    """What turns one bundle's JSON into the answer's JSON. Raises BundleError."""

    def answer(data: object) -> dict[str, object]:
        bundle = _bundle(data)
        return assess(bundle, policy, gazetteer, phone_book).to_json(bundle.report.report_id)

    return answer


def _bundle(data: object) -> Bundle:
    """The claim of a line. Raises BundleError, which names all that is missing when something is."""
    try:
        return bundle_from_json(data)
    except BundleError as error:
        if not (missing := list(islice(_missing(data), _NAMED_MAX + 1))):
            raise
        if len(missing) == 1:
            raise BundleError(f"{missing[0]} is missing") from error
        more = " and more" if len(missing) > _NAMED_MAX else ""
        raise BundleError(f"missing: {', '.join(missing[:_NAMED_MAX])}{more}") from error


def _missing(data: object) -> Iterator[str]:
    """The names that a line lacks, an object that is not there with the fields it should have."""
    if not isinstance(data, dict):
        return
    for part, kind in _PARTS.items():
        if part not in data:
            yield f"{part} ({', '.join(_names(kind))})"
        elif isinstance(data[part], dict):
            yield from (f"{part}.{name}" for name in _names(kind) if name not in data[part])
    if "messages" not in data:
        yield f"messages (a list, each with {', '.join(_names(Message))})"
    elif isinstance(data["messages"], list):
        for index, message in enumerate(data["messages"]):
            if isinstance(message, dict):
                yield from (f"messages[{index}].{name}" for name in _names(Message) if name not in message)


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def run_evaluate(lines: BinaryIO, out: BinaryIO, answer: Judge) -> int:
    """Answers every line in order; returns the exit status, 1 when a line could not be read.

    Reads and writes a line at a time, whatever the size of the file.
    """
    status = 0
    for number, data in _numbered(lines):
        try:
            reply = answer(_parsed(data))
        except (BundleError, ValueError, RecursionError) as error:
            status, reply = 1, {"line": number, "error": _sentence(error)}
        # ASCII, so that any text that JSON can name can be written back.
        out.write(json.dumps(reply).encode("ascii") + b"\n")
    out.flush()
    return status


def _numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, start=1):
        data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if data.strip():
            yield number, data


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BundleError(f"the line is not UTF-8 at byte {error.start + 1}") from error


def _no_constant(name: str) -> NoReturn:
    raise BundleError(f"{name} is not a number that JSON knows")


def _sentence(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"the line is no JSON: {error.msg} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "the line is nested too deeply"
    return str(error) if isinstance(error, BundleError) else "the line has a number of too many digits"
