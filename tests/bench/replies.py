"""Precision and recall of the clear-no rules on labelled replies: python -m tests.bench.replies FILE.jsonl"""

import json
import sys
from collections import Counter
from pathlib import Path

from refundlib.domain.language.replies import read_reply


def main(path: Path) -> None:
    """Prints precision and recall, whole and per source."""
    counts: Counter[tuple[str, bool, bool]] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        reply = json.loads(line)
        passed = read_reply(reply["text"]).status == "pass"
        for source in ("all", reply["source"]):
            counts[source, reply["clear_no"], passed] += 1
    for source in sorted({source for source, _label, _passed in counts}):
        right, wrong, missed = (counts[source, *key] for key in ((True, True), (False, True), (True, False)))
        precision = f"{right / (right + wrong):.3f}" if right + wrong else "–"
        recall = f"{right / (right + missed):.3f}" if right + missed else "–"
        found = f"precision {precision:>5} ({right} of {right + wrong})"
        told = f"{found}  recall {recall:>5} ({right} of {right + missed})"
        sys.stdout.write(f"{source:28} {told}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
