"""The one place that joins engine, adapters and clock into a Desk; app, CLI, worker and tests call it."""

import atexit
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from refundlib.config import Settings, settings
from refundlib.db.embedded import embedded_server, is_made
from refundlib.db.engine import APP_ROLE, make_engine
from refundlib.db.migrate import migrate, require_current
from refundlib.db.regions import fill_zip_regions
from refundlib.domain.errors import NotFound
from refundlib.domain.policy import Policy
from refundlib.mail.letters import TemplateLetters
from refundlib.mail.mailboxes import mailbox
from refundlib.mail.smtp import mailer
from refundlib.payments.null import NullProcessor
from refundlib.reference.phones import PhoneNumbers
from refundlib.reference.zips import ZipTable
from refundlib.services.desk import Desk, Processor
from refundlib.services.evaluate import Judge, judge


def now_utc() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def open_desk(
    database_url: str,
    *,
    own_settings: Settings | None = None,
    clock: Callable[[], datetime] = now_utc,
    as_owner: bool = False,
) -> Desk:
    """A desk on a database: with the app's role, or with the login's own rights for bulk work."""
    chosen = own_settings or settings()
    engine = (
        make_engine(database_url, statement_timeout_ms=0) if as_owner else make_engine(database_url, APP_ROLE)
    )
    return Desk(
        engine=engine,
        clock=clock,
        gazetteer=ZipTable(),
        phone_book=PhoneNumbers(),
        letters=TemplateLetters(),
        mailer=mailer(chosen.smtp_url, chosen.mail_from),
        processor=_processor(chosen),
        mailbox=mailbox(chosen.mailbox_url.get_secret_value() if chosen.mailbox_url else None),
    )


class ProcessStarter:
    """Runs a backtest that was asked for in a process of its own, on the desk of this machine's settings."""

    def start(self, backtest_id: int, person_id: str) -> None:
        """Starts the process, which ends by itself. Raises OSError."""
        command = [
            sys.executable, "-m", "refundlib", "backtest", "--run", str(backtest_id), "--as", person_id,
        ]  # fmt: skip
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def _processor(chosen: Settings) -> Processor:
    if chosen.stripe_key is None:
        return NullProcessor()
    # Read here: the SDK takes a third of a second, which a desk without a key does not pay at each start.
    from refundlib.payments.stripe import StripeProcessor

    return StripeProcessor(
        chosen.stripe_key.get_secret_value(),
        chosen.stripe_webhook_secret.get_secret_value(),
        chosen.stripe_url,
    )


def judge_without_database(policy: Policy) -> Judge:
    """What `refunds evaluate` judges with."""
    return judge(policy, ZipTable(), PhoneNumbers())


def migrate_database(database_url: str, on_applied: Callable[[str], None] = lambda _name: None) -> list[str]:
    """Applies missing migrations and fills the table of zip regions; the names applied."""
    engine = make_engine(database_url, statement_timeout_ms=0)
    try:
        applied = migrate(engine, on_applied=on_applied)
        fill_zip_regions(engine, ZipTable().states)
    finally:
        engine.dispose()
    return applied


@contextmanager
def database(own_settings: Settings | None = None) -> Iterator[str]:
    """The database's URL: the named one, or the embedded server's, started when needed and migrated."""
    chosen = own_settings or settings()
    if chosen.database_url is not None:
        yield chosen.database_url
        return
    with embedded_server(chosen.home) as url:
        migrate_database(url)
        yield url


def demand_database(own_settings: Settings | None = None) -> None:
    """Raises NotFound, with where it looked, when there is no database yet: who only reads makes none."""
    chosen = own_settings or settings()
    if chosen.database_url is None and not is_made(chosen.home):
        raise NotFound(
            f"There is no database in {chosen.home}. Set REFUNDS_HOME to the desk's data folder, or "
            "REFUNDS_DATABASE_URL to its PostgreSQL; `refunds run` makes a new desk. Nothing was made."
        )


@contextmanager
def desk_here(*, as_owner: bool = False) -> Iterator[Desk]:
    """The desk of this machine's settings; MigrationBehind when a named database is not current."""
    with database() as url:
        desk = open_desk(url, as_owner=as_owner)
        try:
            require_current(desk.engine)
            yield desk
        finally:
            desk.engine.dispose()


# What the app opened, for as long as it serves. Python's own end of the process is the second chance only:
# a server that is stopped by SIGTERM ends by that signal, and nothing registered with atexit is run.
_OPENED_FOR_APP: Final = ExitStack()
atexit.register(_OPENED_FOR_APP.close)


def open_desk_for_app() -> Desk:
    """The desk for as long as the Streamlit server serves, which opens it once."""
    return replace(_OPENED_FOR_APP.enter_context(desk_here()), starter=ProcessStarter())


def close_desk_of_app() -> None:
    """Closes what `open_desk_for_app` opened: the last to leave an embedded database stops it."""
    _OPENED_FOR_APP.close()
