"""Asked and answered: the clock stops and goes on, whichever way the answer comes. Appeals: judged once."""

from datetime import timedelta

import pytest

from refundlib.domain.errors import KeyUsed, NotAllowed, ReasonMissing, SamePerson, WrongState
from refundlib.domain.people import MARKETPLACE, Person
from refundlib.services.answers import record_answer
from refundlib.services.checking import check
from refundlib.services.claims import claim
from refundlib.services.decisions import decide, second_approval
from refundlib.services.desk import Desk
from refundlib.services.files import examined
from refundlib.services.marketplace_feed import resume_on_message
from refundlib.services.marketplace_requests import answer_for_marketplace
from refundlib.services.pro_view import deciding_clause, see_as_pro
from refundlib.services.triage import ask_pro, reopen, take_next
from tests.conftest import Clock
from tests.market import Market
from tests.services.test_intake import PDF

People = dict[str, Person]
PAUSE = timedelta(hours=5)


def asked(market: Market, desk: Desk, people: People, clock: Clock) -> str:
    """A claim whose pro was asked five hours ago."""
    report = market.claim(people["dana"])
    ask_pro(desk, people["dana"], report, "Which number did you call?")
    clock.advance(PAUSE)
    return report


@pytest.mark.parametrize("way", ["chat", "email", "phone", "api"])
def test_an_answer_moves_the_deadline_by_the_pause(
    market: Market, desk: Desk, people: People, clock: Clock, way: str
) -> None:
    """By chat, mail, phone or API: the claim is open again, five hours later, and the answer is on it."""
    report = asked(market, desk, people, clock)
    before = claim(desk, people["dana"], report).report["deadline_at"]
    assert see_as_pro(desk, people["dana"], report).question == "Which number did you call?"
    if way == "chat":
        market.say("m9", "lead-a", "pro-a", "pro", "The one on the lead.")
        assert resume_on_message(desk)["resumed"] == 1
    elif way == "api":
        answer_for_marketplace(desk, MARKETPLACE, "pro-a", report, "The one on the lead.", request_key="k")
    else:
        record_answer(desk, people["dana"], report, "The one on the lead.", channel=way)
    it = claim(desk, people["dana"], report)
    assert (it.report["state"], it.report["deadline_at"] - before) == ("open", PAUSE)
    assert it.report["paused_seconds"] == PAUSE.total_seconds()
    said = [each["body"] for each in it.answers] or [it.messages[-1]["body"]]
    assert said == ["The one on the lead."]
    assert "resumed" in [row["action"] for row in it.timeline]
    assert see_as_pro(desk, people["dana"], report).question is None


def test_an_answer_nobody_asked_for(market: Market, desk: Desk, people: People) -> None:
    """It is kept with its file; the deadline stays; who looked before it came must look again."""
    report = market.claim(people["dana"])
    before = claim(desk, people["dana"], report).report
    record_answer(
        desk, people["dana"], report, "One more thing.", channel="phone", files=[examined("b.pdf", PDF)]
    )
    it = claim(desk, people["dana"], report)
    assert (it.report["deadline_at"], it.report["version"]) == (before["deadline_at"], before["version"] + 1)
    assert ([row["name"] for row in it.attachments], len(it.answers)) == (["b.pdf"], 1)


