"""Writes the weights of the two checks that read language: python tools/language/train.py [replies|terms]

It needs scikit-learn (with numpy and scipy), which the project does not depend on; it lives in an environment
of its own:
    python3.11 -m venv .train-venv && .train-venv/bin/pip install scikit-learn
    PYTHONPATH=. .train-venv/bin/python tools/language/train.py
It reads the labelled texts in tools/language and the tuning texts in tests/data/language, all written for
this project; never the held-out ones and never the public replies it is measured on. There is no chance in
the method, and so no seed: the same texts and versions give the same weights (made with Python 3.11 and
scikit-learn 1.9.1).
First each group of HELD_BACK is left out in turn, and precision and recall on it are printed; the threshold
for "pass" is the least one at which what the check passes of them is right in WANTED_PRECISION of all cases.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags  # type: ignore[import-not-found,import-untyped,unused-ignore]
from sklearn.linear_model import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    LogisticRegression,
)

from refundlib.domain.language import linear, replies, terms
from refundlib.domain.language.folding import folded

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = ROOT / "refundlib/domain/language"
FILES = {
    "replies": (
        *("replies_a", "replies_b", "replies_c", "replies_former", "replies_tuning"),
        *("replies_trades", "replies_events", "replies_curt", "replies_spanish"),
        *("replies_hired", "replies_indirect", "replies_lookalikes", "replies_people"),
        *("replies_ordinary", "replies_pairs", "replies_facts", "replies_parts"),
    ),
    "terms": (
        *("terms_a", "terms_b", "terms_c", "terms_former", "terms_tuning"),
        *("terms_kinds", "terms_wordings", "terms_people", "terms_pairs", "terms_chat"),
    ),
}
# What is held back together; each writer's texts are judged by a model that saw none of theirs. The others
# are never judged: the c files are many of one make, the rest were written to be hard.
HELD_BACK = {
    "replies": (
        ("replies_a", "replies_trades", "replies_ordinary"),
        ("replies_b", "replies_events", "replies_tuning"),
        ("replies_spanish", "replies_people", "replies_former"),
    ),
    "terms": (
        ("terms_a", "terms_former", "terms_kinds"),
        ("terms_b", "terms_tuning", "terms_wordings"),
        ("terms_people",),
    ),
}
WANTED_PRECISION = 0.97
STRENGTH = 30.0  # the inverse of the L2 penalty, on rows of length one
LEAST_TEXTS = 3  # a gram in fewer texts is not learned
LEAST_WEIGHT = 16  # in linear.WEIGHT_UNIT; lighter grams are left out of the file
STATUSES = ("pass", "fail", "unsure")

Texts = list[dict[str, str]]
# How likely each text passes, whether the rules pass it, whether it does.
Judged = list[tuple[float, bool, bool]]


def texts_of(name: str) -> Texts:
    """The labelled texts of one file."""
    folder = ROOT / "tests/data/language" if name.endswith("_tuning") else HERE
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def grams_of(kind: str, text: str) -> set[str]:
    """What the check itself would look at."""
    plain = folded(text[: linear.LONGEST])
    more = replies.rule_grams(text) if kind == "replies" else terms.rule_grams(text)
    return linear.all_grams(linear.words_of(plain), more)


def matrix(rows: list[set[str]], columns: dict[str, int]) -> Any:
    """One row a text, of length one at most: grams that are not learned count in the length."""
    pairs = [(row, columns[gram]) for row, grams in enumerate(rows) for gram in grams if gram in columns]
    at = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    counts = csr_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), shape=(len(rows), len(columns)))
    return (diags([1 / np.sqrt(len(grams)) for grams in rows]) @ counts).tocsr()


def fitted(rows: list[set[str]], labels: list[str]) -> dict[str, Any]:
    """The model, as the file keeps it, without thresholds."""
    seen: dict[str, int] = {}
    for grams in rows:
        for gram in grams:
            seen[gram] = seen.get(gram, 0) + 1
    columns = {gram: at for at, gram in enumerate(sorted(g for g, n in seen.items() if n >= LEAST_TEXTS))}
    table = matrix(rows, columns)
    table.indices, table.indptr = table.indices.astype(np.int32), table.indptr.astype(np.int32)
    learned = LogisticRegression(C=STRENGTH, max_iter=5000, tol=1e-4).fit(table, labels)
    order = [list(learned.classes_).index(status) for status in STATUSES]
    weights = learned.coef_[order] - learned.coef_[order[2]]
    bias = learned.intercept_[order] - learned.intercept_[order[2]]
    whole = np.rint(weights[:2] / linear.WEIGHT_UNIT).astype(int)
    grams = [
        [gram, int(whole[0, at]), int(whole[1, at])]
        for gram, at in columns.items()
        if max(abs(whole[0, at]), abs(whole[1, at]), abs(whole[0, at] - whole[1, at])) >= LEAST_WEIGHT
    ]
    return {"bias": [round(float(bias[0]), 4), round(float(bias[1]), 4)], "grams": grams}


def model_of(kept: dict[str, Any], thresholds: dict[str, float]) -> linear.Model:
    """The model the check would load from the file."""
    weights = {gram: complex(passes, fails) for gram, passes, fails in kept["grams"]}
    return linear.Model(weights, tuple(kept["bias"]), thresholds)


def likelihoods(kind: str, model: linear.Model, texts: Texts) -> list[float]:
    """How likely each text passes, by the check's own arithmetic."""
    found = []
    for text in texts:
        more = replies.rule_grams(text["text"]) if kind == "replies" else terms.rule_grams(text["text"])
        read = linear.words_of(folded(text["text"][: linear.LONGEST]))
        found.append(linear.scores(model, read, more).passes)
    return found


