"""Whether a customer's first response to a quote is a clear no.

Named rules over folded text, and a linear model that finds the refusals they do not know and doubts those it does not
believe. A refusal of the offer passes; a postponement without one is unsure; a factual no,
bargaining, declining a part, an acceptance fail. Signs that pull both ways are unsure: a person looks.
Source: DOMAIN, Checks, first_response_clear_no; how well it does is measured in docs/checks.md.
"""

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from refundlib.domain.language import linear
from refundlib.domain.language.folding import Span, blanked, folded, spans


class Reading(NamedTuple):
    """What a response says: the check's status, the sentence, and the words that decided."""

    status: Literal["pass", "fail", "unsure"]
    why: str
    span: Span


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'])(?:{'|'.join(alternatives)})(?![\w])")


_NOT = r"(?:not|n't|nt)"
_DONT = r"(?:do not|don't|dont|does not|doesn't|doesnt|did not|didn't|didnt)"
_WONT = r"(?:will not|won't|wont|am not|'m not|are not|aren't|'re not|im not)"
_THANKS = r"(?:thank(?:s|z|x)?(?: (?:you|u|ya|yous))?|thx|thnx|tnx|thnks|thks|tks|ty|tysm|thansk|thanls|tanks|gracias|merci|danke)"
_NO = r"(?:no+|nop+e*|na+h+|naw+|nay|nada|never|negative|non|nein|nyet)"
_ELSE = (
    r"(?:someone|somebody|some one|another|other|others|a different|different|else|a friend|a neighbor|a relative"
    r"|a local|your competitor|a cheaper|the other|my (?:own|usual|regular|brother|friend|cousin|neighbor|dad|uncle|guy))"
)
_BY_SELF = (
    r"(?:it |this |the \w+ )?(?:by |on )?(?:myself|ourselves|my self|our self|our selves|on (?:my|our) own)"
)