def test_an_answer_again(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """The same request again is one answer; another answer under its key is refused, on any report."""
    report = asked(market, desk, people, clock)
    other = market.claim(people["dana"], "b")
    for _ in range(2):
        record_answer(desk, MARKETPLACE, report, "Yes", channel="api", request_key="k")
    for where, words in ((report, "No"), (other, "Yes")):
        with pytest.raises(KeyUsed):
            record_answer(desk, MARKETPLACE, where, words, channel="api", request_key="k")
    assert market.one("SELECT count(*) FROM refunds.answers") == 1


def test_answers_that_are_refused(market: Market, desk: Desk, people: People) -> None:
    """Empty, to a decided report, by somebody who only reads: a sentence, nothing written."""
    report = market.claim(people["dana"])
    with pytest.raises(ReasonMissing):
        record_answer(desk, people["dana"], report, "  ", channel="phone")
    with pytest.raises(NotAllowed):
        record_answer(desk, people["vic"], report, "Yes", channel="phone")
    decide(desk, people["dana"], report, "deny", idempotency_key="k", reason="No")
    with pytest.raises(WrongState, match="is denied and cannot be answered about now"):
        record_answer(desk, people["dana"], report, "But", channel="phone")
    assert market.one("SELECT count(*) FROM refunds.answers") == 0


def test_an_appeal_once_by_another_person(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """Reopened with new evidence and its own deadline; not for who denied it; a second denial stays."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "deny", idempotency_key="1", reason="The number works.")
    assert see_as_pro(desk, people["dana"], report).may_appeal
    clock.advance(timedelta(days=3))
    reopen(desk, people["mo"], report, "A photo of the letter", [examined("b.pdf", PDF)])
    it = claim(desk, people["mo"], report)
    assert (it.report["round"], it.report["deadline_at"]) == (2, clock.now + timedelta(hours=48))
    assert [row["name"] for row in it.attachments] == ["b.pdf"]
    assert take_next(desk, people["dana"]) is None
    with pytest.raises(SamePerson):
        decide(desk, people["dana"], report, "approve", idempotency_key="2")
    assert take_next(desk, people["eli"]) == report
    decide(desk, people["eli"], report, "deny", idempotency_key="3", reason="It still works.")
    it = claim(desk, people["mo"], report)
    assert [(row["round"], row["decision"], row["note"]) for row in it.decisions] == [
        (1, "deny", "The number works."),
        (2, "deny", "It still works."),
    ]
    with pytest.raises(WrongState, match="an appeal is judged once"):
        reopen(desk, people["mo"], report, "Again")
    seen = see_as_pro(desk, people["mo"], report)
    assert (seen.may_appeal, [each.reason for each in seen.decisions]) == (
        False,
        ["The number works.", "It still works."],
    )
    assert check(market.owner)["ok"]


# -- what the pro sees --------------------------------------------------------------------------------


def test_what_the_pro_sees_and_the_mails_say(market: Market, desk: Desk, people: People) -> None:
    """State, clause, credit and card; a second approval is our affair; the mail says the same."""
    report = market.claim(people["dana"], amount=4000)
    assert see_as_pro(desk, people["dana"], report).headline == "We are looking at your report."
    decide(desk, people["mo"], report, "approve", idempotency_key="1")
    waiting = see_as_pro(desk, people["dana"], report)
    assert (waiting.state, waiting.credit) == ("open", None)
    second_approval(desk, people["noor"], report, idempotency_key="2")
    seen = see_as_pro(desk, people["dana"], report)
    assert (seen.state, seen.headline) == ("approved", "Approved: $40.00 went to your balance.")
    (decided,) = seen.decisions
    assert (decided.clause, decided.amount_minor, decided.reason) == ("N1", 4000, "")
    assert seen.credit is not None
    assert (seen.credit.card_most_minor, seen.credit.unspent_minor) == (4000, 4000)
    mail = market.one("SELECT body FROM refunds.outbox WHERE kind = 'approved'")
    assert f"({decided.clause}): {decided.clause_text}" in mail


def test_a_part_says_why(market: Market, desk: Desk, people: People) -> None:
    """A refund of a part gives the pro its reason, on the page and in the mail."""
    report = market.claim(people["dana"])
    decide(
        desk, people["dana"], report, "approve", idempotency_key="1", amount_minor=1000, reason="Half of it"
    )
    assert see_as_pro(desk, people["dana"], report).decisions[0].reason == "Half of it"
    assert "    Half of it" in market.one("SELECT body FROM refunds.outbox WHERE kind = 'approved'")


@pytest.mark.parametrize(
    ("decision", "reason", "statuses", "clause"),
    [
        ("approve", "clear_no", {"W1": "pass", "N1": "pass"}, "N1"),
        ("approve", "clear_no", {"W1": "pass", "N1": "unsure"}, "N1"),
        ("approve", "clear_no", {"W1": "fail", "N1": "pass"}, "D1"),
        ("approve", "not_hired", {"H1": "fail"}, "D1"),
        ("approve", "not_hired", {}, "D1"),
        ("approve", "other", {"D1": "unsure"}, "D1"),
        ("deny", "clear_no", {"W1": "fail", "N1": "fail"}, "W1"),
        ("deny", "clear_no", {"W1": "pass", "N1": "fail"}, "N1"),
        ("deny", "invalid_phone", {"W1": "pass", "P1": "unsure"}, "P1"),
        ("deny", "not_hired", {"H1": "fail"}, "H1"),
    ],
)
def test_the_clause_a_decision_rests_on(
    decision: str, reason: str, statuses: dict[str, str], clause: str
) -> None:
    """A denial rests on the first check that fails; an approval on its clause, else on discretion."""
    checks = [{"clause": name, "status": status} for name, status in statuses.items()]
    assert deciding_clause(decision, reason, checks) == clause
