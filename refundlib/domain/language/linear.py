"""A small linear model of short texts: which of three statuses a text has, and which words speak for it.

Learned from texts written for this project (tools/language/train.py writes the weights; nothing learns here). A text is
the set of its grams: words, runs of two to three, pairs with a gap, what stands after a "not", what is said last, pieces
of four and five letters of longer words.
Each gram has a weight for pass and one for fail; unsure weighs nothing. Time and memory grow with the length only.
"""

import json
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from refundlib.domain.language.folding import Span

WEIGHT_UNIT: Final = 1 / 20  # the file keeps whole numbers
LONGEST: Final = 2000  # characters of a text that are looked at
WORDS_KEPT: Final = 8192  # words whose pieces are remembered a process
TEXTS_KEPT: Final = (
    4096  # readings remembered a process: people say the same short things, and a page asks thrice
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,:]\d+)*|[^\w\s\"'()*_-]|\n")
_PAUSES: Final = frozenset(".;!\n,:")
_NEGATIONS: Final = frozenset(["not", "no", "nope", "never", "ya"])
_ENDS_OF_NOT: Final = frozenset([",", "?", "but"])
_EDGE: Final = "^"


def _table(text: str) -> dict[str, str]:
    pairs = (line.split(": ") for line in text.strip().splitlines())
    return {word: meaning for words, meaning in pairs for word in words.split()}


# Short and careless spellings as the words they stand for: "won't" and "will not" are one thing.
_SPELLED_OUT: Final = {
    word: tuple(meaning.split())
    for word, meaning in _table(
        """
don't dont dnt doesnt doesn't: do not
didnt didn't: did not
won't wont: will not
can't cant cannot: can not
couldnt couldn't: could not
wouldnt wouldn't: would not
shouldnt shouldn't: should not
isn't isnt ain't aint: is not
aren't arent: are not
wasn't wasnt weren't werent: was not
haven't havent hasn't hasnt: have not
hadn't hadnt: had not
i'm im: i am
i'll ill: i will
i'd id: i would
i've ive: i have
we're: we are
we'll: we will
we'd: we would
we've weve: we have
you're youre ur: you are
you'll youll: you will
you'd: you would
you've youve: you have
it's its: it is
that's thats: that is
that'd thatd: that would
that'll thatll: that will
it'd: it would
it'll itll: it will
they're theyre: they are
they'll: they will
they've: they have
he's hes: he is
she's shes: she is
he'll: he will
she'll: she will
there's theres: there is
here's: here is
what's whats: what is
who's whos: who is
how's: how is
where's: where is
let's lets: let us
gonna gunna gon finna imma: going to
wanna: want to
gotta: got to
hafta: have to
lemme: let me
gimme: give me
dunno: do not know
u yall y'all: you
r: are
n: and
y: why
thx thanx thnx tnx thks tks ty tysm thank thankyou thnks tx: thanks
pls plz plse pleas: please
w: with
rn: right now
atm: at the moment
nvm nevermind nm: never mind
nop noo nooo naw nah nay nopee nopes nahh: nope
yep yup yea yeah yeap yeh: yes
k kk okay: ok
cuz bc coz: because
tho: though
sry srry soz: sorry
somebody: someone
noone: nobody
anybody: anyone
hubby: husband
mum mama: mom
papa pops: dad
"""
    ).items()
}
# Words that do the same work in a sentence.
_KIND: Final = {
    word: kind
    for kind, words in {
        "KIN": "husband wife brother sister dad mom son daughter uncle aunt cousin nephew niece neighbor neighbour neighbors"
        " friend friends buddy roommate landlord grandson grandpa grandma father mother boyfriend girlfriend fiance partner boss"
        " coworker inlaw bil sil kid parents tenant esposo esposa marido hermano hermana papa mama hijo hija primo prima tio tia"
        " cunado vecino vecina amigo amiga sobrino suegro",
        "PRO": "guy plumber roofer painter electrician cleaner cleaners contractor handyman photographer dj tutor coach trainer"
        " mover movers caterer landscaper gardener company companies outfit firm crew vendor pro provider groomer florist planner"
        " bidder bartender baker teacher instructor lawyer accountant mechanic plomero pintor electricista jardinero fotografo"
        " compania empresa contratista maestro",
        "DAY": "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun weekend"
        " weekends weekday weekdays lunes martes miercoles jueves viernes sabado domingo",
        "MONTH": "january february march april june july august september october november december jan feb apr jun jul aug sept"
        " oct nov dec spring summer fall autumn winter easter christmas thanksgiving holidays enero febrero marzo abril mayo junio"
        " julio agosto septiembre octubre noviembre diciembre verano invierno primavera",
        "WHEN": "morning mornings afternoon evening evenings noon night tonight tomorrow manana tarde noche",
        "UNIT": "day days week weeks month months year years semana semanas mes meses dias ano anos",
        "COUNT": "two three four five six seven eight nine ten eleven twelve dos tres cuatro cinco",
        "HELLO": "hi hello hey hola dear",
    }.items()
    for word in words.split()
}


class Words(NamedTuple):
    """A text as the model reads it: its words, their places, and its longer words as written."""

    words: list[str]
    places: list[Span]
    long: set[str]


class Scores(NamedTuple):
    """How likely each status is; the three sum to one."""

    passes: float
    fails: float
    unsure: float


class Model(NamedTuple):
    """Weights in units of WEIGHT_UNIT and the thresholds for pass.

    A weight is a complex number, real for pass and imaginary for fail: one sum, made in C, gives both.
    """

    weights: dict[str, complex]
    bias: tuple[float, float]
    thresholds: dict[str, float]


