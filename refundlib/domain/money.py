"""Money as people read it: whole minor units in, words out. Amounts are always integers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

# Minor digits that are not two: ISO 4217, list one.
_EXPONENTS: Final = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"], 0),
    **dict.fromkeys(["VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
# The currencies in use: ISO 4217, list one, without metals, funds and test codes.
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB
    TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR
    ZMW ZWG
    """.split()  # noqa: SIM905 - a paragraph is easier to check than 155 quoted words
)
_SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def exponent(currency: str) -> int:
    """Digits after the decimal point of a currency (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def format_money(amount_minor: int, currency: str) -> str:
    """The amount as an operator reads it: 2500, "USD" gives "$25.00"; unsigned currencies get their code."""
    digits = exponent(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    number = f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    minus = "−" if amount_minor < 0 else ""
    sign = _SIGNS.get(currency)
    return f"{minus}{sign}{number}" if sign else f"{minus}{number} {currency}"


def decimal_text(amount_minor: int, currency: str) -> str:
    """The amount as programs read it: 2500, "USD" gives "25.00"; −1500, "KWD" gives "-1.500"."""
    digits = exponent(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    return ("-" if amount_minor < 0 else "") + str(whole) + (f".{part:0{digits}d}" if digits else "")


def by_currency(rows: Iterable[Mapping[str, Any]], column: str = "amount") -> dict[str, int]:
    """The sums of a column of rows (minor units) by currency, sorted: money is never added across them."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row[column]
    return dict(sorted(sums.items()))


def format_sums(sums: Mapping[str, int]) -> str:
    """Sums by currency as an operator reads them: "$25.00, ¥300"."""
    return ", ".join(format_money(amount, currency) for currency, amount in sums.items())
