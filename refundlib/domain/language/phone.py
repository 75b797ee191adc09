"""Words in a chat that say a phone number does not work."""

import re
from collections.abc import Iterator
from typing import Final

from refundlib.domain.language.folding import Span, folded, spans

_DEAD: Final = re.compile(
    r"(?<![\w'])(?:disconnected|wrong (?:phone )?(?:number|#|person)|(?:not|isn't|no longer|out of) (?:in )?service"
    r"|(?:number|phone|line)(?: you gave(?: me)?)? (?:is |was |does |did |has been )?(?:not|n't|isn't|doesn't|dead|invalid|incorrect|disconnected|bad|fake)"
    r"(?: (?:working|work|valid|connect|exist|reachable|correct|right))?"
    r"|(?:cannot|can't|couldn't|could not|unable to) (?:reach|get through|call) (?:you|through|to you)?"
    r"|(?:bad|fake|invalid|incorrect|dead|changed my|old) (?:phone )?(?:number|line)|cannot be completed as dialed|numero equivocado|fuera de servicio)(?![\w])"
)


def words_of_dead_number(text: str) -> Iterator[Span]:
    """Where a text says that a number is disconnected, wrong or not in service."""
    return spans(_DEAD, folded(text))
