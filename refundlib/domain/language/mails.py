"""What a pro's mail gives as the reason: advice for whoever files the report."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from refundlib.domain.language.folding import Span, folded, spans
from refundlib.domain.language.job import words_of_change
from refundlib.domain.language.phone import words_of_dead_number
from refundlib.domain.language.replies import read_reply
from refundlib.domain.language.terms import read_terms

WORDS_CHARACTERS_MAX: Final = 80
QUOTES_MAX: Final = 10
_QUOTE: Final = re.compile(r"[\"“«]([^\"“”«»\n]{2,300})[\"”»]")
_SAYS_NO: Final = re.compile(
    r"(?<![\w'])(?:(?:sa(?:id|ys)|repl(?:ied|ies)|answer(?:ed|s)|respond(?:ed|s)|wrote|told me|texted|was)"
    r"(?: \w+){0,5},? ?(?:a )?(?:clear |flat |plain )?\"?(?:no|nope|no thanks|no thank you|not interested)"
    r"|(?:first|only|initial) (?:answer|reply|response|message)(?: \w+){0,4} (?:no|refus\w+)"
    r"|(?:at once|right away|first thing|straight away)\W{1,4}(?:no|nope|no thanks|no thank you)"
    r"|clear no|(?:is|was|were|are) not interested|not interested|declined|turned (?:me|us|it|my \w+) down|refused (?:my|our|the) \w+"
    r"|no gracias|(?:dijo|respondio|contesto)(?: \w+){0,4} no|no (?:esta|estaba) interesad[oa])(?![\w'])"
)
_BAD_NUMBER: Final = re.compile(
    r"(?<![\w'])(?:(?:phone|number|line|telefono|numero)(?: \w+){0,4} (?:is|was|does|did|isn't|doesn't|no|esta)(?: \w+){0,3} "
    r"(?:disconnected|invalid|wrong|fake|valid|work|working|exist|existe|incorrect|funciona|service|servicio|desconectado|equivocado)"
    r"|(?:disconnected|invalid|wrong|fake|bad|nonexistent|non-existent|not a valid|incorrect) (?:phone |telephone )?(?:number|line|phone)"
    r"|(?:numero|telefono) (?:equivocado|invalido|falso|no valido|desconectado|no existe))(?![\w'])"
)
_HIRING: Final = re.compile(
    r"(?<![\w'])(?:(?:looking|wants?|wanted|hoping) (?:for|to) (?:hire |find )?(?:employees?|workers?|staff|subcontractors?|a job applicant)"
    r"|(?:under ?age|(?:is|was) a minor|(?:is|was) (?:only )?1[0-7]\b|spam|scam(?:mer)?|terms of service|estafa|menor de edad))(?![\w'])"
)
_OTHER_JOB: Final = re.compile(
    r"(?<![\w'])(?:(?:another|a different|different|other|the wrong|completely different) (?:job|location|address|city|town|state|place|zip(?: code)?|kind of (?:job|work))"
    r"|job (?:has |had )?changed|changed the (?:job|location|address|scope)|(?:\d+|too) (?:miles|far) away|(?:don't|do not) (?:do|offer) (?:that|this|those|such)"
    r"|not (?:what|the job) (?:was|they|he|she) (?:asked|requested|described)\w*|otro trabajo|otra (?:direccion|ciudad)|cambio (?:el trabajo|la direccion))(?![\w'])"
)
_NOT_HIRED: Final = re.compile(
    r"(?<![\w'])(?:(?:didn't|did not|didnt|never|not|won't|wouldn't) (?:hire|hired|choose|chose|pick|picked)(?: (?:me|us|my \w+))?"
    r"|(?:hired|chose|picked|went with|going with|booked|found) (?:someone|somebody|another|a different|an other|other)(?: \w+)?"
    r"|lost the job|no me contrat\w+|contrat\w+ a otro)(?![\w'])"
)


_OF_A_NUMBER: Final = re.compile(r"number|phone|line|disconnected|service|dialed|numero|servicio")


def reason_of(text: str) -> tuple[str, str]:
    """The reason (claim.REASONS) a pro's words speak of, and the words that decided; ("other", "") for none.

    The surest words first: a number, a refusal, the terms; then another job, not being hired.
    """
    plain = folded(text)
    for reason, look in _RULES:
        if (span := next(look(text, plain), None)) is not None:
            words = " ".join(text[span.start : span.end].split())
            return reason, words[:WORDS_CHARACTERS_MAX]
    return "other", ""


def _dead_number(text: str, plain: str) -> Iterator[Span]:
    yield from spans(_BAD_NUMBER, plain)
    for span in words_of_dead_number(text):
        # "not", "does not" by themselves are what a chat says of a number, not a mail of anything.
        if _OF_A_NUMBER.search(plain, *span):
            yield span


def _says_no(text: str, plain: str) -> Iterator[Span]:
    yield from spans(_SAYS_NO, plain)
    for quote in list(_QUOTE.finditer(text))[:QUOTES_MAX]:
        if read_reply(quote[1]).status == "pass":
            yield Span(*quote.span(1))


def _breaks_terms(text: str, plain: str) -> Iterator[Span]:
    yield from (each.span for each in read_terms(text) if each.broken)
    yield from spans(_HIRING, plain)


def _other_job(text: str, plain: str) -> Iterator[Span]:
    yield from spans(_OTHER_JOB, plain)
    yield from words_of_change(text)


def _not_hired(_text: str, plain: str) -> Iterator[Span]:
    yield from spans(_NOT_HIRED, plain)


_RULES: Final[tuple[tuple[str, Callable[[str, str], Iterator[Span]]], ...]] = (
    ("invalid_phone", _dead_number),
    ("clear_no", _says_no),
    ("terms_violation", _breaks_terms),
    ("not_hired", _not_hired),
    ("job_changed", _other_job),
)
