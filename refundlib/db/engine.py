"""Connections to PostgreSQL: pool, limits, the app's role; and driver errors turned into refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import errors as pg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy import exc as sa

from refundlib.domain.errors import BadFigure, DatabaseDown, DatabaseSlow, MigrationBehind, Refusal

APP_ROLE: Final = "refunds_app"

# Every limit. A page's work is some ten milliseconds: who waits longer than this is told so.
POOL_SIZE: Final = 8
POOL_OVERFLOW: Final = 8
POOL_TIMEOUT_SECONDS: Final = 10
POOL_RECYCLE_SECONDS: Final = 1800
CONNECT_TIMEOUT_SECONDS: Final = 5
STATEMENT_TIMEOUT_MS: Final = 30_000
LOCK_TIMEOUT_MS: Final = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 60_000
# A statement is prepared by the server when it comes for the third time on a connection.
PREPARE_THRESHOLD: Final = 3
WHOLE_TABLES_MEMORY: Final = "256MB"

_LIMITS: Final = """
    SELECT
        set_config('TimeZone', 'UTC', false),
        set_config('statement_timeout', %s, false),
        set_config('lock_timeout', %s, false),
        set_config('idle_in_transaction_session_timeout', %s, false)
"""
# A login that may not become the role keeps its own rights: the triggers stand in any case.
_BECOME: Final = """
    SELECT set_config('role', rolname, false)
    FROM pg_roles
    WHERE
        rolname = %s
        AND CASE
            WHEN current_setting('server_version_num')::integer >= 160000 THEN pg_has_role(oid, 'SET')
            ELSE pg_has_role(oid, 'MEMBER')
        END
"""


def make_engine(
    url: str,
    role: str | None = None,
    *,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    pool_size: int = POOL_SIZE,
    application_name: str = "refund-desk",
) -> Engine:
    """An engine on `url` (postgresql+psycopg://…); nothing is connected yet.

    role: become this role on every connection when it exists and the login may, e.g. APP_ROLE.
    statement_timeout_ms: 0 for none (imports, migrations).
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_recycle=POOL_RECYCLE_SECONDS,
        pool_pre_ping=True,  # a restarted server costs nobody a failed click
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": application_name,
            "prepare_threshold": PREPARE_THRESHOLD,
        },
    )

    @event.listens_for(engine, "connect")
    def _prepare_session(connection: psycopg.Connection[Any], _record: object) -> None:
        _set_up(connection, role, statement_timeout_ms)

    return engine


def _set_up(connection: psycopg.Connection[Any], role: str | None, statement_timeout_ms: int) -> None:
    """Set a new connection's limits, outside any transaction so that no rollback takes them back."""
    limits = [str(n) for n in (statement_timeout_ms, LOCK_TIMEOUT_MS, IDLE_IN_TRANSACTION_TIMEOUT_MS)]
    connection.autocommit = True
    connection.execute(_LIMITS, limits, prepare=False)
    if role is not None:
        connection.execute(_BECOME, [role], prepare=False)
    connection.autocommit = False


_SLOW: Final = (
    "The database did not answer in time, so nothing was changed. Try again; "
    "if it stays slow, tell whoever runs it."
)
_BUSY: Final = "Somebody else was changing the same record, so nothing was changed. Try again."
_FULL: Final = "All connections to the database are in use, so nothing was changed. Try again in a moment."
_BEHIND: Final = "The database's tables do not fit this program. Run `refunds migrate`, then try again."


def _down(why: str) -> str:
    return (
        f"The database cannot be reached: {why}. "
        "Check that PostgreSQL runs and that REFUNDS_DATABASE_URL is right."
    )


# Driver error, refusal, sentence; the first that fits counts. None: the sentence is made from the error.
_TRANSLATIONS: Final[
    list[tuple[type[Exception] | tuple[type[Exception], ...], type[Refusal], str | None]]
] = [
    (sa.TimeoutError, DatabaseSlow, _FULL),
    (pg.TooManyConnections, DatabaseSlow, _FULL),
    ((pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable), DatabaseSlow, _BUSY),
    (
        (pg.QueryCanceled, pg.IdleInTransactionSessionTimeout, psycopg.errors.ConnectionTimeout),
        DatabaseSlow,
        _SLOW,
    ),
    (
        (pg.UndefinedTable, pg.UndefinedColumn, pg.UndefinedFunction, pg.InvalidSchemaName),
        MigrationBehind,
        _BEHIND,
    ),
    (pg.InvalidCatalogName, DatabaseDown, _down("it has no database of that name")),
    (
        (pg.InvalidPassword, pg.InvalidAuthorizationSpecification),
        DatabaseDown,
        _down("it refuses this login"),
    ),
    (
        pg.DiskFull,
        DatabaseDown,
        "The database's disk is full, so nothing was changed. Make room, then try again.",
    ),
    (pg.ReadOnlySqlTransaction, DatabaseDown, _down("this server only reads (a standby)")),
]
_UNREADABLE: Final = (
    "A value cannot be taken (a NUL, half a character, a number or a day far out of range). "
    "Correct it, then try again."
)
_CONNECTION_CLASSES: Final = ("08", "57P")


# What a value itself is at fault for; a plain DataError comes from the driver (a NUL in text).
_BAD_VALUES: Final = (
    psycopg.DataError,
    pg.NumericValueOutOfRange,
    pg.DatetimeFieldOverflow,
    pg.UntranslatableCharacter,
)


def translate(error: BaseException) -> Refusal | None:
    """The refusal that a driver's or SQLAlchemy's error means; None for any other (a bug, a check)."""
    driver_error = error.orig if isinstance(error, sa.DBAPIError) else error
    if isinstance(driver_error, UnicodeEncodeError) or type(driver_error) in _BAD_VALUES:
        return BadFigure(_UNREADABLE)
    for kinds, refusal, sentence in _TRANSLATIONS:
        if isinstance(driver_error, kinds):
            return refusal(sentence)
    if isinstance(driver_error, psycopg.OperationalError | psycopg.InterfaceError) and _is_lost(driver_error):
        return DatabaseDown(_down(_first_line(driver_error)))
    return None


def _is_lost(error: psycopg.Error) -> bool:
    """Whether the error is about the connection: no state at all, or one of the connection classes."""
    return error.sqlstate is None or error.sqlstate.startswith(_CONNECTION_CLASSES)


def _first_line(error: BaseException) -> str:
    """The driver's words, shortened: they name host and port, never the password."""
    text = str(error).strip().partition("\n")[0] or "the connection was lost"
    return text.rstrip(".")[:300]


def read_whole_tables(connection: Connection) -> None:
    """For the rest of the transaction: no time limit, memory to join in, tables in the order their rows lie.

    Millions of look-ups by index would take many times as long, whatever the server thinks one costs.
    """
    connection.execute(
        text(
            "SELECT set_config('statement_timeout', '0', true), set_config('random_page_cost', '10', true),"
            " set_config('work_mem', :memory, true)"
        ),
        {"memory": WHOLE_TABLES_MEMORY},
    )


@contextmanager
def translated() -> Iterator[None]:
    """Inside, a driver error leaves as the refusal it means; every other error as it is."""
    try:
        yield
    except (psycopg.Error, sa.SQLAlchemyError, UnicodeEncodeError) as error:
        refusal = translate(error)
        if refusal is None:
            raise
        raise refusal from error
