"""Precedents: the decided claims most alike. Siblings: the other pros of a bad lead get their claims."""

import threading
from datetime import timedelta

import pytest

from refundlib.domain.errors import DeniedBefore, NotAllowed, NotFound, ReportedBefore, WrongState
from refundlib.domain.people import Person
from refundlib.services.claims import claim
from refundlib.services.decisions import decide, undo
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report, prospect
from refundlib.services.precedents import Opened, Sibling, open_for_siblings, precedents, siblings
from refundlib.services.triage import withdraw
from tests.conftest import Clock
from tests.market import Market

People = dict[str, Person]
DAY = timedelta(days=1)


# -- precedents -----------------------------------------------------------------------------------------


def told(market: Market, people: People, name: str, words: str, decision: str = "") -> str:
    """A claim at discretion with the pro's words; decided when asked."""
    return filed(market, people, name, Draft(f"charge-{name}", "other", words), decision=decision)


def filed(
    market: Market,
    people: People,
    name: str,
    draft: Draft,
    *,
    phone: str = "+1 650-253-0000",
    age: timedelta = timedelta(0),
    decision: str = "",
) -> str:
    """A claim of a pro of its own, so long after its charge; decided when asked."""
    pro, lead = market.pro(f"pro-{name}"), market.lead(f"lead-{name}", phone=phone)
    market.pay(f"pay-{name}", pro, 2500)
    market.charge(f"charge-{name}", lead, pro, 2500)
    clock = market.desk.clock
    assert isinstance(clock, Clock)
    clock.advance(age)
    report = file_report(market.desk, people["eli"], draft)
    if decision:
        decide(
            market.desk, people["dana"], report, decision, idempotency_key=name, reason=f"Because of {name}"
        )
    return report


def test_the_most_alike_come_first(market: Market, desk: Desk, people: People) -> None:
    """Of claims at discretion alike words count most; only decided ones of the same reason are precedents."""
    twice = told(market, people, "twice", "The same lead was sold to me twice, a duplicate", "approve")
    told(market, people, "far", "The customer lives behind a toll bridge", "deny")
    told(market, people, "open", "Another duplicate lead, sold twice")
    decide(desk, people["dana"], market.claim(people["eli"], "no"), "approve", idempotency_key="no")
    mine = told(market, people, "mine", "I was charged for a duplicate: the lead was sold twice")
    rows = precedents(desk, people["eli"], mine)
    assert [row["report_id"] for row in rows] == [twice, rows[1]["report_id"]]
    assert (rows[0]["decision"], rows[0]["note"], rows[0]["decided_by_name"]) == (
        "approve",
        "Because of twice",
        "Dana Reyes",
    )
    assert "similar words" in rows[0]["alike"]
    assert "similar words" not in rows[1]["alike"]
    assert len(rows) == 2
    assert "person decides it (D1)" in claim(desk, people["dana"], mine).nearest


def test_alike_by_the_number(market: Market, desk: Desk, people: People) -> None:
    """A doubt about a number kept for fiction is like such a doubt, not like a newer dead number."""
    fiction = filed(
        market, people, "f", Draft("charge-f", "invalid_phone"), phone="(212) 555-0123", decision="deny"
    )
    for name, phone in (("a", "000-000-0000"), ("b", "")):
        filed(market, people, name, Draft(f"charge-{name}", "invalid_phone"), phone=phone, decision="approve")
    mine = filed(market, people, "m", Draft("charge-m", "invalid_phone"), phone="(646) 555-0199")
    first, *others = precedents(desk, people["dana"], mine)
    assert first["report_id"] == fiction
    assert {"same check unsure", "number kept for fiction"} <= set(first["alike"])
    assert len(others) == 2
    assert not {"same check unsure", "number kept for fiction"} & {
        why for row in others for why in row["alike"]
    }


