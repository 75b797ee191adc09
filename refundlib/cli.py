"""`refunds …`: the desk without a browser. Thin over services; a refusal is a sentence and exit status 1."""

import csv
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from refundlib.domain.errors import BadFigure, Refusal
from refundlib.domain.people import Person

P = ParamSpec("P")
T = TypeVar("T")

REFUSED = 1

# The heavy imports (SQLAlchemy, pandas, zip table) happen inside the commands: --help answers at once.


class _Group(click.Group):
    """Turns a refusal into its sentence on stderr and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            click.echo(f"refunds: {refusal}", err=True)
            ctx.exit(REFUSED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--as", "acting", metavar="PERSON", help="Who acts; needed by every command that changes a claim."
)
@click.version_option(package_name="refund-desk", prog_name="refunds")
@click.pass_context
def main(ctx: click.Context, acting: str | None) -> None:
    """Refund Desk: reports of bad leads, judged, credited and refunded.

    REFUNDS_HOME names the data folder, REFUNDS_DATABASE_URL another PostgreSQL, REFUNDS_PORT the port,
    REFUNDS_SMTP_URL the mail server. Exit status: 0 done, 1 refused (the sentence says why), 2 wrong usage.
    """
    ctx.obj = acting


def _as_option(function: Callable[P, T]) -> Callable[P, T]:
    """`--as PERSON` after the command too, where most people type it."""

    @wraps(function)
    def with_actor(*args: P.args, **kwargs: P.kwargs) -> T:
        given = kwargs.pop("acting_here")
        ctx = click.get_current_context()
        if given is not None:
            ctx.find_root().obj = given
        return function(*args, **kwargs)

    return click.option("--as", "acting_here", metavar="PERSON", help="Who acts.")(with_actor)


def _json_option(function: Callable[P, T]) -> Callable[P, T]:
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for scripts.")(function)


def _actor(desk: Any) -> Person:
    from refundlib.services.people import person

    name = click.get_current_context().find_root().obj
    if not name:
        raise BadFigure(
            "This needs a person who acts: add --as PERSON. `refunds user list` shows who there is."
        )
    return person(desk, name)


def _reader(desk: Any) -> Person:
    """Who reads: the person named with --as, else the operator of this machine, who may read everything."""
    name = click.get_current_context().find_root().obj
    return _actor(desk) if name else Person("operator", "The operator", frozenset({"manager", "finance"}))


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=_plain, indent=1))


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


# -- setting up -----------------------------------------------------------------------------------


@main.command()
def run() -> None:
    """Serve the desk: database, demo data when empty, worker and app. Ctrl-C stops all of it."""
    from refundlib.launch import run as launch

    sys.exit(launch())


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from refundlib.bootstrap import database, migrate_database

    with database() as url:
        applied = migrate_database(url, on_applied=lambda name: click.echo(f"applied {name}"))
    click.echo("The schema is up to date." if applied else "The schema was up to date already.")


@main.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@_json_option
@click.option("--skip-bad-rows", is_flag=True, help="Take the good rows, write the bad ones to --bad-dir.")
@click.option("--bad-dir", type=click.Path(path_type=Path), help="Where bad rows go; FOLDER-bad by default.")
def import_(folder: Path, as_json: bool, skip_bad_rows: bool, bad_dir: Path | None) -> None:
    """Import a folder of CSV files in the exchange format: all of it, or nothing."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.importing import ImportRefused, import_folder

    with desk_here(as_owner=True) as desk, _progress(as_json) as progress:
        try:
            result = import_folder(
                desk, folder, skip_bad_rows=skip_bad_rows, bad_dir=bad_dir, progress=progress
            )
        except ImportRefused as refused:
            _tell_import_errors(refused.errors, as_json)
            sys.exit(REFUSED)
    if as_json:
        _print_json(result.to_json())
    else:
        click.echo(result.sentence())


