"""Words in a chat that speak of a job other than the one requested."""

import re
from collections.abc import Iterator
from typing import Final

from refundlib.domain.language.folding import Span, folded, spans

_CHANGE: Final = re.compile(
    r"(?<![\w'])(?:(?:another|different|new|other|wrong) (?:location|address|place|city|town|state|zip(?: code)?|house|property|job|project)"
    r"|(?:i|we)(?:'ve|'re| have| are|'m| am)? (?:moved|moving|relocat(?:ed|ing))(?: to)?"
    r"|(?:job|project|house|property|it|place|work)(?:'s| is| was)? (?:actually|really|now) (?:in|at|for|a|an)"
    r"|(?:actually|instead)(?:,)? (?:i |we )?(?:need|want|needed|wanted|looking for)|(?:changed|change) (?:the |my |our )?(?:plans?|scope|project|job|address|location)"
    r"|(?:not|isn't|wasn't) (?:the |what )?(?:same (?:job|work)|i asked|i requested|we requested)|instead of (?:the|a|an)|(?:bigger|smaller|different) (?:job|scope|project)"
    r"|turns out)(?![\w])"
)


def words_of_change(text: str) -> Iterator[Span]:
    """Where a text speaks of another place, another kind of work or another scope."""
    return spans(_CHANGE, folded(text))