def test_alike_by_the_miles(market: Market, desk: Desk, people: People) -> None:
    """Of jobs that moved the one as far is first, though another is newer; a row says how far it moved."""

    def moved(name: str, zip_code: str, decision: str = "") -> str:
        draft = Draft(f"charge-{name}", "job_changed", changed_zip=zip_code)
        return filed(market, people, name, draft, decision=decision)

    near, far = moved("near", "10601", "approve"), moved("far", "90012", "approve")
    mine = moved("mine", "10606")
    rows = precedents(desk, people["dana"], mine)
    assert [row["report_id"] for row in rows] == [near, far]
    assert any(why.endswith(" miles") for why in rows[0]["alike"])
    assert not any(why.endswith(" miles") for why in rows[1]["alike"])


def test_alike_by_the_days(market: Market, desk: Desk, people: People) -> None:
    """Of late claims the late ones come first, and say so."""
    for name, days in (("late", 40), ("soon", 2)):
        filed(
            market, people, name, Draft(f"charge-{name}", "other"), age=timedelta(days=days), decision="deny"
        )
    mine = filed(market, people, "mine", Draft("charge-mine", "other"), age=38 * DAY)
    first, second = precedents(desk, people["dana"], mine)
    assert {"late too", "day 40"} <= set(first["alike"])
    assert not any(why.startswith(("late", "day")) for why in second["alike"])


def test_a_viewer_reads_no_names_in_a_reason(market: Market, desk: Desk, people: People) -> None:
    """What was written about another claim is masked with that claim's names, as its own page would."""
    report = told(market, people, "one", "Sold twice")
    decide(
        desk,
        people["dana"],
        report,
        "deny",
        idempotency_key="k",
        reason="Cal Customer at 650-253-0000 told pro-one Services so",
    )
    mine = told(market, people, "mine", "Sold twice, says Cal Customer")
    ((row),) = precedents(desk, people["vic"], mine)
    assert "Cal" not in row["note"]
    assert "253" not in row["note"]
    assert "told" in row["note"]
    assert "Cal Customer" in precedents(desk, people["dana"], mine)[0]["note"]
    assert not {"facts", "statuses"} & row.keys()
    assert not any("cal" in why.lower().split() for why in row["alike"])


def test_hostile_words_and_none(market: Market, desk: Desk, people: People) -> None:
    """Signs of a query language are no query; a claim without words has precedents all the same."""
    told(market, people, "one", "Something", "deny")
    for name, words in (("a", "'); DROP & | ! <-> :* ((("), ("b", ""), ("c", "x" * 9000)):
        assert len(precedents(desk, people["dana"], told(market, people, name, words))) == 1
    with pytest.raises(NotFound):
        precedents(desk, people["dana"], "zz")


# -- siblings -------------------------------------------------------------------------------------------


def sold_to_three(market: Market, people: People) -> str:
    """A lead with a dead number that three pros paid for; the first reported it."""
    market.lead("lead", phone="000-000-0000")
    for name in ("one", "two", "three"):
        market.pay(f"pay-{name}", market.pro(name), 5000)
        market.charge(f"charge-{name}", "lead", name, 2500)
    return file_report(market.desk, people["dana"], Draft("charge-one", "invalid_phone"))


def approved(market: Market, people: People) -> str:
    """The first pro's report, approved."""
    report = sold_to_three(market, people)
    decide(market.desk, people["dana"], report, "approve", idempotency_key="approved")
    return report


def standings(found: list[Sibling]) -> dict[str, str]:
    """What stands of each charge."""
    return {each.charge_id: each.standing for each in found}


def ids(done: Opened) -> list[str]:
    """The charges a claim was opened on."""
    return [each.charge_id for each, _report in done.opened]


