"""The mails of pros on the mail page: what waits, one opened, and what each role may do."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from refundlib.domain.people import Person
from refundlib.mail.mailboxes import mailbox
from refundlib.services import received
from refundlib.services.desk import Desk
from refundlib.services.intake import Draft, file_report
from refundlib.services.mailbox import read_all
from tests.mail.test_mailbox import answer_mail, refund_mail, write
from tests.mail.thirty import message, photo, scene
from tests.market import Market
from tests.pages.test_pages import labels, run, said

People = dict[str, Person]


@pytest.fixture
def mails(market: Market, desk: Desk, tmp_path: Path) -> str:
    """Mail 1 proposes a report, 2 and 3 wait to be placed, 4 answers; the id of the answered report."""
    it = scene(market)
    shot = message(
        "Which? <b>bold</b> **stars**", "# not a heading [link](http://evil.example) <script>x</script>"
    )
    shot.add_attachment(photo(), "image", "jpeg", filename="screen.jpg")
    shot.add_attachment(b"MZ", "application", "octet-stream", filename="run.exe")
    stranger = message("Refund", "", sender="x@else.example").as_bytes()
    folder = write(tmp_path / "in", refund_mail(0), shot.as_bytes(), stranger, answer_mail(it))
    read_all(desk, mailbox(str(folder)))
    return it.asked


def opened(person_id: str, **params: str) -> AppTest:
    """The part with the mails of pros, for a person."""
    return run("mail", person_id, box="From pros", **params)


def codes(at: AppTest) -> list[str]:
    """What is shown as plain text."""
    return [each.value for each in at.code] + [each.value for each in at.text]


def test_waiting_mails_come_first(mails: str) -> None:
    """Proposed, then unplaced, with their numbers; the first is open with why, and what can be done."""
    at = opened("dana")
    assert "**1 proposes a report**, 2 wait to be placed" in said(at)
    assert list(at.dataframe[0].value["It is"]) == ["report to file", "to be placed", "to be placed"]
    assert list(at.dataframe[0].value["Waits"]) == ["0 m"] * 3
    assert "Report to file:" in said(at)
    assert "known by the sender" in said(at)
    assert {"File the report", "Another charge", "Put aside"} <= set(labels(at))
    assert "They said no." in codes(at)


def test_who_waits_longest_comes_first(mails: str, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposed mail that came last is the last of the line, which goes on at the next page."""
    market.write(
        "UPDATE refunds.received_mails SET received_at = received_at + interval '1 h' WHERE received_id = 1"
    )
    monkeypatch.setattr(received, "PAGE_ROWS", 2)
    at = opened("dana")
    assert list(at.dataframe[0].value["It is"]) == ["to be placed", "to be placed"]
    next(button for button in at.button if button.label == "Next page").click()
    at.run()
    assert list(at.dataframe[0].value["It is"]) == ["report to file"]


def test_a_picture_is_drawn_when_it_is_opened(mails: str) -> None:
    """A stranger's picture is decoded on a click only, one file at a time; what is no picture is saved."""
    at = opened("dana", received="2")
    assert not at.get("image")
    assert {"screen\\.jpg", "mail\\.eml"} <= set(labels(at))
    next(button for button in at.button if button.label == "screen\\.jpg").click()
    at.run()
    assert not at.exception
    assert len(at.get("image")) == 1
    next(button for button in at.button if button.label == "mail\\.eml").click()
    at.run()
    assert not at.get("image")
    assert len(at.get("download_button")) == 1


