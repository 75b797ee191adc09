"""Each page, run by itself as each kind of reader: it shows what it should, and a refusal is a sentence."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from refundlib.domain.people import Person
from refundlib.services.decisions import decide
from refundlib.services.desk import Desk
from refundlib.services.queue import look, save_filter
from tests.market import Market

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "pages"
People = dict[str, Person]


def run(name: str, person_id: str, **params: str) -> AppTest:
    """A page after one run, as a person who came through app.py."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.switch_page(f"pages/{name}.py")
    at.session_state["through_app"] = True
    at.session_state["person_id"] = person_id
    for key, value in params.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def said(at: AppTest) -> str:
    """All words of the page but tables."""
    kinds = (at.markdown, at.caption, at.info, at.success, at.warning, at.error, at.subheader, at.title)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def labels(at: AppTest) -> list[str]:
    """The buttons' labels."""
    return [button.label for button in at.button]


def test_queue_lists_what_is_open(market: Market, people: People) -> None:
    """An open report is a row with its words; the person can take the next."""
    report = market.claim(people["dana"])
    at = run("queue", "dana")
    row = at.dataframe[0].value.iloc[0]
    assert (row["Report"], row["Amount"], row["We advise"]) == (report, "$25.00", "approve")
    assert "Take next" in labels(at)
    assert "**1 open**" in said(at)


def test_queue_empty_and_nothing_found(market: Market, people: People) -> None:
    """An empty queue is good news; filters without a match say what to do."""
    assert "Nothing is open" in said(run("queue", "dana"))
    market.claim(people["dana"])
    assert "No report matches" in said(run("queue", "dana", q="nobody"))


def test_queue_filters_come_from_the_address(market: Market, people: People) -> None:
    """The filters in the address are the filters of the list."""
    market.claim(people["dana"], "a")
    market.claim(people["dana"], "b", reply="Yes, come on Monday")
    at = run("queue", "dana", recommends="deny")
    assert list(at.dataframe[0].value["We advise"]) == ["deny"]


def test_finance_reads_the_queue_only(market: Market, people: People) -> None:
    """Who may not decide sees no button that decides."""
    report = market.claim(people["dana"])
    assert "Take next" not in labels(run("queue", "fin"))
    offered = labels(run("claim", "fin", claim=report))
    assert not [label for label in offered if label.startswith(("Approve", "Deny"))]


def test_claim_advises_and_offers(market: Market, people: People) -> None:
    """The claim says what we advise and why, and offers the two decisions."""
    report = market.claim(people["dana"])
    at = run("claim", "dana", claim=report)
    assert "We advise: approve." in said(at)
    assert {r"Approve \$25.00", "Deny"} <= {label.replace("\\.", ".") for label in labels(at)}


def test_claim_unknown_decided_and_none(market: Market, desk: Desk, people: People) -> None:
    """An unknown claim is a sentence; a decided one says how; the page by itself says what to do."""
    assert "R-nope" in said(run("claim", "dana", claim="R-nope"))
    assert said(run("claim", "dana"))
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    at = run("claim", "dana", claim=report)
    assert not any(label.startswith("Approve") for label in labels(at))
    assert "Dana Reyes" in said(at)


def test_viewer_sees_it_masked(market: Market, people: People) -> None:
    """A viewer reads a claim without the customer's name and number."""
    report = market.claim(people["dana"])
    words = said(run("claim", "vic", claim=report))
    assert "We advise" in words
    assert "Cal Customer" not in words
    assert "253-0000" not in words


def test_lead_page(market: Market, people: People) -> None:
    """A lead shows what was asked for; an unknown one is a sentence."""
    market.claim(people["dana"])
    assert "Leak under the sink" in said(run("lead", "dana", lead="lead-a"))
    assert "nothing" in said(run("lead", "dana", lead="nothing"))


def test_mail_page(market: Market, desk: Desk, people: People) -> None:
    """A mail that cannot go out is there to be read, with why."""
    assert "No mail here yet" in said(run("mail", "dana"))
    report = market.claim(people["dana"])
    decide(desk, people["dana"], report, "approve", idempotency_key="k")
    at = run("mail", "dana")
    assert "No mail server is set" in said(at)
    assert at.dataframe[0].value.iloc[0]["Report"].endswith(report)


def test_without_the_app_nothing_is_shown(market: Market, people: People) -> None:
    """A page run by itself, not through app.py, shows no data."""
    report = market.claim(people["dana"])
    for path in sorted(PAGES.glob("*.py")):
        at = AppTest.from_file(str(path), default_timeout=30)
        at.query_params["claim"] = report
        at.run()
        assert report not in said(at)
        assert not at.dataframe


def test_managers_assign_several(market: Market, people: People) -> None:
    """A manager may choose several claims for one person; support may not."""
    market.claim(people["dana"])
    at = run("queue", "mo")
    at.toggle(key="several").set_value(True).run()
    assert not at.exception
    assert "Assign 0 claims" in labels(at)
    assert not run("queue", "dana").toggle


def test_filters_are_kept_and_brought_back(market: Market, desk: Desk, people: People) -> None:
    """Saved filters are buttons: one click filters the list again."""
    market.claim(people["dana"], "a")
    market.claim(people["dana"], "b", reply="Yes, come on Monday")
    save_filter(desk, people["dana"], "to deny", {"recommends": "deny"})
    at = run("queue", "dana")
    assert len(at.dataframe[0].value) == 2
    at.button(key="use-to deny").click().run()
    assert list(at.dataframe[0].value["We advise"]) == ["deny"]


def test_others_on_the_claim_are_named(market: Market, desk: Desk, people: People) -> None:
    """The claim says who else has it open."""
    report = market.claim(people["dana"])
    look(desk, people["eli"], report)
    assert "Eli Novak looks at it too" in said(run("claim", "dana", claim=report))
    assert run("queue", "mo").dataframe[0].value["Who has it"].str.endswith("now").all()
