"""The pages of intake, each state of them: empty, late, doubled, refunded, forbidden; what the pro sees."""

from datetime import timedelta

import pytest

from refundlib.domain.people import Person
from refundlib.services import card_refunds
from refundlib.services.answers import record_answer
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.triage import ask_pro, reopen, withdraw
from tests.conftest import Clock
from tests.market import Market
from tests.pages.test_pages import labels, run, said

People = dict[str, Person]


@pytest.fixture
def charged(market: Market) -> str:
    """A charge that is not reported."""
    pro, lead = market.pro("moss"), market.lead("lead-1")
    market.pay("pay", pro, 5000)
    market.charge("c", lead, pro, 2500)
    market.say("m1", lead, pro, "pro", "Hi! I can do it for $240.")
    market.say("m2", lead, pro, "customer", "No thanks")
    return "c"


# -- messages -----------------------------------------------------------------------------------------


def test_messages_begin_with_a_search(market: Market) -> None:
    """Nothing is asked yet, nobody is found, nobody is there: each is told."""
    assert "Search for the pro who wrote or called." in said(run("messages", "dana"))
    assert "Nobody is called like this" in said(run("messages", "dana", q="zz"))
    assert "There is nobody with this id." in said(run("messages", "dana", pro="zz"))


def test_messages_of_a_pro(market: Market, charged: str) -> None:
    """The list, its filters in the address, the open chat with its status; a filter that finds nothing."""
    at = run("messages", "dana", pro="moss", chat="lead-1 moss")
    (row,) = at.dataframe[0].value.to_dict("records")
    assert (row["Customer"], row["Status"], row["Last words"]) == (
        "Cal Customer",
        "charged $25.00",
        "No thanks",
    )
    assert "**Cal Customer** · plumbing · opportunity · with Moss Services" in said(at)
    assert "No conversation matches these filters." in said(run("messages", "dana", pro="moss", kind="lead"))


def test_opening_a_chat_reads_it(market: Market, charged: str) -> None:
    """Who works reads for the desk; who only reads does not."""
    run("messages", "fin", pro="moss", chat="lead-1 moss")
    assert run("messages", "dana", pro="moss").dataframe[0].value.iloc[0]["New"] == "●"
    run("messages", "dana", pro="moss", chat="lead-1 moss")
    assert run("messages", "eli", pro="moss").dataframe[0].value.iloc[0]["New"] == ""


def test_a_viewer_reads_masked(market: Market, charged: str) -> None:
    """A viewer sees the conversations, and nobody's name, number or address."""
    at = run("messages", "vic", pro="moss", chat="lead-1 moss")
    shown = said(at) + at.dataframe[0].value.to_string()
    assert "charged $25.00" in shown
    assert not [secret for secret in ("Cal Customer", "moss@", "253-0000") if secret in shown]


# -- the form -----------------------------------------------------------------------------------------


def test_the_form_shows_the_days_left_first(market: Market, charged: str, clock: Clock) -> None:
    """Before anything is written: the days left; then, too late, until when it could be reported."""
    assert "of 30 days to report it, until Apr 19, 12:00" in said(run("report", "dana", charge="c")).replace(
        "\\", ""
    )
    clock.advance(timedelta(days=31))
    late = said(run("report", "dana", charge="c"))
    assert "It can be filed; the checks advise to deny it (W1)." in late


def test_the_checklist_is_live(market: Market, charged: str) -> None:
    """Each reason chosen shows what qualifies and what the checks say now; not hired is explained."""
    at = run("report", "dana", charge="c")
    assert "We advise" not in said(at)
    assert "File the report" not in labels(at)
    at.radio(key="reason").set_value("clear_no").run()
    assert "We advise: approve." in said(at)
    at.radio(key="reason").set_value("not_hired").run()
    assert "We advise: deny." in said(at)
    assert any("once there is contact, the job is yours to win" in str(w.value) for w in at.warning)
    at.radio(key="reason").set_value("job_changed").run()
    assert "We advise: look closely." in said(at)
    at.text_input(key="new_zip").set_value("90012").run()
    assert "We advise: approve." in said(at)