# A "no" that refuses nothing.
_IDLE_NO = _words(
    r"no+ (?:problem|prob|probs|problemo|worries|worry|rush|hurry|doubt|idea|clue|wonder|biggie|pressure|issues?|"
    r"kidding|joke|matter|big deal|later than|more than|less than|sooner than|earlier than|pets|kids|dogs|cats|stairs|"
    r"offen[sc]e|hard feelings|one (?:is|was|has|will)|questions|complaints?|preference|need to (?:apologi[sz]e|worry|rush))",
    r"no hay (?:problema|prisa|pena)",
    r"no se preocupe",
    r"no te preocupes",
    r"(?:yes|si) (?:or|o) no",
    r"why not",
    r"(?:can't|cannot|can not|couldn't|won't|not|never|wouldn't) say(?:ing)? no",
    r"not a no",
)
# Words of courtesy that say neither yes nor no.
_COURTESY = _words(
    rf"{_THANKS}(?: (?:again|anyway|anyways|so much|very much|a lot|kindly|much|a bunch|a ton))*"
    r"(?: for (?:[\w'-]+ ?){1,8})?",
    r"(?:i |we |but i |but we )?(?:really |do |much )?appreciate (?:it|that|you|your|the)(?: [\w'-]+){0,6}",
    r"have a (?:\w+ )?(?:good|great|nice|wonderful|blessed|lovely) \w+",
    r"(?:good luck|best of luck|all the best|take care|best wishes|best regards|kind regards|regards|cheers|sincerely)",
    r"(?:i'm |im |i am |we're |so |very |really )*(?:sorry|apologies|my apologies|i apologi[sz]e)"
    r"(?: (?:about|for) (?:[\w'-]+ ?){1,6})?",
    r"(?:hi|hello|hey|hola|dear|good (?:morning|afternoon|evening|day))(?: there| sir| ma'am| again| everyone)?",
    r"i hope you (?:[\w'-]+ ?){1,6}",
)
_STRONG: Final = (
    (
        "says no, thank you",
        _words(rf"{_NO}[\s,.!;:-]*(?:but |im good |i'm good )?{_THANKS}", r"thanks,? but no,? thanks?"),
    ),
    (
        "is not interested",
        _words(
            rf"(?:{_NOT}|no longer|never)(?: \w+){{0,2}} (?:int[a-z]{{2,6}}sted|interes(?:t|ado|ada|ados))",
            r"(?:uninterested|no (?:further )?interest|lost interest)",
            r"isn'?t interested|aren'?t interested|wasn'?t interested|ain'?t interested",
        ),
    ),
    (
        "passes on it",
        _words(
            r"(?:i|we)(?:'ll|ll| will|'d| would| must| am going to|'m going to| have to| think i'll| think we'll| am gonna|'m gonna)"
            r"(?: \w+){0,2} pass(?! (?:it|this|that|your|the|by|along|through|out))",
            r"(?:gonna|going to|have to|gotta) pass(?! (?:it|your|by|along|through|out))",
            r"(?:hard|big) (?:pass|no)",
            r"passing on (?:this|it|your|the)",
            r"pass on (?:this|it|your offer|the offer|your quote|the quote|that)",
        ),
    ),
    (
        "declines",
        _words(
            r"(?:i|we)(?:'ll|'d|'m| am| will| would| must| have to| are|'re)?(?: \w+){0,2} (?:decline|declining|refuse|refusing|reject|rejecting)",
            r"(?:have|going|need|like|gonna|going to have) to(?: \w+)? (?:decline|refuse|reject)",
            r"(?:turn(?:ing)?) (?:it|this|you|your \w+|the \w+) down",
            r"(?:offer|quote|estimate|bid|proposal) (?:is |was )?(?:declined|rejected|refused)",
            r"please (?:decline|withdraw)(?: (?:my|the|this) \w+)?",
        ),
    ),
    (
        "has somebody else",
        _words(
            rf"(?:went|going|go|gone|goin|moving forward|proceeding|sticking)(?: \w+){{0,2}} with (?:\w+ )?{_ELSE}",
            rf"(?:hired|found|chose|chosen|picked|booked|selected|got|using|used|have|had|contracted|accepted|choosing|hiring)"
            rf"(?: (?:already|to|go|with|us|me|ourselves|just)){{0,2}} {_ELSE}(?! (?:question|quote|thing|estimate|day|time|one to|problem|issue|idea))",
            r"(?:already|we've|i've|have) (?:hired|booked|found|chosen|picked|contracted|selected|gone with|went with)(?! out)(?: \w+){0,4}",
            r"(?:job|project|work|it|this|that|position)(?:'s| is| was| has been| has| got)? (?:already )?(?:taken care of|been done|filled|fixed already|"
            r"already done|already fixed|all done|completed already|handled already|been taken|been filled|been handled)",
            r"(?:go|going|went|gone|decided on) (?:in )?a different (?:direction|route|way)",
            r"(?:already|has been|been)(?: (?:got|had|have|having|getting))?(?: (?:it|this|that))? (?:taken care of|handled|sorted|fixed|done|completed|resolved|filled)",
            r"(?:my|our) (?:husband|wife|brother|dad|father|son|friend|neighbor|landlord|uncle|cousin|handyman)"
            r"(?: \w+){0,2} (?:fixed|did|doing|do|handle|handled|fix|take care of|took care of) (?:it|this|that)",
        ),
    ),
    (
        "takes the request back",
        _words(
            r"(?:changed|change) (?:my|our) minds?",
            r"(?:decided|deciding|chose|chosen)(?: \w+)? (?:not to|against)(?! have the)",
            rf"(?:{_WONT}|not)(?: be)? (?:needing|hiring|moving forward|going forward|proceeding|going ahead|going through|pursuing|continuing|requiring)",
            r"no longer (?:need|needs|needed|looking|require|want|considering|interested|in need|necessary)",
            r"(?:please |want to |like to |need to |have to |gotta )cancel(?: (?:it|this|that|my|our|the)(?: \w+)?)?",
            r"cancel(?: (?:it|this|that))?(?: please)?(?=\s*(?:$|[.,!;\n]))",
            r"(?:i'm|im|i am|we are|we're) (?:cancel(?:l)?ing|withdrawing)",
            r"(?:forget (?:it|about it)|never ?mind|nevermind|nvm|scratch that)",
            rf"(?:will|'ll|gonna|going to|decided to|rather|can|did|doing|do|fixed|fix)(?: just)?(?: do| doing| fix| handle)? {_BY_SELF}",
        ),
    ),
    (
        "wants no contact",
        _words(
            rf"(?:{_DONT}|please stop|stop|quit|never) (?:ever )?(?:contact(?:ing)?|text(?:ing)?|messag(?:e|ing)|call(?:ing)?|email(?:ing)?|bother(?:ing)?|writ(?:e|ing) to)"
            r"(?: me| us| again| anymore)",
            rf"{_DONT} bother(?! (?:bringing|with the))",
            r"(?:leave (?:me|us) alone|lose my number|take me off|remove me|unsubscribe|go away|fuck off|piss off|get lost|stop spamming)",
        ),
    ),
    (
        "refuses outright",
        _words(
            r"(?:absolutely|definitely|certainly|hell|heck|fuck|god|oh hell|most definitely|def|obviously|of course|clearly) (?:not|no|nope|nah)",
            r"(?:no way|no deal|no dice|no chance|no can do|no sir|no ma'?am|not a chance|not happening|not gonna happen|not going to happen|"
            r"not in a million years|not in this lifetime|thumbs down|hard no|heck no|hell no|no siree|over my dead body)",
            r"(?:it's|its|it is|that's|thats|that is|that'd be|that would be|that will be|it'll be|is|be|am|a) (?:\w+ )?a? ?(?:no|nope)(?: from (?:me|us))?(?=\s*(?:$|[.,!;\n]))",
            r"(?:i|we|gotta|must|have to|to|i'd|i'll) (?:say|said) (?:no|nope|nah)(?=\s*(?:$|[.,!;\n]))",
            r"(?:that |this |it )?(?:won't|wont|will not|would not|wouldn't|is not|isn't|not) (?:be )?necessary",
            r"no (?:need|thank|tx)(?=\s*(?:$|[.,!;\n]|anymore|any more|for (?:it|this|that|your|you)))",
            r"(?:rather|would prefer|prefer|better|best) not(?=\s*(?:$|[.,!;\n]|to (?:hire|use|book|go|proceed|do)))",
            r"not (?:for (?:me|us)|a (?:good )?(?:fit|match)|the right fit|what (?:i|we)(?:'re|'m| am| are| was| were)? "
            r"(?:want|wanted|looking for|need|needed|after))",
            r"(?:that's|thats|that is|it's|its|this is) not what (?:i|we)(?:'re|'m| am| are| was| were)? (?:want|wanted|looking for|need|needed|after)",
            rf"(?:going|gonna|want|wanting|looking|planning|able) to (?:hire|use|accept|take|go with) (?:\w+ )?{_ELSE}",
        ),
    ),
    (
        "says no, in Spanish",
        _words(
            r"no+[\s,.!]*(?:muchas )?gracias",
            r"no (?:me|nos|le) interesan?(?: \w+)?",
            r"(?:no |ya no )(?:estoy|estamos) interesad[oa]s?",
            r"ya no(?: \w+){0,2} (?:necesito|necesitamos|quiero|queremos|hace falta|busco|buscamos)",
            r"no (?:lo |la |los |las )?(?:quiero|queremos|necesito|necesitamos)",
            r"ya (?:contrate|contratamos|encontre|encontramos|tengo a|tenemos a|consegui|conseguimos|lo hizo|lo arregl\w+)(?: \w+){0,3}",
            r"(?:mejor|claro que|por supuesto que|para) (?:no|nada)",
            r"de ninguna manera|cambie de opinion|cancelar por favor",
        ),
    ),
)
# Refusals that a "right now" or "yet" beside them turns into a postponement.
_WEAK: Final = (
    (
        "does not want it",
        _words(
            rf"{_DONT}(?: \w+)? (?:want|need|require|wish|care for|plan to|intend to)"
            r"(?=(?: (?:it|this|that|you|your|to|any|anyone|anybody|anything|a|help|the (?:service|services|job|work|quote|offer)|one|them|these|"
            r"more|further|another)\b|\s*(?:$|[.,!;\n])|\s+(?:thank|anymore|any more|right|at)))",
            rf"{_DONT} (?:like|love) (?:it|that|this|the (?:price|quote|offer)|your \w+)",
            rf"{_DONT} buy|{_DONT} do that|{_DONT} do it|{_DONT} come|{_DONT} book",
            r"(?:let's|lets) not(?! (?:forget|worry))",
            rf"(?:{_NOT}|{_WONT}) (?:looking|seeking|in the market|going to (?:do|need|use|hire|work|proceed|move forward|go (?:ahead|forward|through)))"
            r"(?! forward)",
            rf"(?:{_NOT}) (?:needed|required|wanted)(?: anymore| any more| any longer)?",
            rf"(?:{_WONT}|{_DONT}|does not|doesn't|won't) work(?: out)? for (?:me|us)",
            r"(?:i|we)(?:'m|'re| am| are)? (?:all )?set(?! (?:for|on|with|to|up))",
            r"(?:i am|i'm|im|we are|we're|were) (?:all )?(?:good|fine|okay|ok)(?=\s*(?:$|[.,!;\n]|thank|thx|ty|for now|here))",
        ),
    ),
)
_NO_OPENER = re.compile(
    rf"^[\W_]*(?:(?:oh|um+|uh+|well|ok|okay|so|sorry|please|actually|yeah|lol|haha)[\W_]+)?(?P<no>{_NO})(?![\w'])"
)
# What may follow an opening "no" for it to refuse the offer.
_REFUSING_REST = _words(
    r"(?:i|we) (?:do not|don't|dont|won't|wont|will not|can't|cannot|would not|wouldn't|rather not)(?=\s*(?:$|[.,!;\n]|actually|thank|thx|at all|anymore))",
    r"(?:that's|thats|that is|it's|its|it is|that will be|that'll be|that would be|that was) "
    r"(?:(?:ok|okay|fine|alright|all right|all|it|enough)(?: for (?:now|today|me))?(?=\s*(?:$|[.,!;\n]|thank|thx|i )|(?: i| we) (?:need|want))"
    r"|not (?:needed|necessary|required|for me|for us))",
    r"(?:i|we) (?:just|only|was|were|am|are)? ?(?:just|only)? ?(?:need(?:ed)?|want(?:ed)?|getting|looking|checking|wondering|asking|curious|browsing)"
    r" ?(?:for|at|about|to get|to know)? ?(?:the |some |more )?(?:info|information|idea|price|prices|estimate|quotes?)?",
    r"(?:i|we)(?:'m| am|'re| are) (?:good|fine|ok|okay|all set|set|done)",
    r"(?:sorry|pass|cancel|stop)",
)
_FACTUAL = _words(
    r"(?:it|that|this|they|there|he|she|those|these)(?: (?:is|was|are|were|does|do|did|has|have)(?: not|n't)|'s not|'re not)",
    r"(?:it|that|this|there|they) (?:isn't|wasn't|aren't|weren't|doesn't|don't|didn't|hasn't)",
)
_POSTPONED = _words(
    r"(?:maybe|perhaps|possibly|quizas?|tal vez|a lo mejor)",
    r"not (?:yet|now|just yet|right now|just now|today|tonight|this (?:time|week|month|year|season)|at (?:this|the) (?:time|moment|point|present))",
    r"right now|at the moment|at this (?:time|moment|point)|for now|just yet|for the moment|currently|presently",
    r"(?:some other|another|a different) time|some ?day|one day",
    r"(?:a bit |a little |much )?later(?: on)?(?! than)|(?:get|circle|come|check|reach|be) back|mas (?:tarde|adelante)|todavia no|aun no|(?:por )?ahora no|luego|despues",
    r"(?:next|until|till|after|in the|this coming|early|late) (?:week|month|year|spring|summer|fall|autumn|winter|season|future|new year|holidays?|january|"
    r"february|march|april|may|june|july|august|september|october|november|december)",
    r"in (?:a|another) (?:few|couple|week|month|year|bit|while)(?: (?:of )?\w+)?",
    r"(?:let me|need to|have to|want to|going to|gonna|will|'ll|still|to) (?:think|sleep on|discuss|check with|talk|consult|consider|decide|compare|save up|ask my)",
    r"(?:thinking|deciding|comparing|considering|shopping around|weighing|on the fence|undecided|unsure|not sure|not decided|not certain|"
    r"not ready|haven't decided|have not decided|dejame pensarlo|lo (?:voy a )?pens\w+)",
    r"(?:i'll|ill|i will|we'll|we will|will) (?:let you know|get back|be in touch|reach out|keep you|call you|contact you|text you|message you|follow up)",
    r"(?:hold(?:ing)? off|on hold|wait(?:ing)?(?: (?:until|till|on|for|to|a))?|down the (?:road|line)|too (?:soon|early)|postpone|put (?:it|this) off|some time)",
    r"(?:i guess not|probably not|i doubt it|not really|i don't think so|i dont think so|i do not think so|don't know|dont know|do not know|no se|"
    r"might not|may not)",
)
_ACCEPTED = _words(
    r"(?:yes|yeah|yep|yup|yea|si|sure thing|absolutely(?! (?:not|no))|sounds (?:good|great|fine|perfect)|works for (?:me|us)|perfect|go ahead|let's (?:do|go|proceed|book|"
    r"schedule|set)|lets (?:do|go|book|schedule)|i'd (?:like|love)|i would (?:like|love)|we'd (?:like|love)|we would (?:like|love)|i'm in|count me in|"
    r"come (?:by|over|on|out|tomorrow|today|at|anytime)|see you|book (?:it|me|us)|when can|what time|please (?:proceed|come|book|schedule|do|send|go|add|include|call|quote)|"
    r"still (?:want|need|interested|looking|like)|you're hired|looking forward|that works|i accept|we accept)",
    r"but (?:yes|ok|okay|sure|i (?:do|want|need|will|can|would)|we (?:do|want|need|will|can|would)|please|the|do|let's|go|still)",
    r"(?<!no )deal|(?<!not )(?<!n't )do (?:the|it|everything else|just)",
    r"just (?:the|do)|only (?:the|do|want|need)|without the|except|instead|rather have|leave out|skip the|minus the|everything else|the rest",
)
_BARGAINED = _words(
    r"(?:can|could|would|will) (?:you|u|ya) (?:\w+ )?(?:do|go|come|match|beat|lower|take|accept|give|drop|knock|offer|make|reduce|work|send|add|include|check)",
    r"(?:how|what) about|best (?:price|you can do|offer)|any (?:discount|lower|cheaper|wiggle|room)|lower (?:the|your|price)|negotiable|meet (?:me|us) (?:in|at|half)",
    r"(?:unless|if) (?:you|u|it|the price|we|that)|(?:only )?if (?:you|u) (?:can|could|would|do)|for (?:under |less than )?\$ ?\d+|\$ ?\d+ (?:and|or|max|is)|"
    r"(?:i|we)(?:'ll|'d| will| would| can| could) (?:pay|do|give|offer|go) (?:you )?\$? ?\d+|no more than \$? ?\d+|split the difference",
)
_TOO_DEAR = _words(
    r"(?:too|way too|so|very|really|pretty) (?:expensive|pricey|high|much|steep|rich|costly)",
    r"(?:out of|over|above|beyond|outside) (?:my|our|the) (?:budget|price range|range)|can't afford|cannot afford|cant afford|muy caro|highway robbery|rip ?off",
    r"(?:don't|dont|do not) think (?:so|this|it|that|we|i)|no need to",
)
# How likely a pass must be, by the model, for a refusal that the rules found; and to leave a fail of theirs open.
AGREED: Final = 0.4
POSSIBLE: Final = 0.35
OPEN: Final = 0.5

