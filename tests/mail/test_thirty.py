"""Mails of all shapes end in the right list, with the right charge, reason or report."""

from pathlib import Path
from typing import Any

from refundlib.domain.people import Person
from refundlib.mail.mailboxes import mailbox
from refundlib.services.checking import check
from refundlib.services.desk import Desk
from refundlib.services.mailbox import read_all
from refundlib.services.received import received_mail
from tests.mail.thirty import Mail, all_mails, scene
from tests.market import Market


def written(folder: Path, mails: list[Mail]) -> Path:
    """A folder with the mails, a file each."""
    for number, mail in enumerate(mails):
        (folder / f"{number:02} {mail.name.replace('/', '-')}.eml").write_bytes(mail.raw)
    return folder


def test_each_mail_ends_in_its_list(
    market: Market, desk: Desk, people: dict[str, Person], tmp_path: Path
) -> None:
    """Each of more than thirty: list, charge, reason, report, pro, files and what was left out, and why."""
    mails = all_mails(scene(market))
    assert len(mails) >= 30
    counts = read_all(desk, mailbox(str(written(tmp_path, mails))))
    assert counts["known"] == 0
    found = [_found(desk, people["dana"], mail, number) for number, mail in enumerate(mails, 1)]
    assert [each for each in found if each] == []
    assert check(desk)["ok"]


def _found(desk: Desk, actor: Person, mail: Mail, number: int) -> str:
    """What is not as it should be; "" for nothing."""
    row = received_mail(desk, actor, number)
    want = (mail.state, mail.charge, mail.reason, mail.report, mail.pro)
    have = tuple(row[name] for name in ("state", "charge_id", "reason", "report_id", "pro_id"))
    problems = [f"{have} and not {want}"] if have != want else []
    if mail.why not in row["why"]:
        problems.append(f"why: {row['why']}")
    if mail.left_out not in " ".join(row["left_out"]) or bool(mail.left_out) != bool(row["left_out"]):
        problems.append(f"left out: {row['left_out']}")
    if _carried(row) != mail.files:
        problems.append(f"{_carried(row)} files, not {mail.files}")
    return f"{mail.name}: {'; '.join(problems)} ({row['why']})" if problems else ""


def _carried(row: dict[str, Any]) -> int:
    return sum(file["media_type"] != "message/rfc822" for file in row["files"])
