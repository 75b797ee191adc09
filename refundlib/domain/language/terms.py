"""Whether words show a job or customer that breaks the terms of service, or show the opposite.

Named rules over folded text, and a linear model that finds breaches they do not know and doubts those it does not
believe; what is doubted is not told, so that a person looks.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from refundlib.domain.language import linear
from refundlib.domain.language.folding import Span, blanked, folded, spans


class TermsReading(NamedTuple):
    """Words that show a breach (broken), or that only sound like one."""

    broken: bool
    why: str
    span: Span


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{'|'.join(alternatives)})(?![\w])")


_STAFF = (
    r"(?:employees?|workers?|staff|helpers?|laborers?|labourers?|technicians?|techs|installers?|crew members?|apprentices?|"
    r"sub-?contractors?|subs|drivers?|cleaners|painters|plumbers|electricians|roofers|interns?|team members?|applicants|candidates)"
)
# How likely a breach must be, by the model, for one that the rules found; and to doubt words that only sound like one.
AGREED: Final = 0.7
POSSIBLE: Final = 0.5
# Words that only sound like a breach: they are read first and count as the opposite.
_INNOCENT = (
    (
        "“Minor” here means small.",
        _words(
            r"(?:very |fairly |pretty |relatively |some |a few |just |only )?minor (?!girl|boy|child|children|kid|person|under|in age|son|daughter|is |and i|so i)[a-z-]+",
            r"(?:it's|its|it is|this is|that is|that's|is|are|was|looks|seems|fairly|pretty|very|quite|relatively) minor(?= *(?:$|[.,!;]))",
        ),
    ),
    (
        "The employees here are the customer's own, not wanted ones.",
        _words(
            r"(?:employees?|staff|worker)(?:'s|s')? (?:bath ?rooms?|restrooms?|toilets?|kitchen|lounge|entrance|parking|break ?room|locker|lockers|area|room|"
            r"door|cafeteria|lunch ?room|housing|lot|shower|sink|fridge|bathroom)",
            r"(?:our|my|the) (?:employees?|staff|workers)(?= (?:use|uses|park|parks|work|works|need|needs|are|is|will|can|said|told|noticed|have|has|complain\w*)\b)",
        ),
    ),
    (
        "The customer wants to hire a pro for the job.",
        _words(
            r"(?:looking|want|wanting|hoping|need|ready|trying|going|like|wish|plan|planning|prefer) to hire(?: (?:a|an|someone|somebody|you|one|your|the|some))?(?! (?:\w+ )?(?:employees?|staff|workers|helpers|full|part))",
            r"(?:hiring|hire) (?:a (?:pro|professional|contractor|company|plumber|painter|roofer|electrician|cleaner|handyman|landscaper|mover)|someone to|you)",
        ),
    ),
    (
        "The customer says they are of age.",
        _words(
            r"(?:i'm|im|i am|he is|she is|he's|she's) (?:1[89]|[2-9][0-9])(?: (?:years old|yrs old|yo|years of age))?"
            r"(?! *(?:%|min|mins|minutes?|miles?|blocks?|hours?|hrs?|days?|weeks?|feet|ft|th\b))",
            r"(?:not|no longer|isn't|am not|'m not) (?:a minor|under ?age|under 18)",
            r"(?:over|above|older than) (?:18|21)|(?:i'm|i am|im) an adult",
        ),
    ),
    (
        "The customer says they are not hiring.",
        _words(
            rf"(?:not|aren't|isn't|no longer|never) (?:\w+ )?(?:hiring|recruiting|looking for (?:\w+ )?{_STAFF})"
        ),
    ),
)
_BROKEN = (
    (
        "A business looking for employees.",
        _words(
            r"(?:we're|we are|were|currently|now|company is|business is|is|are|still|always) (?:\w+ )?(?:hiring|recruiting)",
            r"(?:looking for|need|needs|seeking|want|searching for|in need of|hire|hiring|recruit|recruiting)"
            r"(?: (?:to hire|some|more|a|an|new|good|experienced|reliable|full|part|time|full-time|part-time|additional|skilled|two|three|a few|several|\d+|extra|seasonal|licensed)){0,4}"
            r" (?:employees?|workers|staff|helpers|laborers|labourers|installers|sub-?contractors?|crew members?|apprentices?|team members?|applicants|candidates|technicians|interns?)",
            r"(?:join|joining|work for|work with|added to|part of) (?:our|my) (?:team|crew|company|staff|business)",
            r"(?:job|employment|career|work|hiring) (?:opening|openings|opportunity|opportunities|offer|position|positions|application|applicants|interview)",
            r"(?:open|full.time|part.time|permanent|entry.level) (?:positions?|jobs?|employment|roles?)",
            r"(?:send|email|forward|submit|share)(?: me| us)?(?: your| a| the)? (?:resume|cv|job application)",
            r"(?:hourly (?:pay|wage|rate) (?:of|is|starts)|pay(?:s|ing)? \$? ?\d+ (?:an|per) hour|\$ ?\d+ ?(?:/|an |per )h(?:ou)?r(?: to start)?|w-?2 (?:employee|position|job)|1099 (?:work|position|contractor))",
        ),
    ),
    (
        "The customer looks for a job, not for a pro.",
        _words(
            r"(?:looking for|seeking|need|want|searching for) (?:a job|employment|a position|work as|a work|some work|an apprenticeship)",
            r"(?:are you|you guys|do you) (?:\w+ )?(?:hiring|have (?:a |any )?(?:job|jobs|openings?|positions?|vacanc\w+))",
            r"(?:apply|applying) (?:for|to) (?:a |the |your |this )?(?:job|position|company|team|work)|(?:here is|here's|attached) my (?:resume|cv)",
            r"busco (?:trabajo|empleo)",
        ),
    ),
    (
        "The customer is a minor.",
        _words(
            r"(?:i'm|im|i am|he is|she is|he's|she's|i just turned|i turned|i will be|i'm only|im only|i am only)(?: only| just| like| almost)? "
            r"(?:[5-9]|1[0-7]|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)(?: (?:years old|yrs old|yo|y/o|years of age))?"
            r"(?! *(?:%|-|:|\.\d|'|\"|/|x\b|min|mins|minutes?|miles?|blocks?|hours?|hrs?|days?|weeks?|months?|years? (?!old|of)|feet|ft|th\b|am\b|pm\b|people|rooms?|"
            r"units?|and a half|k\b|houses?|doors?|percent|degrees|inches|sq))",
            r"(?:[5-9]|1[0-7]|sixteen|seventeen|fifteen|fourteen)[ -](?:years?|yrs?)[ -]old (?:and|so|but|i\b|myself)",
            r"(?:i'm|im|i am|being|still|she is|he is|she's|he's) (?:still )?a minor(?! [a-z])|a minor(?= *(?:$|[.,!;]| so | and ))",
            r"minor (?:girl|boy|child|children|kid|person)|(?:i'm|im|i am|being|still) (?:under ?age|under 18|not 18|not yet 18)",
            r"(?:my (?:parents?|mom|mum|dad)|mom and dad) (?:don't|do not|dont|doesn't|does not) know",
        ),
    ),
    (
        "The words speak of something illegal.",
        _words(
            r"(?:illegal(?:ly)?|against the law|stolen|fake (?:id|invoice|check|insurance|license)|insurance fraud|launder(?:ing)?|cocaine|meth lab|counterfeit|escort service|"
            r"prostitut\w+|sexual (?:favors?|services?)|happy ending)",
        ),
    ),
    (
        "The words read like a scam or advertising, not like a job.",
        _words(
            r"(?:western union|moneygram|gift cards?|cashier'?s? check|overpa(?:y|id|yment)|send (?:you )?(?:the|a) check (?:for more|and you)|wire (?:transfer )?the (?:rest|balance|difference))",
            r"(?:seo services|grow your business|more leads|lead generation|web ?site design services|business loan|merchant cash|rank (?:higher|#?1) on google|promote your business|marketing agency)",
            r"(?:this is (?:a )?spam|test lead|just testing|testing the (?:site|app|website)|this is a test)",
        ),
    ),
)


def read_terms(text: str) -> tuple[TermsReading, ...]:
    """What a text says about the terms: breaches, and words that only sound like one, each with its place."""
    return _read(text[: linear.LONGEST])


@lru_cache(maxsize=linear.TEXTS_KEPT)
def _read(head: str) -> tuple[TermsReading, ...]:
    return tuple(_readings(head))


def _readings(head: str) -> Iterator[TermsReading]:
    ruled = list(read_by_rules(head))
    read = linear.words_of(folded(head))
    if not read.words:
        return
    model = linear.load("terms")
    chance = linear.scores(model, read, _grams(ruled))
    broken = [reading for reading in ruled if reading.broken]
    sure = chance.passes >= (AGREED if broken else model.thresholds["sure"])
    if sure and not broken:
        span = linear.telling_words(model, read) or Span(0, len(head))
        yield TermsReading(True, "The words read like a breach of the terms, not like a job for a pro.", span)
    yield from (reading for reading in ruled if (sure if reading.broken else chance.passes < POSSIBLE))


def rule_grams(text: str) -> tuple[str, ...]:
    """What the rules say of a text, for the model."""
    return _grams(read_by_rules(text[: linear.LONGEST]))


def _grams(ruled: Iterable[TermsReading]) -> tuple[str, ...]:
    return tuple({f"={reading.why}" for reading in ruled}) or ("=nothing",)


def read_by_rules(text: str) -> Iterator[TermsReading]:
    """What the named rules say alone."""
    plain = folded(text)
    for why, pattern in _INNOCENT:
        yield from (TermsReading(False, why, span) for span in spans(pattern, plain))
        plain = blanked(plain, pattern)
    for why, pattern in _BROKEN:
        yield from (TermsReading(True, why, span) for span in spans(pattern, plain))