_QUESTION = re.compile(r"[?¿]")

_NEGATIVE_TOKENS = re.compile(rf"^(?:{_NO}|not|don't|dont|won't|wont|can't|no{{1,9}}pe+|👎|🙅|❌|🚫|🛑|✋)$")
_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "it",
        "is",
        "it's",
        "its",
        "that",
        "that's",
        "thats",
        "that'd",
        "would",
        "be",
        "i",
        "i'm",
        "im",
        "we",
        "say",
        "said",
        "must",
        "gotta",
        "have",
        "to",
        "my",
        "our",
        "answer",
        "response",
        "from",
        "me",
        "us",
        "hard",
        "big",
        "firm",
        "definite",
        "clear",
        "oh",
        "hell",
        "heck",
        "just",
        "so",
        "um",
        "uh",
        "well",
        "lol",
        "haha",
        "still",
        "again",
        "and",
        "at",
        "all",
        "really",
        "sir",
        "maam",
        "ma'am",
        "man",
        "dude",
        "bro",
        "buddy",
        "please",
        "pls",
        "plz",
        "do",
        "will",
        "very",
        "simply",
        "simple",
        "final",
        "absolutely",
        "definitely",
        "certainly",
        "way",
    ]
)
_TOKEN = re.compile(r"[a-z']+|[👎🙅❌🚫🛑✋👍✅🙌👌]|\d+")


