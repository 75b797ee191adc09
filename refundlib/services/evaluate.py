"""`refunds evaluate`: judges claims from JSON Lines, one answer a line, without a database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from refundlib.domain.claim import BundleError, bundle_from_json
from refundlib.domain.eligibility import Gazetteer, PhoneBook, assess
from refundlib.domain.errors import BadFigure
from refundlib.domain.policy import Policy, policy_from_json

Judge = Callable[[object], dict[str, object]]


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
        bundle = bundle_from_json(data)
        return assess(bundle, policy, gazetteer, phone_book).to_json(bundle.report.report_id)

    return answer


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
