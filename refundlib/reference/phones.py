"""Which telephone numbers can exist, by the package phonenumbers (Google's metadata, offline)."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

_NANP: Final = 1
_FICTIONAL: Final = re.compile(r"\d{3}55501\d\d")  # 555-0100 to 555-0199, kept for fiction by NANPA


class PhoneNumbers:
    """The numbering plans of the world."""

    def is_valid(self, number: str) -> bool:
        """Whether a number can exist: one with + in its country, one without as a US/NANP number."""
        parsed = _parsed(number)
        return parsed is not None and phonenumbers.is_valid_number(parsed)

    def is_fictional(self, number: str) -> bool:
        """Whether a number is NANP 555-0100 to 555-0199, in any area."""
        parsed = _parsed(number)
        if parsed is None or parsed.country_code != _NANP:
            return False
        return _FICTIONAL.fullmatch(str(parsed.national_number)) is not None


@lru_cache(maxsize=4096)
def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, "US")
    except phonenumbers.NumberParseException:
        return None