@lru_cache(maxsize=4)
def load(name: str) -> Model:
    """The weights in NAME.json beside this file, read once."""
    kept = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    weights = {gram: complex(passes, fails) for gram, passes, fails in kept["grams"]}
    return Model(weights, (kept["bias"][0], kept["bias"][1]), kept["thresholds"])


def words_of(plain: str) -> Words:
    """The words of folded text; pauses are one comma, repeated signs one sign."""
    words: list[str] = []
    places: list[Span] = []
    long: set[str] = set()
    for match in _WORD.finditer(plain):
        written, span = match[0], Span(*match.span())
        if "a" <= written[0] <= "z":
            spelled = _SPELLED_OUT.get(written)
            words += spelled or (written,)
            places += (span,) * (len(spelled) if spelled else 1)
            if len(written) > 3:
                long.add(written)
            continue
        word = "," if written in _PAUSES else _number(written) if "0" <= written[0] <= "9" else written
        if not words or words[-1] != word:
            words.append(word)
            places.append(span)
    while words and words[-1] == ",":
        words.pop()
        places.pop()
    return Words(words, places, long)


def _number(written: str) -> str:
    """A number by what it could be: a minor's age, an adult's, anything."""
    if not written.isdecimal() or len(written) > 2:
        return "0"
    return "17" if 5 <= int(written) <= 17 else "18" if int(written) >= 18 else "0"


def _word_grams(words: list[str]) -> tuple[tuple[int, list[str]], ...]:
    """The grams that begin at each word, the text's edges first and last, each kind with how many words it spans."""
    raw = [_EDGE, *words, "$"]
    kinds = [_KIND.get(word, word) for word in raw]
    second, third = kinds[1:], kinds[2:]
    pairs = [f"{a} {b}" for a, b in zip(kinds, second)]  # noqa: B905 - the shorter decides
    return (
        (1, ["1" + word for word in raw]),
        (1, ["1" + kind if kind is not word else "" for word, kind in zip(raw, kinds, strict=True)]),
        (2, pairs),
        (3, [f"{pair} {c}" for pair, c in zip(pairs, third)]),  # noqa: B905
        (3, [f"{a}_{c}" for a, c in zip(kinds, third)]),  # noqa: B905
        (4, [f"{a}__{d}" for a, d in zip(kinds, kinds[3:])]),  # noqa: B905
        (1, _negated(raw, kinds)),
        *_said_last(words, kinds),
    )


def _negated(raw: list[str], kinds: list[str]) -> list[str]:
    """The words that stand after a no or not, up to a pause; blank for the others."""
    grams, within = [], False
    for word, kind in zip(raw, kinds, strict=True):
        within = within and word not in _ENDS_OF_NOT
        grams.append("~" + kind if within else "")
        within = within or word in _NEGATIONS
    return grams


def _said_last(words: list[str], kinds: list[str]) -> tuple[tuple[int, list[str]], ...]:
    """Words and pairs after the last pause that something follows; blank for those before: the end of a text decides."""
    end = len(words)
    while end and words[end - 1] in _ENDS_OF_NOT:
        end -= 1
    begin = end
    while begin and words[begin - 1] not in _ENDS_OF_NOT:
        begin -= 1
    last = kinds[begin + 1 : end + 1]
    before = [""] * (begin + 1)
    pairs = [f"E{a} {b}" for a, b in zip([_EDGE, *last], [*last, "$"], strict=True)]
    return (1, before + ["E" + kind for kind in last]), (2, before[1:] + pairs)


def all_grams(read: Words, more: tuple[str, ...] = ()) -> set[str]:
    """Every gram of a text, with what else is known of it, such as what the rules say."""
    grams = {f"N{min(len(read.words) // 4, 8)}", *more}
    if read.words:
        grams.add("L" + _KIND.get(read.words[0], read.words[0]))
    for _reach, here in _word_grams(read.words):
        grams.update(here)
    grams.discard("")
    for word in read.long:
        grams.update(_pieces(word[:30]))
    return grams


@lru_cache(maxsize=WORDS_KEPT)
def _pieces(word: str) -> tuple[str, ...]:
    """The pieces of four and five letters of a word, its edges included."""
    edged = f"<{word}>"
    last = len(edged) - 3
    return (
        *(edged[at : at + 4] for at in range(last)),
        *(edged[at : at + 5] for at in range(last - 1)),
    )


def scores(model: Model, read: Words, more: tuple[str, ...] = ()) -> Scores:
    """The likelihood of the statuses: a softmax over the sum of weights by the root of the number of grams."""
    grams = all_grams(read, more)
    total = sum(filter(None, map(model.weights.get, grams)), 0j)
    scale = WEIGHT_UNIT / math.sqrt(len(grams))
    passes = math.exp(total.real * scale + model.bias[0])
    fails = math.exp(total.imag * scale + model.bias[1])
    whole = passes + fails + 1.0
    return Scores(passes / whole, fails / whole, 1.0 / whole)


def telling_words(model: Model, read: Words) -> Span | None:
    """The stretch of words that speaks most for pass: the run with the greatest sum of weights."""
    sums = [0.0] * (len(read.words) + 6)
    for reach, grams in _word_grams(read.words):
        for at, gram in enumerate(grams):
            weight = model.weights.get(gram)
            if weight is not None:
                share = (weight.real - max(weight.imag, 0)) / reach
                for over in range(at, at + reach):
                    sums[over] += share
    best, best_run, run, begin = 0.0, None, 0.0, 0
    for at in range(len(read.words)):
        if run <= 0:
            run, begin = 0.0, at
        run += sums[at + 1]
        if run > best:
            best, best_run = run, (begin, at)
    if best_run is None:
        return None
    return Span(read.places[best_run[0]].start, read.places[best_run[1]].end)