def read_reply(text: str) -> Reading:
    """Reads a first response, its first linear.LONGEST characters. Never raises; time grows with the length only.

    Rules and model must both see a refusal, or the model must be sure; where they differ, a person looks.
    """
    return _read(text[: linear.LONGEST])


@lru_cache(maxsize=linear.TEXTS_KEPT)
def _read(head: str) -> Reading:
    ruled = read_by_rules(head)
    read = linear.words_of(folded(head))
    if not read.words:
        return ruled
    model = linear.load("replies")
    chance = linear.scores(model, read, ("=" + ruled.status, "=" + ruled.why))
    if ruled.status == "pass":
        return ruled if chance.passes >= AGREED else _doubted(ruled)
    if chance.passes >= model.thresholds["sure"]:
        return _as_told(model, read, head)
    if ruled.status == "fail" and (chance.passes >= POSSIBLE or chance.unsure >= OPEN):
        return _open(model, read, chance, head)
    return ruled


def _doubted(ruled: Reading) -> Reading:
    return Reading(
        "unsure", "The first response has words of a refusal, but as a whole may not refuse.", ruled.span
    )


def _as_told(model: linear.Model, read: linear.Words, head: str) -> Reading:
    span = linear.telling_words(model, read) or Span(0, len(head))
    return Reading("pass", "The first response is a clear no: these words turn the offer down.", span)