def test_contents_are_read_on_demand(mails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail is shown without the content of any of its files."""
    monkeypatch.setattr(received, "received_file", lambda *_: pytest.fail("no content was asked for"))
    assert not opened("dana", received="2").exception
    assert not opened("dana", received="2", file="0" * 64).exception


def test_put_aside_can_be_taken_up_again(mails: str, desk: Desk, people: People) -> None:
    """A mail that was put aside offers that it waits again."""
    received.dismiss(desk, people["dana"], 3, "Spam")
    at = opened("dana", received_list="Put aside")
    next(button for button in at.button if button.label == "Take it up again").click()
    at.run()
    assert not at.exception
    assert "Take it up" in labels(at)
    assert "Take it up again" not in labels(opened("fin", received_list="Put aside"))


@pytest.mark.parametrize(
    ("person_id", "label", "posts"),
    [
        ("dana", "It answers a report", "Put it beside the report"),
        ("mo", "It appeals a report", "Reopen the report"),
    ],
)
def test_beside_a_report_that_is_there(
    mails: str, desk: Desk, tmp_path: Path, person_id: str, label: str, posts: str
) -> None:
    """The dialog has the report that the sentence names, and the mail's words."""
    mail = message(f"Call about {mails}", "It was the other number.").as_bytes()
    read_all(desk, mailbox(str(write(tmp_path / "more", mail))))
    at = opened(person_id, received="5")
    assert f"seems to answer report {mails}".replace("-", "\\-") in said(at)
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception
    assert posts in labels(at)
    assert [each.value for each in at.text_input if each.label == "Report"] == [mails]
    assert [each.value for each in at.text_area] == (
        ["It was the other number."] if person_id == "dana" else [""]
    )


def test_appeals_are_for_managers(mails: str) -> None:
    """Who may not reopen a report sees no button that does."""
    assert "It appeals a report" not in labels(opened("dana", received="2"))


def test_a_link_opens_the_mail(mails: str) -> None:
    """?received= alone opens the part and the mail; its signs are text, its files have a button each."""
    at = run("mail", "dana", received="2")
    assert any("# not a heading" in each for each in codes(at))
    assert r"\*\*stars\*\*" in said(at)
    assert "names no conversation" in said(at)
    assert "run\\.exe is no PDF" in said(at)
    assert "File the report" not in labels(at)
    assert "Choose the charge" in labels(at)


def test_filing_leads_to_the_form(mails: str) -> None:
    """The button opens the form of the report with charge, reason and mail."""
    at = opened("dana", received="1")
    next(button for button in at.button if button.label == "File the report").click()
    at.run()
    assert not at.exception
    assert "Report for" in said(at)


@pytest.mark.parametrize("label", ["Another charge", "Put aside"])
def test_dialogs_ask_first(mails: str, desk: Desk, people: People, label: str) -> None:
    """A button asks in a dialog and changes nothing by itself (what it posts: the browser's tests)."""
    at = opened("dana", received="1")
    next(button for button in at.button if button.label == label).click()
    at.run()
    assert not at.exception
    posts = {"Another charge": "Place the mail", "Put aside": "Put it aside"}
    assert posts[label] in labels(at)
    assert received.received_mail(desk, people["dana"], 1)["state"] == "proposed"


def test_answers_and_filed_mails_lead_to_their_claims(mails: str, desk: Desk, people: People) -> None:
    """An answer and a filed mail name their report, and offer nothing more to do."""
    report = file_report(desk, people["dana"], Draft("CH-01", "clear_no"), received_id=1)
    for chosen, report_id in (("Answers", mails), ("Filed", report)):
        at = opened("dana", received_list=chosen)
        assert list(at.dataframe[0].value["Report"]) == [report_id]
        assert not {"File the report", "Put aside"} & set(labels(at))


def test_empty_lists_and_an_unknown_mail(desk: Desk, people: People) -> None:
    """Nothing waits: good news, and what to set. A mail that is not there is a sentence."""
    at = opened("dana")
    assert "No mail of a pro waits for you" in said(at)
    assert "REFUNDS_MAILBOX_URL" in said(at)
    assert "No report was filed" in said(opened("dana", received_list="Filed"))
    assert "There is no mail 77" in said(opened("dana", received="77"))
    assert not opened("dana", received="9" * 40).exception
    assert not opened("dana", after="x" * 40).exception


def test_finance_reads_only(mails: str) -> None:
    """Who may read the mails and not file sees no button that does."""
    at = opened("fin")
    assert "Report to file:" in said(at)
    assert not {"File the report", "Another charge", "Put aside"} & set(labels(at))


def test_viewers_see_nothing_of_it(mails: str) -> None:
    """A viewer gets the mail to pros, masked, whatever the address says."""
    at = run("mail", "vic", box="From pros", received="1")
    everything = said(at) + " ".join(codes(at))
    assert "They said no." not in everything
    assert "a report**" not in everything
    assert not [each for each in at.get("button_group") if "From pros" in str(each.proto)]
