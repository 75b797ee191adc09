"""Stripe's reports as the processor on loopback makes them of its own balance."""

import pytest

from refundlib.domain.processor_report import KNOWN_CATEGORIES, ParsedReport, read_report
from tests.stripe_server import DEFAULT_COLUMNS, StripeServer

DAY_SECONDS = 86_400
NOON = 1_772_452_800.0  # 2026-03-02 12:00 UTC


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * DAY_SECONDS


@pytest.fixture
def time() -> Time:
    """Noon of the second of March."""
    return Time()


@pytest.fixture
def server(time: Time) -> StripeServer:
    """The state behind the API, which no request needs here, with a payment in each kind of currency."""
    state = StripeServer()
    state.clock = time
    state.charge("ch_one", 4000, intent="pi_one")
    state.charge("ch_yen", 1234, "jpy", fee=44)
    state.charge("ch_dinar", 1234, "kwd", fee=5)
    return state


def refund(server: StripeServer, amount: int = 1500, *, ours: bool = True) -> str:
    """A refund of ch_one, by the desk or by hand; its id."""
    ids = {"payout_id": "CR-R1-1.1", "card_refund_id": "CR-R1-1", "report_id": "R1"}
    fields = {"charge": "ch_one", "amount": str(amount)}
    if ours:
        fields |= {f"metadata[{name}]": value for name, value in ids.items()}
    return str(server.create(fields, None)[1]["id"])


def clean(report: str) -> ParsedReport:
    """A report read, without problems, of categories the desk knows."""
    read = read_report(report)
    assert read.problems == ()
    assert {line.category for line in read.lines} <= KNOWN_CATEGORIES
    return read


def live_through_everything(server: StripeServer, time: Time) -> None:
    """Whatever moves the balance, over five days."""
    failing = refund(server)
    refund(server, 500, ours=False)
    time.pass_days(1)
    server.change(failing, "failed", "lost_or_stolen_card")
    server.change(failing, "failed")
    server.charge_fee(250, "Radar, February")
    time.pass_days(2)
    server.pay_out(1000)
    server.pay_out()
    server.pay_out(currency="kwd")
    server.charge("ch_two", 999)
    time.pass_days(2)
    server.dispute("ch_two")
    server.next_status = "pending"
    server.change(refund(server, 100), "canceled")


def test_the_report_sums_to_the_balance(server: StripeServer, time: Time) -> None:
    """Read back, the lines of each currency sum to what the processor has of ours."""
    live_through_everything(server, time)
    lines = clean(server.report()).lines
    for currency in ("usd", "jpy", "kwd"):
        has = sum(line.net for line in lines if line.currency == currency.upper())
        assert has == server.balance(currency)
    # Everything of the first three days was paid out. Since then a payment came, 999 less 59, and a dispute
    # took it back for 1500 more; a refund of 100 went and came back.
    assert server.balance() == (999 - 59) - (999 + 1500)
    assert (server.balance("jpy"), server.balance("kwd")) == (1190, 0)


def test_each_movement_is_a_line(server: StripeServer, time: Time) -> None:
    """Categories, signs and fees are Stripe's; a refund that failed twice came back once."""
    live_through_everything(server, time)
    assert [
        (line.category, line.gross, line.fee, line.source_id)
        for line in clean(server.report()).lines
        if line.currency == "USD"
    ] == [
        ("charge", 4000, 146, "ch_one"),
        ("refund", -1500, 0, "re_000001"),
        ("refund", -500, 0, "re_000002"),
        ("refund_failure", 1500, 0, "re_000001"),
        ("fee", -250, 0, None),
        ("payout", -1000, 0, "po_000001"),
        ("payout", -2104, 0, "po_000002"),
        ("charge", 999, 59, "ch_two"),
        ("dispute", -999, 1500, "dp_000001"),
        ("refund", -100, 0, "re_000003"),
        ("refund_failure", 100, 0, "re_000003"),
    ]


@pytest.mark.parametrize("status", ["succeeded", "pending", "requires_action"])
@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_a_refund_that_failed_costs_nothing(server: StripeServer, time: Time, status: str, end: str) -> None:
    """The money leaves when the refund is made, and comes back when it fails: two lines that sum to zero."""
    server.next_status = status
    before = server.balance()
    ref = refund(server)
    assert server.balance() == before - 1500
    time.pass_days(3)
    server.change(ref, end)
    gone, back = (line for line in clean(server.report()).lines if line.source_id == ref)
    assert (gone.category, back.category) == ("refund", "refund_failure")
    assert gone.net + back.net == 0
    assert (back.created_at - gone.created_at).days == 3
    for line in (gone, back):
        assert (line.payout_id, line.charge_ref, line.intent_ref) == ("CR-R1-1.1", "ch_one", "pi_one")
        assert line.other["refund_metadata[report_id]"] == "R1"
    assert server.balance() == before