def _open(model: linear.Model, read: linear.Words, chance: linear.Scores, head: str) -> Reading:
    if chance.passes >= POSSIBLE:
        span = linear.telling_words(model, read) or Span(0, len(head))
        return Reading("unsure", "The first response could be a no; it is not clear enough to say so.", span)
    return Reading("unsure", "The first response says neither yes nor no.", Span(0, len(head)))


def rule_grams(text: str) -> tuple[str, ...]:
    """What the rules say of a text, for the model."""
    ruled = read_by_rules(text[: linear.LONGEST])
    return "=" + ruled.status, "=" + ruled.why


def read_by_rules(text: str) -> Reading:
    """What the named rules say alone."""
    plain = folded(text)
    meaning = blanked(plain, _IDLE_NO)
    strong, weak = _found(_STRONG, meaning), _found(_WEAK, meaning)
    bare = _bare_no(meaning)
    postponed = _first(_POSTPONED, meaning)
    against = _pull_against(blanked(meaning, _COURTESY))
    if strong:
        return _refusal(strong, against, _QUESTION.search(plain) is not None)
    if bare or weak:
        return _mild_refusal(bare or weak, against, postponed, _QUESTION.search(plain) is not None)
    return _no_refusal(meaning, against, postponed, text)


_Found = tuple[str, Span] | None


