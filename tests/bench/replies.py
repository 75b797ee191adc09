"""Precision and recall of the checks that read language: python -m tests.bench.replies [--terms] FILE.jsonl …

Each line of a file has `text` and `source`, and either `clear_no` (true or false) or `status` (pass, unsure,
fail). A text counts as found when the check says pass; "as fail" counts the true passes it calls fail, the
rest of those not found are unsure. With --terms the files are texts for the terms of service. Prints figures,
never texts.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from refundlib.domain.language.replies import read_reply
from refundlib.domain.language.terms import read_terms


def status_of(text: str, about_terms: bool) -> str:
    """What the check would say of one text alone."""
    if not about_terms:
        return read_reply(text).status
    shown = {reading.broken for reading in read_terms(text)}
    return "pass" if True in shown else "fail" if shown else "unsure"


def wanted_of(example: dict[str, Any]) -> str:
    """The label, whichever way it is written."""
    return str(example["status"]) if "status" in example else "pass" if example["clear_no"] else "other"


def counted(path: Path, about_terms: bool) -> dict[str, Counter[tuple[str, str]]]:
    """How often each label met each status, per source and over all."""
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        example = json.loads(line)
        pair = wanted_of(example), status_of(example["text"], about_terms)
        for source in ("all", example["source"]):
            counts.setdefault(source, Counter())[pair] += 1
    return counts


def precision_recall(counts: Counter[tuple[str, str]]) -> tuple[int, int, int, int]:
    """Of one source: passes that are right, all passes, true passes, and true passes called fail."""
    right = counts["pass", "pass"]
    said = sum(number for (_label, status), number in counts.items() if status == "pass")
    true = sum(number for (label, _status), number in counts.items() if label == "pass")
    return right, said, true, counts["pass", "fail"]


def main(path: Path, about_terms: bool) -> None:
    """Prints precision and recall, whole and per source."""
    sys.stdout.write(f"{path.name}\n")
    for source, counts in sorted(counted(path, about_terms).items()):
        right, said, true, failed = precision_recall(counts)
        precision = f"{right / said:.3f}" if said else "–"
        recall = f"{right / true:.3f}" if true else "–"
        found = f"precision {precision:>5} ({right} of {said})"
        sys.stdout.write(f"{source:34} {found:28} recall {recall:>5} ({right} of {true})  as fail {failed}\n")


if __name__ == "__main__":
    for each_file in [word for word in sys.argv[1:] if word != "--terms"]:
        main(Path(each_file), "--terms" in sys.argv)
