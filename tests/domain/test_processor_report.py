"""The processor's report: each rule by which it is read, and whatever text somebody calls one."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from refundlib.domain import processor_report
from refundlib.domain.errors import BadFigure
from refundlib.domain.money import exponent
from refundlib.domain.processor_report import KNOWN_CATEGORIES, ParsedReport, ReportLine, read_report

DEFAULT = (
    "balance_transaction_id", "created", "available_on", "currency", "gross", "fee", "net",
    "reporting_category", "description",
)  # fmt: skip
FULL = (
    *DEFAULT, "created_utc", "available_on_utc", "source_id", "charge_id", "payment_intent_id",
    "refund_metadata[payout_id]", "payment_method_type",
)  # fmt: skip
CHARGE = {
    "balance_transaction_id": "txn_1", "created": "2026-03-02 10:00:00", "created_utc": "2026-03-02 15:00:00",
    "available_on": "2026-03-04", "available_on_utc": "2026-03-04 00:00:00", "currency": "usd",
    "gross": "25.00", "fee": "1.03", "net": "23.97", "reporting_category": "charge",
    "description": "Top-up", "source_id": "ch_1", "charge_id": "ch_1", "payment_intent_id": "pi_1",
    "payment_method_type": "card",
}  # fmt: skip


def written(
    *rows: dict[str, str], columns: Sequence[str] = FULL, delimiter: str = ",", end: str = "\n"
) -> str:
    """An export with these rows; what a row leaves out is the charge's."""
    out = io.StringIO()
    writer = csv.DictWriter(
        out, columns, restval="", delimiter=delimiter, lineterminator=end, extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows({**CHARGE, **row} for row in rows)
    return out.getvalue()


def amounts(*values: str, currency: str = "usd") -> str:
    """An export whose rows have these gross amounts and no fee."""
    return written(
        *(
            {
                "balance_transaction_id": f"txn_{number}",
                "currency": currency,
                "gross": value,
                "fee": "0",
                "net": value,
            }
            for number, value in enumerate(values)
        )
    )


def only(report: ParsedReport) -> ReportLine:
    """The one line, of a report without problems."""
    assert report.problems == ()
    (line,) = report.lines
    return line


def problems(text: str, decimal_sign: str | None = None) -> list[tuple[int, str, str]]:
    """What is wrong with a report of which nothing can be kept."""
    report = read_report(text, decimal_sign)
    assert report.lines == ()
    return [(each.line, each.column, each.reason) for each in report.problems]


# -- a line -------------------------------------------------------------------------------------------


def test_a_line() -> None:
    """Every column goes where it belongs; the UTC columns count; what is not known is kept as it stands."""
    report = read_report(written({"refund_metadata[payout_id]": "CR-R1-1.1"}))
    assert only(report) == ReportLine(
        line=2,
        line_id="txn_1",
        created_at=datetime(2026, 3, 2, 15, tzinfo=UTC),
        available_at=datetime(2026, 3, 4, tzinfo=UTC),
        currency="USD",
        gross=2500,
        fee=103,
        net=2397,
        category="charge",
        description="Top-up",
        source_id="ch_1",
        charge_ref="ch_1",
        intent_ref="pi_1",
        payout_id="CR-R1-1.1",
        bank_payout_ref=None,
        other={"payment_method_type": "card"},
    )
    assert (report.kind, report.notes) == ("balance_change", ())


def test_a_refund_and_its_failure() -> None:
    """Refunds are negative and cost nothing; the money that comes back is positive."""
    refund = {"gross": "-25.00", "fee": "0.00", "net": "-25.00", "reporting_category": "refund"}
    back = {"gross": "25.00", "fee": "0.00", "net": "25.00", "reporting_category": "refund_failure"}
    lines = read_report(
        written({**refund, "balance_transaction_id": "a"}, {**back, "balance_transaction_id": "b"})
    ).lines
    assert [(line.category, line.gross, line.fee, line.net) for line in lines] == [
        ("refund", -2500, 0, -2500),
        ("refund_failure", 2500, 0, 2500),
    ]


def test_the_payout_reconciliation_names_the_payout_to_our_bank() -> None:
    """A payout in every line makes it a payout reconciliation; a balance change names some of them too."""
    columns = ("automatic_payout_id", *DEFAULT)
    report = read_report(written({"automatic_payout_id": "po_1"}, columns=columns))
    assert (report.kind, only(report).bank_payout_ref) == ("payout_reconciliation", "po_1")
    on_balance = {"balance_transaction_id": "txn_9", "automatic_payout_id": ""}
    mixed = read_report(written({"automatic_payout_id": "po_1"}, on_balance, columns=columns))
    assert mixed.kind == "balance_change"


def test_the_export_of_payouts_alone() -> None:
    """Payouts have a file of their own, with the moment they took effect and their id as payout_id."""
    columns = ("payout_id", "effective_at_utc", *(name for name in DEFAULT if name != "created"))
    payout = {"reporting_category": "payout", "gross": "-9.00", "fee": "0.00", "net": "-9.00"}
    line = only(
        read_report(
            written({**payout, "payout_id": "po_1", "effective_at_utc": "2026-03-04"}, columns=columns)
        )
    )
    assert (line.source_id, line.gross, line.created_at) == ("po_1", -900, datetime(2026, 3, 4, tzinfo=UTC))


def test_unknown_categories_are_read() -> None:
    """A category nobody here knows is a line like others, in lower case."""
    assert only(read_report(written({"reporting_category": " Topup "}))).category == "topup"
    assert "topup" not in KNOWN_CATEGORIES
    assert {"charge", "refund", "payout"} < KNOWN_CATEGORIES


# -- the file -----------------------------------------------------------------------------------------


def test_columns_are_found_by_name() -> None:
    """Any order, any case, spaces around, a byte order mark before: the same lines."""
    plain = read_report(written({}))
    shuffled = written({}, columns=FULL[::-1])
    header, rest = shuffled.split("\n", 1)
    loud = "\ufeff" + " , ".join(header.upper().split(",")) + "\n" + rest
    assert only(read_report(shuffled)) == only(plain)
    assert only(read_report(loud)).line_id == "txn_1"
    assert only(read_report(loud)).other == {"PAYMENT_METHOD_TYPE": "card"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    """Comma, semicolon and tab are told from the header; every line end will do."""
    text = written({}, {"balance_transaction_id": "txn_2"}, delimiter=delimiter, end=end)
    report = read_report(text)
    assert [(line.line, line.line_id, line.gross) for line in report.lines] == [
        (2, "txn_1", 2500),
        (3, "txn_2", 2500),
    ]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    """A record begins where its first cell begins, whatever newlines its cells hold; blank lines count."""
    text = written(
        {"description": "one\ntwo\r\nthree\u2028four"},
        {"balance_transaction_id": "txn_2", "gross": "nothing"},
        {"balance_transaction_id": "txn_3"},
    )
    header, rest = text.split("\n", 1)
    report = read_report(f"{header}\n\n  \n{rest}\n\n")
    assert [(line.line, line.line_id) for line in report.lines] == [(4, "txn_1"), (8, "txn_3")]
    assert [problem.line for problem in report.problems] == [7]
    assert report.lines[0].description == "one\ntwo\r\nthree\u2028four"


def test_the_default_export_says_what_cannot_be_matched() -> None:
    """Without the ids' columns the notes name what is impossible, and which columns it wants."""
    report = read_report(written({}, columns=DEFAULT))
    assert only(report).created_at == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert report.notes == (
        "Refunds cannot be matched by our payout ids: the column refund_metadata[payout_id] is missing.",
        "Refunds cannot be matched by the processor's ids: the column source_id is missing.",
        "Payments cannot be matched by their charge (ch_…), only proposed by amount and date: "
        "the columns charge_id and source_id are missing.",
        "Payments cannot be matched by their payment intent (pi_…), only proposed by amount and date: "
        "the column payment_intent_id is missing.",
        "created has no zone and is read as UTC.",
        "available_on has no zone and is read as UTC.",
    )


def test_one_id_is_enough_for_a_match() -> None:
    """A charge is known by source_id too; with our ids only the processor's are missed."""
    report = read_report(written({}, columns=(*DEFAULT, "source_id", "payment_intent_id", "created_utc")))
    assert report.notes == (
        "Refunds cannot be matched by our payout ids: the column refund_metadata[payout_id] is missing.",
        "available_on has no zone and is read as UTC.",
    )


def test_a_day_without_movements() -> None:
    """A header without rows is a report, which says that it has none."""
    report = read_report(written())
    assert (report.lines, report.problems, report.notes) == ((), (), ("The report has no rows.",))


@pytest.mark.parametrize("text", ["", "\ufeff", "  \r\n\n", "\t"])
def test_an_empty_file_is_refused(text: str) -> None:
    """Nothing, or nothing but blanks."""
    with pytest.raises(BadFigure, match="is empty"):
        read_report(text)


def test_another_file_is_refused() -> None:
    """What is no such report: the sentence names the columns it lacks."""
    with pytest.raises(BadFigure, match="the column fee is missing"):
        read_report(written({}, columns=[name for name in DEFAULT if name != "fee"]))
    with pytest.raises(BadFigure, match="the columns net and created_utc or created are missing"):
        read_report(written({}, columns=[name for name in DEFAULT if name not in ("net", "created")]))
    for text in ("pro_id,name\np1,Anna\n", '""', "PK\x03\x04 a workbook", "<html>", ",,,,"):
        with pytest.raises(BadFigure, match="no itemized report"):
            read_report(text)


def test_a_column_named_twice_is_refused() -> None:
    """Whichever of the two would be read, it could be the wrong one."""
    with pytest.raises(BadFigure, match="'gross' more than once"):
        read_report(written({}, columns=(*FULL, " Gross")))


def test_broken_csv_is_refused() -> None:
    """An open quote, a quote in the wrong place, a NUL, a cell without end."""
    text = written({})
    for broken in (text + '"txn_2,', text.replace("txn_1,", '"txn"_1,')):
        with pytest.raises(BadFigure, match="no proper CSV from line"):
            read_report(broken)
    with pytest.raises(BadFigure, match="no proper CSV"):
        read_report('"balance_transaction_id')
    with pytest.raises(BadFigure, match="NUL"):
        read_report(text.replace("Top-up", "Top\x00up"))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, rows and problems have a limit each."""
    with pytest.raises(BadFigure, match="no proper CSV"):
        read_report(written({"description": "x" * (processor_report.CELL_CHARACTERS_MAX + 1)}))
    before = csv.field_size_limit(10**9)
    try:
        with pytest.raises(BadFigure, match="more than 131,072 characters"):
            read_report(written({"description": "x" * (processor_report.CELL_CHARACTERS_MAX + 1)}))
    finally:
        csv.field_size_limit(before)
    monkeypatch.setattr(processor_report, "ROWS_MAX", 2)
    assert len(read_report(amounts("1", "2")).lines) == 2
    with pytest.raises(BadFigure, match="more than 2 rows"):
        read_report(amounts("1", "2", "3"))
    monkeypatch.setattr(processor_report, "PROBLEMS_MAX", 1)
    assert len(read_report(written({"gross": "a"})).problems) == 1
    with pytest.raises(BadFigure, match=r"More than 1 things .* on line 2, gross: is 'a'; it must be"):
        read_report(written({"gross": "a"}, {"gross": "b"}))


def test_text_that_is_no_utf_8() -> None:
    """Bytes that were not UTF-8 name their column, and their row stays out."""
    text = written({}, {"balance_transaction_id": "txn_2", "description": "caf\udce9"})
    report = read_report(text)
    assert [line.line_id for line in report.lines] == ["txn_1"]
    assert [(each.line, each.column) for each in report.problems] == [(3, "description")]
    with pytest.raises(BadFigure, match="not UTF-8"):
        read_report(written({}, columns=(*FULL, "caf\udce9")))


def test_too_few_and_too_many_cells() -> None:
    """A row of another length is a problem, with the first column it lacks."""
    text = written({}, columns=DEFAULT)
    short, long = text.replace(",Top-up", ""), text.replace(",Top-up", ",Top-up,more")
    assert problems(short) == [(2, "description", "the row has 8 cells, the header 9")]
    assert problems(long) == [(2, "", "the row has 10 cells, the header 9")]


def test_a_line_that_is_there_twice() -> None:
    """With the same content it is kept once; with another the second is a problem."""
    report = read_report(written({}, {}, {"gross": "25.0"}))
    assert [line.line for line in report.lines] == [2]
    assert (report.problems, report.notes) == ((), ("2 lines that repeat an earlier one were left out.",))
    assert read_report(written({}, {})).notes == ("A line that is there twice was taken once.",)
    report = read_report(written({}, {"description": "another"}))
    assert [line.line for line in report.lines] == [2]
    assert [(each.line, each.column, each.reason) for each in report.problems] == [
        (3, "balance_transaction_id", "is 'txn_1', which line 2 has with other content")
    ]


# -- cells --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "at"),
    [
        ("2026-03-02 15:00:00", datetime(2026, 3, 2, 15, tzinfo=UTC)),
        ("2026-03-02T15:00:00Z", datetime(2026, 3, 2, 15, tzinfo=UTC)),
        ("2026-03-02T15:00:00.250+02:00", datetime(2026, 3, 2, 13, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-02 15:00-0500", datetime(2026, 3, 2, 20, tzinfo=UTC)),
        (" 2026-03-02 ", datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_times(cell: str, at: datetime) -> None:
    """With a zone, without one, or a date alone, which is its midnight."""
    assert only(read_report(written({"created_utc": cell}))).created_at == at


def test_a_zone_needs_no_note() -> None:
    """Only times without a zone are said to be read as UTC."""
    zoned = {"created": "2026-03-02T15:00:00+02:00", "available_on": ""}
    report = read_report(written(zoned, columns=(*DEFAULT, *FULL[11:])))
    assert only(report).created_at == datetime(2026, 3, 2, 13, tzinfo=UTC)
    assert only(report).available_at is None
    assert report.notes == ()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "is empty; it must be filled"),
        ("2026-02-30", "is '2026-02-30', which no calendar has"),
        ("0001-01-01T00:00:00+23:00", "is '0001-01-01T00:00:00+23:00', which no calendar has"),
        ("03/02/2026", "is '03/02/2026'; it must be a time, such as 2026-03-04 15:00:00"),
        ("1772463600", "is '1772463600'; it must be a time, such as 2026-03-04 15:00:00"),
    ],
)
def test_bad_times(cell: str, reason: str) -> None:
    """What is no time is a problem of its column."""
    assert problems(written({"created_utc": cell})) == [(2, "created_utc", reason)]
    assert problems(written({"created": cell}, columns=DEFAULT)) == [(2, "created", reason)]
    if cell:
        assert problems(written({"available_on_utc": cell})) == [(2, "available_on_utc", reason)]


@pytest.mark.parametrize("currency", ["xyz", "", "us", "ıdr", "XAU"])
def test_unknown_currencies(currency: str) -> None:
    """Without a currency no amount can be read, so it alone is the problem."""
    ((line, column, reason),) = problems(written({"currency": currency}))
    assert (line, column) == (2, "currency")
    assert "it must be an ISO 4217 currency" in reason


@pytest.mark.parametrize("column", ["balance_transaction_id", "reporting_category"])
def test_what_must_be_filled(column: str) -> None:
    """A line without its id or its category is a problem."""
    assert problems(written({column: " "})) == [(2, column, "is empty; it must be filled")]


def test_net_is_gross_less_fee() -> None:
    """Figures that contradict each other are shown."""
    assert problems(written({"net": "24.00"})) == [
        (2, "net", "is $24.00; gross $25.00 less fee $1.03 is $23.97")
    ]


def test_every_problem_of_a_row_is_named() -> None:
    """One look is enough to put a row right."""
    found = problems(written({"created_utc": "x", "gross": "NaN", "fee": "1e5", "reporting_category": ""}))
    assert [column for _, column, _ in found] == ["gross", "fee", "created_utc", "reporting_category"]


# -- amounts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "currency", "minor"),
    [
        ("25", "usd", 2500),
        ("25.5", "usd", 2550),
        ("+25.00", "usd", 2500),
        ("-25.00", "usd", -2500),
        ("−25.00", "usd", -2500),
        ("(25.00)", "usd", -2500),
        ("-0.00", "usd", 0),
        ("0.07", "usd", 7),
        ("25.5000", "usd", 2550),
        ("1,234.50", "usd", 123_450),
        ("1 234.50", "usd", 123_450),
        ("1\u00a0234\u00a0567.50", "usd", 123_456_750),
        ("1\u202f234.50", "usd", 123_450),
        ("1'234'567.50", "usd", 123_456_750),
        ("1’234.50", "usd", 123_450),
        ("1,234,567", "usd", 123_456_700),
        ("1.234.567", "usd", 123_456_700),
        ("500", "jpy", 500),
        ("500.00", "jpy", 500),
        ("1.234", "kwd", 1234),
        ("1.5", "kwd", 1500),
        ("0,500", "kwd", 500),
        ("92233720368547758.07", "usd", 2**63 - 1),
        ("-92233720368547758.07", "usd", -(2**63) + 1),
    ],
)
def test_amounts(cell: str, currency: str, minor: int) -> None:
    """Major units as people and programs write them become exact minor units."""
    assert only(read_report(amounts(cell, currency=currency))).gross == minor


@pytest.mark.parametrize(
    ("cell", "currency", "reason"),
    [
        ("25.005", "usd", "is 25.005; USD has 2 decimal places"),
        ("25.5", "jpy", "is 25.5; JPY has no decimal places"),
        ("25.0005", "kwd", "is 25.0005; KWD has 3 decimal places"),
        ("", "usd", "is empty; it must be filled"),
        ("NaN", "usd", "is 'NaN'; it must be an amount, such as 25.00"),
        ("Infinity", "jpy", "is 'Infinity'; it must be an amount, such as 25"),
        ("1e5", "kwd", "is '1e5'; it must be an amount, such as 25.000"),
        ("$25.00", "usd", "is '$25.00'; it must be an amount, such as 25.00"),
        ("25.", "usd", "is '25.'; it must be an amount, such as 25.00"),
        ("--25", "usd", "is '--25'; it must be an amount, such as 25.00"),
        ("-(25)", "usd", "is '-(25)'; it must be an amount, such as 25.00"),
        ("(", "usd", "is '('; it must be an amount, such as 25.00"),
        ("12,34.50", "usd", "is '12,34.50'; it must be an amount, such as 25.00"),
        ("1,2345.50", "usd", "is '1,2345.50'; it must be an amount, such as 25.00"),
        ("1 234,567.50", "usd", "is '1 234,567.50'; it must be an amount, such as 25.00"),
        ("٢٥.00", "usd", "is '٢٥.00'; it must be an amount, such as 25.00"),
        ("92233720368547758.08", "usd", "is 92233720368547758.08, which is too large"),
        ("9" * 9000, "usd", f"is {'9' * 57}…, which is too large"),
    ],
)
def test_bad_amounts(cell: str, currency: str, reason: str) -> None:
    """What is no amount of its currency is a problem, and says why."""
    text = written({"currency": currency, "gross": cell, "fee": "0", "net": "0"})
    assert problems(text, ".") == [(2, "gross", reason)]


@pytest.mark.parametrize(
    ("values", "minor"),
    [
        (["1,234", "0.50"], [123_400, 50]),
        (["1.234", "0,50"], [123_400, 50]),
        (["1.234,50", "1.234"], [123_450, 123_400]),
        (["1234,5", "(1.000)"], [123_450, -100_000]),
        (["1 234,500", "7"], [123_450, 700]),
        (["0,250", "1.000"], [25, 100_000]),
    ],
)
def test_the_decimal_sign_is_that_of_the_whole_file(values: list[str], minor: list[int]) -> None:
    """One amount that tells settles those that do not."""
    assert [line.gross for line in read_report(amounts(*values)).lines] == minor


def test_a_comma_is_noted() -> None:
    """Whoever reads the report is told that its amounts were read with a comma."""
    assert read_report(amounts("25,00")).notes == ("Amounts are read with a comma as the decimal sign.",)


@pytest.mark.parametrize(
    ("value", "currency"),
    [("1,234", "usd"), ("1.234", "usd"), ("1,234", "jpy"), ("1.234", "jpy"), ("1,234", "kwd")],
)
def test_a_decimal_sign_that_nothing_tells(value: str, currency: str) -> None:
    """A thousand times more or less is not guessed: the operator names the sign."""
    text = amounts(value, "500", currency=currency)
    with pytest.raises(BadFigure, match=rf"line 2 has {value}, and no other amount .* Name the decimal sign"):
        read_report(text)
    thousands = "," if "." in value else "."
    assert read_report(text, thousands).lines[0].gross == 1234 * 10 ** exponent(currency.upper())


def test_a_named_decimal_sign_is_obeyed() -> None:
    """What cannot be read with it is a problem; another sign than the two is refused."""
    report = read_report(amounts("1,234", "25.00"), ",")
    assert [each.reason for each in report.problems if each.line == 2] == [
        "is 1,234; USD has 2 decimal places"
    ] * 2
    assert [each.reason for each in report.problems if each.line == 3] == [
        "is '25.00'; it must be an amount, such as 25,00"
    ] * 2
    with pytest.raises(BadFigure, match="a point or a comma"):
        read_report(amounts("25"), "'")


def test_decimal_signs_that_contradict_each_other() -> None:
    """Two files pasted together are refused, and the lines shown."""
    with pytest.raises(BadFigure, match=r"line 2 has 25\.00, line 3 has 25,00"):
        read_report(amounts("25.00", "25,00"))
    # Three decimals of a dinar, or thousands of them: the report would be wrong by a factor of a thousand.
    mixed = written(
        {"fee": "0", "gross": "25,00", "net": "25,00"},
        {"currency": "kwd", "fee": "0", "gross": "1.234", "net": "1.234"},
    )
    with pytest.raises(BadFigure, match="cannot be told"):
        read_report(mixed)


# -- whatever comes -----------------------------------------------------------------------------------


def major(minor: int, currency: str, sign: str, thousands: str) -> str:
    """An amount as an export of that style has it."""
    digits = exponent(currency)
    whole, part = divmod(abs(minor), 10**digits)
    grouped = f"{whole:,}".replace(",", thousands)
    return ("-" if minor < 0 else "") + grouped + (f"{sign}{part:0{digits}d}" if digits else "")


@options(deadline=None)
@given(
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    style=st.sampled_from([(".", ""), (".", ","), (".", " "), (",", ""), (",", "."), (",", "\u00a0")]),
    figures=st.lists(
        st.tuples(st.integers(-(10**15), 10**15), st.integers(-(10**6), 10**6)), min_size=1, max_size=5
    ),
    named=st.booleans(),
)
def test_amounts_come_back(
    currency: str, style: tuple[str, str], figures: list[tuple[int, int]], named: bool
) -> None:
    """Whatever is written in either style is read back to the minor unit, or the sign is asked for."""
    sign, thousands = style

    def cell(minor: int) -> str:
        return major(minor, currency, sign, thousands)

    text = written(
        *(
            {
                "balance_transaction_id": f"txn_{number}",
                "currency": currency,
                "gross": cell(gross),
                "fee": cell(fee),
                "net": cell(gross - fee),
            }
            for number, (gross, fee) in enumerate(figures)
        )
    )
    report = read_or_refused(text, sign if named else None)
    if isinstance(report, BadFigure):
        assert not named
        assert "cannot be told" in str(report)
        return
    assert report.problems == ()
    assert [(line.gross, line.fee, line.net) for line in report.lines] == [
        (gross, fee, gross - fee) for gross, fee in figures
    ]


_CELLS = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="0123456789.,-−()+ '’\u00a0eE", max_size=14),
    st.sampled_from([*CHARGE.values(), "", '"', "\n", "kwd", "1,234", "1.234", "\ud800", "0001-01-01"]),
)


@options(deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.text().map(lambda tail: ",".join(FULL) + "\n" + tail),
        st.text(alphabet='",;\t\n\r ab\ufeff\u2028'),
    ),
    sign=st.sampled_from([None, ".", ","]),
)
def test_any_text_is_read_or_refused(text: str, sign: str | None) -> None:
    """No text makes the reader fail with anything but a sentence."""
    holds(read_or_refused(text, sign))


@options(deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(FULL), _CELLS), max_size=4),
    delimiter=st.sampled_from([",", ";", "\t"]),
    sign=st.sampled_from([None, ".", ","]),
)
def test_any_cells_are_read_or_named(rows: list[dict[str, str]], delimiter: str, sign: str | None) -> None:
    """A proper report with whatever in its cells: each row is a line, a repetition or a problem."""
    holds(read_or_refused(written(*rows, delimiter=delimiter), sign))


def read_or_refused(text: str, sign: str | None) -> ParsedReport | BadFigure:
    """What comes of a text; nothing else may."""
    try:
        return read_report(text, sign)
    except BadFigure as refusal:
        return refusal


def holds(report: ParsedReport | BadFigure) -> None:
    """What is true of whatever comes of a text."""
    if isinstance(report, BadFigure):
        assert str(report).endswith(".")
        return
    starts = [line.line for line in report.lines]
    assert starts == sorted(set(starts))
    assert not {*starts} & {problem.line for problem in report.problems}
    for line in report.lines:
        assert line.net == line.gross - line.fee
        assert max(abs(line.gross), abs(line.fee), abs(line.net)) < 2**63
        assert line.created_at.tzinfo is UTC
        assert line.line_id