def _tell_import_errors(errors: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json({"errors": errors})
        return
    for error in errors[:50]:
        click.echo(f"{error['file']}:{error['line']}: {error['column']}: {error['reason']}", err=True)
    more = f" (the first 50 of {len(errors)} are shown)" if len(errors) > 50 else ""
    click.echo(
        f"refunds: nothing was imported{more}. Correct the rows, or use --skip-bad-rows to take the others.",
        err=True,
    )


def _progress(quiet: bool) -> Any:
    """A progress bar on stderr when a person watches: `progress(step, done, total)`; a context manager."""
    from refundlib.progress import bar

    return bar(quiet or not sys.stderr.isatty())


@main.command()
@_json_option
def status(as_json: bool) -> None:
    """What is in the database: counts and sums."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.status import status as figures

    with desk_here() as desk:
        answer = figures(desk)
    if as_json:
        _print_json(answer)
    else:
        for name, value in answer.items():
            click.echo(f"{name:32} {value}")


@main.command("demo-data")
@click.option("--charges", type=click.IntRange(1, 10_000_000), default=20_000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option(
    "--as-of", "as_of", metavar="T", help="The demo's now, ISO 8601 with an offset; the time now by default."
)
def demo_data(charges: int, seed: int, as_of: str | None) -> None:
    """Load a believable marketplace into the database."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.demo import load_demo

    moment = _moment(as_of) if as_of else datetime.now(UTC).replace(microsecond=0)
    with desk_here(as_owner=True) as desk, _progress(False) as progress:
        result = load_demo(desk, charges=charges, seed=seed, as_of=moment, progress=progress)
    for name, count in result.counts.items():
        click.echo(f"{name:16} {count:>10,}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadFigure(f"{text!r} is no time; write it like 2026-11-20T17:00:00Z.") from None
    if moment.tzinfo is None:
        raise BadFigure(f"{text!r} has no offset; write it like 2026-11-20T17:00:00Z.")
    return moment


# -- judging --------------------------------------------------------------------------------------


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="A policy as JSON; the built-in one else.",
)
def evaluate(file: Any, policy_file: Path | None) -> None:
    """Judge claims from a JSON Lines FILE ("-" for standard input); needs no database."""
    from refundlib.bootstrap import judge_without_database
    from refundlib.domain.policy import BUILT_IN
    from refundlib.services.evaluate import read_policy, run_evaluate

    policy = read_policy(policy_file) if policy_file else BUILT_IN
    sys.exit(run_evaluate(file, sys.stdout.buffer, judge_without_database(policy)))


@main.command()
@_as_option
@_json_option
@click.option(
    "--state", default="open", show_default=True, help="open, late, soon, waiting, second or decided."
)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
def queue(as_json: bool, state: str, limit: int) -> None:
    """The open reports by time left."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.queue import listing

    with desk_here() as desk:
        rows = listing(desk, _reader(desk), state=state, limit=limit)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(
            f"{row['report_id']:12} {row['deadline_at']:%Y-%m-%d %H:%M}Z {row['state']:25} "
            f"{row['reason']:16} {row['amount_text']:>10} {row['recommendation']:8} {row['pro_name']}"
        )
    click.echo(f"{len(rows)} shown.")


@main.command()
@click.argument("report_id")
@_as_option
@_json_option
def show(report_id: str, as_json: bool) -> None:
    """One claim: facts, checklist, decision and timeline."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.claims import claim_json

    with desk_here() as desk:
        answer = claim_json(desk, _reader(desk), report_id)
    if as_json:
        _print_json(answer)
        return
    report = answer["report"]
    click.echo(f"{report['report_id']}  {report['state']}  {report['reason']}  {answer['amount_text']}")
    click.echo(answer["headline"])
    for check in answer["checks"]:
        click.echo(f"  {check['status']:15} {check['clause']}  {check['why']}")


@main.command()
@click.argument("report_id")
@click.argument("decision", type=click.Choice(["approve", "deny"]))
@_as_option
@_json_option
@click.option("--reason", default="", help="Due for every denial, overruling, part or discretionary refund.")
@click.option("--amount", type=int, help="Minor units; the whole charge by default.")
@click.option("--currency", help="Must be the charge's; given to be checked.")
@click.option("--key", help="Idempotency key: the same key again does nothing a second time.")
def decide(
    report_id: str,
    decision: str,
    as_json: bool,
    reason: str,
    amount: int | None,
    currency: str | None,
    key: str | None,
) -> None:
    """Approve or deny one report."""
    from uuid import uuid4

    from refundlib.bootstrap import desk_here
    from refundlib.services.decisions import decide as make_decision

    with desk_here() as desk:
        outcome = make_decision(
            desk,
            _actor(desk),
            report_id,
            decision,
            idempotency_key=key or str(uuid4()),
            amount_minor=amount,
            currency=currency,
            reason=reason,
        )
    if as_json:
        _print_json(outcome.__dict__)
    else:
        click.echo(outcome.message)


# -- figures --------------------------------------------------------------------------------------


@main.command()
@click.argument("name")
@click.option("--from", "from_", required=True, metavar="D", help="First day, like 2026-01-01 (UTC).")
@click.option("--to", required=True, metavar="D", help="The day after the last.")
@click.option("--by", metavar="DIM", help="category, reason, kind, region, pro, agent, month, week, day …")
@_as_option
@_json_option
@click.option("--csv", "as_csv", is_flag=True, help="Answer in CSV.")
def metrics(name: str, from_: str, to: str, by: str | None, as_json: bool, as_csv: bool) -> None:
    """One metric: refund_rate, refund_activity, time_to_decision, sla, payout_reversals, overrule …"""
    from refundlib.bootstrap import desk_here
    from refundlib.services.metrics import metrics as figures

    with desk_here() as desk:
        answer = figures(desk, _reader(desk), name, _day(from_), _day(to), by)
    if as_json:
        _print_json(answer)
    else:
        _print_rows(answer["rows"], as_csv)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadFigure(f"{text!r} is no day; write it like 2026-01-31.") from None


def _print_rows(rows: list[dict[str, Any]], as_csv: bool) -> None:
    if not rows:
        click.echo("" if as_csv else "Nothing in this period.", nl=not as_csv)
        return
    writer = csv.writer(sys.stdout, delimiter="," if as_csv else "\t", lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(["" if value is None else value for value in row.values()] for row in rows)


@main.command()
@click.option("--rebuild", is_flag=True, help="Make every sum anew from the rows.")
def rollup(rebuild: bool) -> None:
    """Bring the daily sums behind the metrics up to date; the worker does it by itself."""
    from refundlib.bootstrap import desk_here
    from refundlib.services import rollup as sums

    with desk_here() as desk, _progress(False) as progress:
        if rebuild:
            click.echo(f"Summed anew: {sums.rebuild(desk, progress)} days.")
            return
        done = sums.catch_up(desk)
        while done.more:
            done = sums.catch_up(desk)
    click.echo("The sums are up to date.")


@main.command()
@_json_option
def check(as_json: bool) -> None:
    """Check the invariants of money and decisions. Exit status 1 when one does not hold."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.checking import check as verify

    with desk_here() as desk:
        answer = verify(desk)
    if as_json:
        _print_json(answer)
    else:
        for invariant in answer["invariants"]:
            click.echo(f"{'ok ' if invariant['ok'] else 'BAD'} {invariant['id']}")
            for row in invariant["rows"]:
                click.echo(f"    {row}")
    sys.exit(0 if answer["ok"] else REFUSED)


# -- finance --------------------------------------------------------------------------------------


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "from_", metavar="D", help="First day it tells everything of; its first line's else.")
@click.option("--to", metavar="D", help="The day after the last; after its last line's else.")
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign, when it cannot be told.")
@_as_option
@_json_option
def reconcile(file: Path, from_: str | None, to: str | None, decimal: str | None, as_json: bool) -> None:
    """Take the card processor's report (CSV) and say what does not agree.

    Exit status 1 while any of it has no explanation.
    """
    from refundlib.bootstrap import desk_here
    from refundlib.services import reconciliation

    with desk_here() as desk:
        actor = _actor(desk)
        days = {"from_day": _day(from_) if from_ else None, "until_day": _day(to) if to else None}
        done = reconciliation.import_report(
            desk, actor, file.name, file.read_bytes(), **days, decimal_sign=decimal
        )
        it = reconciliation.overview(desk, actor)
    breaks, waiting, due = it.breaks, it.proposals, it.to_post
    if as_json:
        _print_json({"imported": done.__dict__, "breaks": breaks, "to_confirm": waiting, "to_post": len(due)})
    else:
        _tell_reconciled(done, breaks, waiting, due)
    sys.exit(REFUSED if any(not row["explanation"] for row in breaks) else 0)


def _tell_reconciled(done: Any, breaks: list[Any], waiting: list[Any], due: list[Any]) -> None:
    for note in done.notes:
        click.echo(note)
    click.echo(
        f"{done.file_id}: {done.rows_read} lines, {done.rows_new} of them new, {done.matched} matched; "
        f"{len({row['line_id'] for row in waiting})} to confirm, {len(due)} fees and payouts to post."
    )
    for row in breaks:
        click.echo(
            f"{row['class']:26} {row['subject_id']:28} {row['amount'] or '-':>10} "
            f"{row['their_amount'] or '-':>10} {row['currency']}  {row['at']:%Y-%m-%d}  {row['explanation']}"
        )
    click.echo(f"{len(breaks)} breaks." if breaks else "No break.")


@main.command("post-fees")
@_as_option
def post_fees() -> None:
    """Post the fees and the payouts to our bank that the processor's reports tell of."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.reconciliation import post_fees_and_payouts

    with desk_here() as desk:
        counts = post_fees_and_payouts(desk, _actor(desk))
    click.echo(f"Posted: {counts['processor_fee']} fees, {counts['bank_payout']} payouts to our bank.")


@main.command()
@click.argument("day", metavar="DATE")
@_as_option
@_json_option
def close(day: str, as_json: bool) -> None:
    """Close the books up to the end of DATE (UTC), signed by --as PERSON; its journal is frozen."""
    from refundlib.bootstrap import desk_here
    from refundlib.services import closing

    with desk_here() as desk:
        sha256 = closing.close(desk, _actor(desk), _day(day))
    if as_json:
        _print_json({"day": day, "sha256": sha256})
    else:
        click.echo(f"{day} is closed. SHA-256 of its journal: {sha256}")


@main.command()
@click.option("--from", "from_", required=True, metavar="D", help="First day, like 2026-01-01 (UTC).")
@click.option("--to", required=True, metavar="D", help="The day after the last.")
@_as_option
def journal(from_: str, to: str) -> None:
    """The entries booked on some days, as CSV for accounting."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.ledger import journal_csv

    with desk_here() as desk:
        click.echo(journal_csv(desk, _reader(desk), _day(from_), _day(to)), nl=False)


# -- running --------------------------------------------------------------------------------------


@main.command()
@click.option("--once", is_flag=True, help="Do what is due now, then stop.")
def worker(once: bool) -> None:
    """The background process: posts new payments and charges, sends mail, resumes clocks."""
    from refundlib.bootstrap import desk_here
    from refundlib.worker.main import run as work

    with desk_here() as desk:
        work(desk, once=once)


@main.command()
@click.argument("source", required=False)
@_json_option
def mailbox(source: str | None, as_json: bool) -> None:
    """Read the mails of pros once; the worker does it by itself.

    SOURCE: a folder of .eml files, or imaps://user:password@host/INBOX; REFUNDS_MAILBOX_URL when not given.
    """
    from refundlib.bootstrap import desk_here
    from refundlib.mail.mailboxes import mailbox as mailbox_of
    from refundlib.services.mailbox import read_all

    with desk_here() as desk:
        chosen = mailbox_of(source) if source else desk.mailbox
        if not chosen.is_set:
            raise BadFigure(
                "No mailbox is set. Name one, like `refunds mailbox FOLDER`, or set REFUNDS_MAILBOX_URL."
            )
        counts = read_all(desk, chosen)
    if as_json:
        _print_json({"mailbox": chosen.name, **counts})
        return
    click.echo(
        f"{sum(counts.values())} mails of {chosen.name}: {counts['proposed']} propose a report, "
        f"{counts['answer']} answer one, {counts['unplaced']} wait to be placed, "
        f"{counts['known']} were known."
    )


@main.command()
@click.option(
    "--draft", type=click.Path(path_type=Path), help="Needed: a policy as JSON, as for `evaluate --policy`."
)
@click.option("--from", "from_day", metavar="D", help="Needed: the first day of the reports (UTC).")
@click.option("--to", "to_day", metavar="D", help="Needed: the day after the last, which is not judged.")
@click.option("--run", "backtest_id", type=int, hidden=True, help="Runs one that the policy lab asked for.")
@_json_option
@_as_option
def backtest(
    draft: Path | None, from_day: str | None, to_day: str | None, backtest_id: int | None, as_json: bool
) -> None:
    """Judge every claim of a period again by a draft: what would differ, and what money that moves.

    Nothing is kept. It asks as the operator of this machine, who may read everything, or as --as PERSON.

    Example: refunds backtest --draft draft.json --from 2026-01-01 --to 2026-07-01
    """
    from refundlib.bootstrap import demand_database, desk_here
    from refundlib.services.backtest import try_on_history
    from refundlib.services.backtest_run import run as run_asked
    from refundlib.services.evaluate import read_policy
    from refundlib.services.ledger import start_of

    if backtest_id is not None:
        with desk_here() as desk:
            run_asked(desk, _actor(desk), backtest_id)
        return
    if not (draft and from_day and to_day):
        raise BadFigure("Name the draft and the days: refunds backtest --draft FILE --from D --to D")
    policy = read_policy(draft)
    since, until = (start_of(_day(text)) for text in (from_day, to_day))
    demand_database()
    with desk_here() as desk, _progress(as_json) as progress:

        def on_part(judged: int, total: int, _flips: Any) -> bool:
            progress("claims judged", judged, total)
            return True

        tally, flips = try_on_history(desk, _reader(desk), policy, since, until, on_part)
    answer = tally.to_json()
    listed = {"listed": len(flips), "of": tally.differ + tally.withdrawn_differ}
    if as_json:
        _print_json({**answer, "flips_listed": listed, "flips": [flip.__dict__ for flip in flips]})
    else:
        _tell_backtest(answer, listed)


def _tell_backtest(answer: dict[str, Any], listed: dict[str, int]) -> None:
    """A backtest in lines: the counts, the money in all and by move, and how often people agree."""
    from refundlib.domain.money import format_money

    click.echo(f"{answer['judged']:,} claims judged; {answer['differ']:,} would differ")
    withdrawn = answer["withdrawn"]
    if withdrawn["judged"]:
        click.echo(
            f"{withdrawn['judged']:,} reports among them were withdrawn; {withdrawn['differ']:,} of these "
            "would differ too, and move no money"
        )
    _tell_credits(answer["moves"])
    for move in answer["moves"]:
        amount = format_money(move["amount"], move["currency"])
        what = f"advise {move['was']} → {move['becomes']}"
        click.echo(
            f"{what:24} {move['reason']:16} {move['category']:20} {move['people']:10} {move['claims']:>8,} "
            f"claims {move['charges']:>8,} charges {amount:>14}"
        )
    for row in answer["agreement"]:
        by = "old rules" if row["by"] == "old" else "draft"
        told = f"{row['k']:,} of {row['n']:,} ({row['low']:.0%} to {row['high']:.0%})"
        click.echo(f"{row['clause']:3} by the {by}: people agree with {told}")
    if listed["listed"] < listed["of"]:
        click.echo(f"--json lists {listed['listed']:,} of {listed['of']:,} claims that would differ")


def _tell_credits(moves: list[dict[str, Any]]) -> None:
    """What would be credited more and less, by currency, and what of it a person would have to say."""
    from refundlib.domain.money import format_sums
    from refundlib.services.backtest_judging import credits_of

    sums = credits_of(moves)
    for money, what in (
        (sums.more, "more would be credited than by the version in force"),
        (sums.less, "less would be credited than by the version in force"),
        (sums.to_person, "would be left to a person; in neither sum"),
        (sums.from_person, "would no longer be left to a person; in neither sum"),
    ):
        if money:
            click.echo(f"{format_sums(money)} {what}")


@main.group()
def user() -> None:
    """The people who work at the desk."""


@user.command("list")
@_json_option
def user_list(as_json: bool) -> None:
    """Everybody, with roles."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.people import people

    with desk_here() as desk:
        rows = people(desk)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        state = "" if row["active"] else "  (no longer active)"
        click.echo(f"{row['person_id']:12} {row['name']:24} {', '.join(row['roles'])}{state}")


@user.command("save")
@click.argument("person_id")
@click.option("--name", required=True)
@click.option(
    "--role", "roles", multiple=True, required=True, help="support, manager, finance, admin or viewer."
)
@click.option("--time-zone", default="UTC", show_default=True)
@click.option("--inactive", is_flag=True, help="The person may no longer work here.")
@_as_option
def user_save(person_id: str, name: str, roles: tuple[str, ...], time_zone: str, inactive: bool) -> None:
    """Add a person or change one; an admin's work, and anybody's while there is nobody yet."""
    from refundlib.bootstrap import desk_here
    from refundlib.services.people import people, save_person

    with desk_here() as desk:
        nobody_yet = not people(desk)
        first = Person("operator", "The operator", frozenset({"admin"}))
        actor = first if nobody_yet else _actor(desk)
        save_person(desk, actor, person_id, name, list(roles), not inactive, time_zone)
    click.echo(f"{person_id} is saved.")