def test_a_reason_in_the_address(market: Market, charged: str) -> None:
    """A reason that is proposed is chosen; one that does not exist is not."""
    assert "We advise: approve." in said(run("report", "dana", charge="c", reason="clear_no"))
    assert "Choose what happened" in said(run("report", "dana", charge="c", reason="boredom"))


def test_no_second_report(market: Market, desk: Desk, people: People, charged: str) -> None:
    """An open report, then a refund: the form leads to it instead."""
    report = file_report(desk, people["eli"], Draft("c", "clear_no"))
    assert "has a report already" in said(run("report", "dana", charge="c"))
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    at = run("report", "dana", charge="c")
    assert "was refunded before" in said(at)
    assert "File the report" not in labels(at)


def test_no_charge_and_nobody_who_may(market: Market, charged: str) -> None:
    """No charge, a charge that is not here, and a reader who may not file: a sentence each."""
    assert "No charge is chosen." in said(run("report", "dana"))
    assert "There is no charge 'zz' here" in said(run("report", "dana", charge="zz"))
    assert "may not file a report for a pro" in said(run("report", "fin", charge="c"))


# -- as the pro sees it -------------------------------------------------------------------------------


def test_what_the_pro_sees(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Each state in the pro's words, for every reader of claims."""

    def page(report: str) -> str:
        return said(run("pro_view", "vic", claim=report)).replace("\\", "")

    report = market.claim(people["dana"])
    assert "We are looking at your report." in page(report)
    assert "We decide by **Mar 22, 12:00**" in page(report)
    ask_pro(desk, people["dana"], report, "Which number?")
    assert "Which number?" in page(report)
    record_answer(desk, people["dana"], report, "That one", channel="phone")
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="It was a maybe.")
    denied = page(report)
    assert "Not refunded" in denied
    assert "It was a maybe." in denied
    assert "can be opened once more" in denied
    reopen(desk, people["mo"], report, "New words")
    decide(desk, people["eli"], report, "approve", idempotency_key="2")
    card_refunds.request(desk, people["dana"], report, 1000)
    approved = page(report)
    assert "$25.00 was credited to your balance; $15.00 of it is unspent." in approved
    assert "Card refund of $10.00, asked for Mar 20, 12:00: asked for" in approved
    other = market.claim(people["dana"], "b")
    withdraw(desk, people["dana"], other, "They asked")
    assert "This report was taken back, as you asked." in page(other)
    assert "No report is open." in said(run("pro_view", "dana"))
    assert "There is no report 'zz'" in said(run("pro_view", "dana", claim="zz"))


# -- the claim ----------------------------------------------------------------------------------------


def test_a_claim_shows_both_rounds(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """On an appeal: who denied it and why, who reopened it and what is new; then it cannot be reopened."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="It was a maybe.")
    clock.advance(timedelta(hours=1))
    reopen(desk, people["mo"], report, "New words")
    at = run("claim", "eli", claim=report)
    info = "\n".join(str(each.value) for each in at.info).replace("\\", "")
    assert "Round 1: denied by Dana Reyes, Mar 20, 12:00. “It was a maybe.”" in info
    assert "Reopened by Mo Haddad, Mar 20, 13:00: “New words”" in info
    decide(desk, people["eli"], report, "deny", idempotency_key="2", reason="Still.")
    at = run("claim", "mo", claim=report)
    assert [b.disabled for b in at.button if b.label == "Reopen (appeal)"] == [True]


def test_a_waiting_claim_takes_an_answer(market: Market, desk: Desk, people: People) -> None:
    """While a claim waits on its pro, an answer on the phone can be written down; not before."""
    report = market.claim(people["dana"])
    assert "The pro answered" not in labels(run("claim", "dana", claim=report))
    ask_pro(desk, people["dana"], report, "Which number?")
    assert "The pro answered" in labels(run("claim", "dana", claim=report))


def test_evidence_of_nothing(market: Market, people: People) -> None:
    """A claim without files says so."""
    report = market.claim(people["dana"])
    assert "Nothing was handed in with this report." in said(
        run("claim", "dana", claim=report, part="Evidence")
    )