def test_the_other_pros_get_their_claims(market: Market, desk: Desk, people: People) -> None:
    """After the approval each other pro who reported nothing has a claim; asked again, none more."""
    report = sold_to_three(market, people)
    with pytest.raises(WrongState):
        open_for_siblings(desk, people["dana"], report)
    assert siblings(desk, people["dana"], report) == []
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    mine = file_report(desk, people["eli"], Draft("charge-two", "other"))
    with pytest.raises(NotAllowed):
        open_for_siblings(desk, people["fin"], report)
    done = open_for_siblings(desk, people["dana"], report)
    assert (ids(done), standings(done.left)) == (["charge-three"], {"charge-two": "reported"})
    ((_charge, opened),) = done.opened
    it = claim(desk, people["dana"], opened)
    assert (it.report["pro_id"], it.report["reason"]) == ("three", "invalid_phone")
    assert ("phone_invalid", "pass") in {(check.id, check.status) for check in it.assessment.checks}
    assert report in it.report["details"]
    found = siblings(desk, people["vic"], report)
    assert {(each.pro_name, each.report_id) for each in found} == {
        ("Two Services", mine),
        ("Three Services", opened),
    }
    assert open_for_siblings(desk, people["dana"], report).opened == []


def test_nobody_told_it_in_a_chat(market: Market, desk: Desk, people: People) -> None:
    """A claim the desk opened by itself came by no way a pro has; and by no way of a form."""
    report = approved(market, people)
    for _charge, opened in open_for_siblings(desk, people["dana"], report).opened:
        assert market.one("SELECT channel FROM refunds.reports WHERE report_id = :r", r=opened) == "desk"


def test_withdrawn_and_denied_for_another_reason_are_offered(
    market: Market, desk: Desk, people: People
) -> None:
    """A report that was withdrawn, or denied for another ground, is not in the way; one for this is."""
    report = approved(market, people)
    back = file_report(desk, people["dana"], Draft("charge-two", "other"))
    withdraw(desk, people["dana"], back, "The pro took it back")
    other = file_report(desk, people["dana"], Draft("charge-three", "other"))
    decide(desk, people["dana"], other, "deny", idempotency_key="x", reason="No ground")
    assert ids(open_for_siblings(desk, people["dana"], report)) == ["charge-three", "charge-two"]
    for each in siblings(desk, people["dana"], report):
        assert each.report_id is not None
        decide(
            desk, people["dana"], each.report_id, "deny", idempotency_key=each.charge_id, reason="It works"
        )
    done = open_for_siblings(desk, people["dana"], report)
    assert (done.opened, set(standings(done.left).values())) == ([], {"denied"})


def test_the_same_pros_other_charge_is_no_other_pros(market: Market, desk: Desk, people: People) -> None:
    """Who reported was charged twice for the lead: that is not opened for another pro."""
    market.lead("lead", phone="000-000-0000")
    market.pay("pay", market.pro("one"), 5000)
    for charge in ("first", "second"):
        market.charge(charge, "lead", "one", 2500)
    report = file_report(desk, people["dana"], Draft("first", "invalid_phone"))
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    assert siblings(desk, people["dana"], report) == []
    assert open_for_siblings(desk, people["dana"], report) == Opened([], [])


def test_who_is_gone_holds_up_nobody(market: Market, desk: Desk, people: People) -> None:
    """A pro no longer on file is told by name; the others get their claims."""
    report = approved(market, people)
    market.write("DELETE FROM marketplace.pros WHERE pro_id = 'two'")
    done = open_for_siblings(desk, people["dana"], report)
    assert (ids(done), standings(done.left)) == (["charge-three"], {"charge-two": "gone"})