def test_a_refund_by_hand_has_none_of_our_ids(server: StripeServer) -> None:
    """Somebody refunded in Stripe's own pages: the line names the charge and no payout of ours."""
    ref = refund(server, ours=False)
    (line,) = (line for line in clean(server.report()).lines if line.source_id == ref)
    assert (line.payout_id, line.charge_ref) == (None, "ch_one")


def test_currencies_have_their_own_decimals(server: StripeServer) -> None:
    """Yen have none and dinars three, in the text and read back."""
    rows = [row.split(",") for row in server.report(columns=("currency", "gross", "fee", "net")).splitlines()]
    assert rows[1:] == [
        ["usd", "40.00", "1.46", "38.54"],
        ["jpy", "1234", "44", "1190"],
        ["kwd", "1.234", "0.005", "1.229"],
    ]
    assert [line.gross for line in clean(server.report()).lines] == [4000, 1234, 1234]


def test_the_fee_is_rounded_half_up(server: StripeServer) -> None:
    """2.9 % and 30: of 50 cents 1.45, of 500 14.5."""
    for number, amount in enumerate((50, 500)):
        server.charge(f"ch_{number}", amount)
    assert [line.fee for line in clean(server.report()).lines[3:]] == [31, 45]


def test_a_payout_contains_what_was_available(server: StripeServer, time: Time) -> None:
    """Two days after a payment its money can go; what the payout contains sums to it, and names it."""
    with pytest.raises(ValueError, match="nothing in usd is available"):
        server.pay_out()
    time.pass_days(2)
    refund(server)
    payout = server.pay_out()
    report = clean(server.report("payout_reconciliation"))
    assert report.kind == "payout_reconciliation"
    assert [(line.source_id, line.bank_payout_ref, line.net) for line in report.lines] == [
        ("ch_one", payout, 3854)
    ]
    (paid,) = (line for line in clean(server.report()).lines if line.category == "payout")
    assert (paid.source_id, paid.net, server.balance()) == (payout, -3854, -1500)
    with pytest.raises(ValueError, match="nothing"):
        server.pay_out()
    time.pass_days(2)
    server.pay_out()
    assert server.balance() == 0


def test_a_payout_by_hand_contains_nothing_known(server: StripeServer, time: Time) -> None:
    """Stripe cannot say what is in it; the next automatic payout is the less for it."""
    server.pay_out(1000)
    assert clean(server.report("payout_reconciliation")).lines == ()
    time.pass_days(2)
    payout = server.pay_out()
    lines = clean(server.report("payout_reconciliation")).lines
    assert [(line.category, line.net, line.bank_payout_ref) for line in lines] == [
        ("charge", 3854, payout),
        ("payout", -1000, payout),
    ]
    assert server.balance() == 0


def test_the_time_of_a_report(server: StripeServer, time: Time) -> None:
    """From is inside, to is not; for the payout reconciliation it is when the money reaches the bank."""
    time.pass_days(2)
    refund(server)
    server.pay_out()
    assert len(clean(server.report(from_=NOON)).lines) == 5
    assert len(clean(server.report(to=NOON)).lines) == 0
    assert len(clean(server.report(to=NOON + 1)).lines) == 3
    assert len(clean(server.report(from_=NOON + 1)).lines) == 2
    arrives = NOON + 4 * DAY_SECONDS
    assert len(clean(server.report("payout_reconciliation", from_=arrives)).lines) == 1
    assert len(clean(server.report("payout_reconciliation", to=arrives)).lines) == 0


def test_the_default_export(server: StripeServer) -> None:
    """Its columns are read; its notes say what cannot be matched."""
    refund(server)
    report = clean(server.report(columns=DEFAULT_COLUMNS))
    assert [line.net for line in report.lines] == [line.net for line in clean(server.report()).lines]
    assert [note.split(":")[0] for note in report.notes[:2]] == [
        "Refunds cannot be matched by our payout ids",
        "Refunds cannot be matched by the processor's ids",
    ]
    assert clean(server.report()).notes == ()


def test_what_is_created_is_created_by_the_clock(server: StripeServer, time: Time) -> None:
    """Charges, refunds, events and transactions have the clock's time; webhooks are signed at the real."""
    time.pass_days(1)
    event = server.change(refund(server), "failed")
    assert server.charges["ch_one"]["created"] == NOON
    assert event["created"] == event["data"]["object"]["created"] == NOON + DAY_SECONDS
    assert [each["created"] - NOON for each in server.transactions] == [0, 0, 0, DAY_SECONDS, DAY_SECONDS]
    assert int(server.signed(event)[1].split(",")[0][2:]) > NOON + DAY_SECONDS