def ruled(kind: str, text: str) -> bool:
    """Whether the rules alone see a refusal, or a breach."""
    if kind == "replies":
        return replies.read_by_rules(text).status == "pass"
    return any(reading.broken for reading in terms.read_by_rules(text))


def least_sure(kind: str, judged: Judged, wanted: float) -> float:
    """The least threshold at which the check's passes are right as often as wanted; 1 when there is none."""
    agreed = (replies if kind == "replies" else terms).AGREED
    by_rule = [right for chance, rule, right in judged if rule and chance >= agreed]
    good, count, best = sum(by_rule), len(by_rule), 1.0
    for chance, rule, right in sorted(judged, reverse=True):
        if not (rule and chance >= agreed):
            good, count = good + right, count + 1
            best = chance if good / count >= wanted else best
    return round(best, 3)


def told(kind: str, judged: Judged, sure: float) -> str:
    """Precision and recall of the check's passes at a threshold."""
    agreed = (replies if kind == "replies" else terms).AGREED
    said = [right for chance, rule, right in judged if chance >= (min(agreed, sure) if rule else sure)]
    true = sum(right for _, _, right in judged)
    return f"precision {sum(said) / len(said):.3f} recall {sum(said) / true:.3f} ({len(judged)} texts)"


def held_back(kind: str) -> float:
    """Trains without each group in turn, prints how the rest does on it, returns the threshold over all."""
    rows = {
        name: [(grams_of(kind, each["text"]), each["status"]) for each in texts_of(name)]
        for name in FILES[kind]
    }
    judged: dict[str, Judged] = {}
    for group in HELD_BACK[kind]:
        rest = [pair for other in FILES[kind] if other not in group for pair in rows[other]]
        model = model_of(fitted([grams for grams, _ in rest], [label for _, label in rest]), {})
        judged |= {name: judged_by(kind, model, texts_of(name)) for name in group}
    every = [each for here in judged.values() for each in here]
    sure = least_sure(kind, every, WANTED_PRECISION)
    for name, here in {**judged, "all": every}.items():
        sys.stdout.write(f"{name:20} {told(kind, here, sure)}\n")
    return sure


def judged_by(kind: str, model: linear.Model, texts: Texts) -> Judged:
    """How the model and the rules judge labelled texts."""
    chances = likelihoods(kind, model, texts)
    return [
        (chance, ruled(kind, text["text"]), text["status"] == "pass")
        for chance, text in zip(chances, texts, strict=True)
    ]


def train(kind: str) -> None:
    """Writes one file of weights."""
    sure = held_back(kind)
    texts = [each for name in FILES[kind] for each in texts_of(name)]
    kept = fitted([grams_of(kind, each["text"]) for each in texts], [each["status"] for each in texts])
    kept["thresholds"] = {"sure": sure}
    kept["texts"] = len(texts)
    lines = ",\n".join(
        json.dumps(gram, ensure_ascii=False, separators=(",", ":")) for gram in kept.pop("grams")
    )
    head = json.dumps(kept, sort_keys=True)[:-1]
    (OUT / f"{kind}.json").write_text(f'{head}, "grams": [\n{lines}\n]}}\n', encoding="utf-8")
    sys.stdout.write(f"{kind}.json: {len(texts)} texts, sure at {sure}\n")


if __name__ == "__main__":
    for each_kind in sys.argv[1:] or list(FILES):
        train(each_kind)