def _found(rules: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> _Found:
    hits = [(span.start, name, span) for name, pattern in rules for span in spans(pattern, text)]
    return min(hits)[1:] if hits else None


def _first(pattern: re.Pattern[str], text: str) -> Span | None:
    return next(spans(pattern, text), None)


def _pull_against(text: str) -> _Found:
    """What speaks for the offer: an acceptance, bargaining, a part that is wanted."""
    return _found((("accepts or wants a part", _ACCEPTED), ("bargains", _BARGAINED)), text)


def _bare_no(text: str) -> _Found:
    """A response that says no and nothing else of weight."""
    rest = blanked(text, _COURTESY)
    opener = _NO_OPENER.search(rest)
    tokens = _TOKEN.findall(rest)
    negative = [token for token in tokens if _NEGATIVE_TOKENS.match(token)]
    only_no = negative and all(token in _FILLERS or _NEGATIVE_TOKENS.match(token) for token in tokens)
    if only_no and not _FACTUAL.search(rest):
        start = rest.index(negative[0])
        return "says no", Span(start, start + len(negative[0]))
    if opener is None:
        return None
    after = rest[opener.end() :].lstrip(" ,.!;:-\n\t")
    refusing = _REFUSING_REST.match(after)
    if refusing or not _TOKEN.search(after):
        return "says no", Span(*opener.span("no"))
    return None


def _refusal(found: tuple[str, Span], against: _Found, asks: bool) -> Reading:
    rule, span = found
    if against is not None:
        name, other = against
        return Reading("fail", f"The first response {name}: it is not a clear no.", _joined(span, other))
    if asks:
        return Reading("unsure", f"The first response {rule}, but also asks something.", span)
    return Reading("pass", f"The first response is a clear no: the customer {rule}.", span)


def _mild_refusal(found: _Found, against: _Found, postponed: Span | None, asks: bool) -> Reading:
    assert found is not None
    if postponed and not against:
        return Reading(
            "unsure", "The first response puts it off rather than refusing it.", _joined(found[1], postponed)
        )
    return _refusal(found, against, asks)


def _no_refusal(meaning: str, against: _Found, postponed: Span | None, text: str) -> Reading:
    if against is not None:
        return Reading("fail", f"The first response {against[0]}.", against[1])
    if postponed is not None:
        return Reading("unsure", "The first response puts it off or leaves it open.", postponed)
    dear = _first(_TOO_DEAR, meaning)
    if dear is not None and not _QUESTION.search(text):
        return Reading("unsure", "The first response leans to no without saying so.", dear)
    opener = _NO_OPENER.search(meaning)
    if opener:
        return Reading(
            "fail", "The first response says no to a detail, not to the offer.", Span(*opener.span("no"))
        )
    return Reading("fail", "The first response does not refuse the offer.", Span(0, len(text)))


def _joined(one: Span, other: Span) -> Span:
    return Span(min(one.start, other.start), max(one.end, other.end))