def test_all_or_nothing(market: Market, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call, one transaction: what goes wrong at the second claim leaves no first."""
    from refundlib.services import precedents as service

    report, write, written = approved(market, people), service.write, []

    def once(*args: object) -> str:
        if written:
            raise NotFound("gone")
        written.append(write(*args))  # type: ignore[arg-type]
        return written[0]

    monkeypatch.setattr(service, "write", once)
    with pytest.raises(NotFound):
        open_for_siblings(desk, people["dana"], report)
    assert len(written) == 1
    assert market.one("SELECT count(*) FROM refunds.reports") == 1


def test_each_charge_has_its_own_window(market: Market, desk: Desk, people: People, clock: Clock) -> None:
    """A charge past its days is neither counted nor opened, exactly 30 days are within; the others are."""
    market.lead("lead", phone="000-000-0000")
    for name, later in (("two", timedelta(0)), ("three", timedelta(seconds=1)), ("one", DAY)):
        clock.advance(later)
        market.pay(f"pay-{name}", market.pro(name), 2500)
        market.charge(f"charge-{name}", "lead", name, 2500)
    report = file_report(desk, people["dana"], Draft("charge-one", "invalid_phone"))
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    clock.advance(29 * DAY)
    found = siblings(desk, people["dana"], report)
    assert standings(found) == {"charge-two": "late", "charge-three": "to_open"}
    done = open_for_siblings(desk, people["dana"], report)
    assert (ids(done), standings(done.left)) == (["charge-three"], {"charge-two": "late"})


def test_the_offer_is_what_intake_would_take(market: Market, desk: Desk, people: People) -> None:
    """Whatever was reported on a sibling's charge before, the offer and intake's own obstacle agree."""
    report = approved(market, people)
    for reason, end in (("other", "withdraw"), ("other", "deny"), ("invalid_phone", "deny")):
        first = file_report(desk, people["dana"], Draft("charge-two", reason))
        _offer_agrees(desk, people, report, can_open=False)
        if end == "withdraw":
            withdraw(desk, people["dana"], first, "The pro took it back")
        else:
            decide(desk, people["dana"], first, "deny", idempotency_key=first, reason="No")
        _offer_agrees(desk, people, report, can_open=reason == "other")
    last = file_report(desk, people["dana"], Draft("charge-two", "clear_no"))
    decide(desk, people["dana"], last, "approve", idempotency_key=last, reason="Goodwill")
    _offer_agrees(desk, people, report, can_open=False)


def _offer_agrees(desk: Desk, people: People, report: str, *, can_open: bool) -> None:
    it = next(each for each in siblings(desk, people["dana"], report) if each.charge_id == "charge-two")
    obstacle = prospect(desk, people["dana"], Draft("charge-two", "invalid_phone")).obstacle
    assert (it.standing == "to_open", obstacle is None) == (can_open, can_open)
    if obstacle is not None:
        assert it.report_id == obstacle.report_id
        assert isinstance(obstacle, DeniedBefore) == (it.standing == "denied")


def test_an_approval_undone_meanwhile_opens_nothing(market: Market, desk: Desk, people: People) -> None:
    """What was approved on the page and is open again is refused, in words."""
    report = approved(market, people)
    undo(desk, people["mo"], report, "A mistake")
    with pytest.raises(WrongState, match="what is wrong with the lead itself"):
        open_for_siblings(desk, people["dana"], report)


def test_three_press_at_once(market: Market, desk: Desk, people: People) -> None:
    """However many press, a charge gets one claim, and nobody waits in a ring."""
    report, done, failed = approved(market, people), [], []

    def press(person: Person) -> None:
        try:
            done.append(open_for_siblings(desk, person, report))
        except ReportedBefore as refusal:
            failed.append(refusal)

    presses = [threading.Thread(target=press, args=(people[name],)) for name in ("dana", "eli", "mo")]
    for each in presses:
        each.start()
    for each in presses:
        each.join(30)
    assert sorted(charge for each in done for charge in ids(each)) == ["charge-three", "charge-two"]
    assert failed == []
    assert market.one("SELECT count(*) FROM refunds.reports") == 3


def test_only_what_is_wrong_with_the_lead(market: Market, desk: Desk, people: People) -> None:
    """A customer who said no to one pro may hire another: no claims are opened for that."""
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    with pytest.raises(WrongState, match="what is wrong with the lead itself"):
        open_for_siblings(desk, people["dana"], report)
