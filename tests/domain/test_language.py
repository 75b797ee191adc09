"""The two checks that read language: what they say by kind, on texts of their own and on labelled ones."""

import json
import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from refundlib.domain.language import linear
from refundlib.domain.language.folding import folded
from refundlib.domain.language.replies import read_reply
from refundlib.domain.language.terms import read_terms
from tests.bench.replies import counted, precision_recall, status_of

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/language"
WORDS = st.lists(
    st.sampled_from(
        ["no", "thanks", "don't", "u", "hired", "another", "yes", "?", "\n", "😀", "İ", "16", "ß", "'"]
    )
    | st.text(max_size=8)
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("No thanks", "pass"),
        ("NO THANK YOU!!", "pass"),
        ("nah im good", "pass"),
        ("We hired someone else", "pass"),
        ("Not interested, please stop texting me", "pass"),
        ("No gracias, ya contratamos a otra persona", "pass"),
        ("My brother is going to do it for free, thanks anyway", "pass"),
        ("Maybe later", "unsure"),
        ("Not right now", "unsure"),
        ("Let me think about it and get back to you", "unsure"),
        ("Déjeme pensarlo", "unsure"),
        ("No, the upstairs bathroom", "fail"),
        ("No problem", "fail"),
        ("not the warranty, but yes to the repair", "fail"),
        ("Can you do it for $100?", "fail"),
        ("Yes, come on Saturday", "fail"),
        ("Please find me something else", "fail"),
        ("Is there another flight in the evening?", "fail"),
    ],
)
def test_replies_by_kind(text: str, wanted: str) -> None:
    """Refusals pass, postponements are unsure, details, bargaining, acceptances and other wishes fail."""
    assert read_reply(text).status == wanted


@pytest.mark.parametrize(
    "text",
    [
        "My neighbor wasn't interested but I am",
        "I don't want it patched, I want it replaced",
        "Our caterer cancelled on us, can you help?",
        "sorry no idea",
    ],
)
def test_refusal_words_alone_do_not_pass(text: str) -> None:
    """Words of refusal about somebody or something else are no clear no."""
    assert read_reply(text).status != "pass"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("We are looking for employees", "pass"),
        ("I'm 16 and my parents don't know", "pass"),
        ("Are you hiring? I have five years of experience", "pass"),
        ("I will send a check for more and you wire the rest to my mover", "pass"),
        ("The employee bathroom has a leak", "fail"),
        ("A minor leak", "fail"),
        ("I'm 45", "fail"),
        ("When can you come?", "unsure"),
        ("Paint two bedrooms in April", "unsure"),
    ],
)
def test_terms_by_kind(text: str, wanted: str) -> None:
    """Breaches pass, words that only sound like one fail, all else is unsure."""
    assert status_of(text, about_terms=True) == wanted


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Thank you for writing. We hired someone else.", "hired someone"),
        ("Hola, no gracias", "no gracias"),
        ("Thank you for the quote! We will stay with our current cleaner.", "current cleaner"),
    ],
)
def test_the_words_that_decided(text: str, part: str) -> None:
    """The span holds the words of the refusal."""
    reading = read_reply(text)
    assert reading.status == "pass"
    assert part in text[reading.span.start : reading.span.end]


@options(deadline=None, derandomize=True, max_examples=300)
@given(text=st.text(max_size=300) | WORDS)
def test_any_text_is_read(text: str) -> None:
    """Never raises; spans lie in the text; there is always a sentence."""
    reading = read_reply(text)
    assert reading.status in ("pass", "fail", "unsure")
    assert 0 <= reading.span.start <= reading.span.end <= len(text)
    assert reading.why.endswith(".")
    for told in read_terms(text):
        assert 0 <= told.span.start < told.span.end <= len(text)
        assert told.why.endswith(".")


@pytest.mark.parametrize(
    "unit", ["no thanks ", "a", "'", "don't ", "? ", "no ", "1,", "hi\n", "not a minor "]
)
def test_time_grows_with_the_length_and_is_bounded(unit: str) -> None:
    """Eight times the text takes at most some sixteen times as long; past the bound, nothing more."""

    def seconds(length: int) -> float:
        takes = []
        for turn in range(5):
            # Another text each time: what was read is remembered.
            text = f"{length}{turn} {unit * length}"[:length]
            began = time.process_time()
            read_reply(text)
            list(read_terms(text))
            takes.append(time.process_time() - began)
        return min(takes)

    read_reply(unit)
    list(read_terms(unit))
    short, long, longest = seconds(250), seconds(2000), seconds(200_000)
    assert long <= 16 * short + 0.002
    assert longest <= 4 * long + 0.01


def test_only_the_beginning_is_read() -> None:
    """What stands after the first 2,000 characters changes nothing."""
    assert read_reply("ok " * 667 + "no thanks") == read_reply("ok " * 667)


@pytest.mark.parametrize("name", ["replies", "terms"])
def test_weights_are_what_the_model_reads(name: str) -> None:
    """Each gram of the file is one the model can find, once, in order, with weight; the file is small."""
    path = Path(linear.__file__).with_name(f"{name}.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    grams = [gram for gram, _passes, _fails in kept["grams"]]
    assert grams == sorted(set(grams))
    assert all(isinstance(weight, int) for _gram, *both in kept["grams"] for weight in both)
    kinds = Counter("word" if re.match(r"[1EL~]|.* |.*_", gram, re.DOTALL) else "other" for gram in grams)
    assert kinds["word"] > 1000
    assert "^ no" in grams or name == "terms"
    assert path.stat().st_size < 2_500_000
    assert 0.5 < kept["thresholds"]["sure"] < 1


def test_grams_of_a_text() -> None:
    """The grams, on one example: spelled out, edges, runs, gaps, what stands after a not, pieces."""
    grams = linear.all_grams(linear.words_of(folded("Don't call!")), ("=fail",))
    assert grams == {
        *("Edo", "Enot", "Ecall", "E^ do", "Edo not", "Enot call", "Ecall $"),
        *("N0", "=fail", "Ldo", "1^", "1do", "1not", "1call", "1$", "^ do", "do not", "not call", "call $"),
        *(
            "^ do not",
            "do not call",
            "not call $",
            "^_not",
            "do_call",
            "not_$",
            "^__call",
            "do__$",
            "~call",
            "~$",
        ),
        *(
            "<don",
            "don'",
            "on't",
            "n't>",
            "<don'",
            "don't",
            "on't>",
            "<cal",
            "call",
            "all>",
            "<call",
            "call>",
        ),
    }


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("We said no to the others. You start Monday", "^ you start DAY $"),
        ("Loved it, but my wife didn't. Good luck!?", "^ good luck $"),
        ("?!", "^ $"),
        ("", "^ $"),
    ],
)
def test_what_is_said_last(text: str, last: str) -> None:
    """The words after the last pause that something follows count a second time."""
    words = last.split()
    grams = {gram for gram in linear.all_grams(linear.words_of(folded(text))) if gram.startswith("E")}
    assert grams == {f"E{word}" for word in words[1:-1]} | {f"E{a} {b}" for a, b in pairwise(words)}


def floor(name: str, about_terms: bool = False) -> tuple[float, float]:
    """Precision and recall of "pass" on one file of labelled texts."""
    counts = counted(DATA / f"{name}.jsonl", about_terms)["all"]
    right, said, true, _failed = precision_recall(counts)
    return right / said, right / true


FIXED = (
    ("we awarded the job to another bidder", "pass"),
    ("gonna do it myself with my brothers", "pass"),
    ("ya contratamos a otra persona", "pass"),
    ("we sold the house, so no need", "pass"),
    ("please close my request", "pass"),
    ("count us out", "pass"),
    ("still comparing quotes", "unsure"),
    ("hmm", "unsure"),
    ("who knows, maybe", "unsure"),
    ("no, it's a gas stove", "fail"),
    ("I'd hate to say no to that price, book me in", "fail"),
    ("how much for two rooms?", "fail"),
)


@pytest.mark.parametrize(("text", "wanted"), FIXED)
def test_the_shipped_weights(text: str, wanted: str) -> None:
    """The weights in the package give fixed results on a dozen texts; new weights must be looked at."""
    assert read_reply(text).status == wanted


@pytest.mark.parametrize(
    ("name", "precision", "recall"),
    [
        ("replies_tuning", 0.99, 0.99),
        ("terms_tuning", 0.99, 0.88),
        ("replies_heldout", 0.985, 0.98),
        ("terms_heldout", 0.936, 0.936),
    ],
)
def test_no_worse_than_reached(name: str, precision: float, recall: float) -> None:
    """Precision and recall of "pass" stay at what docs/checks.md says; the tuning texts were learned from."""
    reached = floor(name, about_terms=name.startswith("terms"))
    assert reached[0] >= precision
    assert reached[1] >= recall


@pytest.mark.parametrize(("name", "of"), [("replies_reviewed", 9), ("terms_reviewed", 7)])
def test_innocent_words(name: str, of: int) -> None:
    """Of innocent texts written against the named rules no more pass than docs/checks.md says."""
    right, said, _true, _failed = precision_recall(
        counted(DATA / f"{name}.jsonl", name.startswith("terms"))["all"]
    )
    assert said - right <= of
