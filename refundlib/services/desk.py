"""The desk every use case gets: its database, clock and adapters, joined once by bootstrap."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine

from refundlib.db.engine import translated
from refundlib.domain.eligibility import Gazetteer, PhoneBook
from refundlib.domain.letter import Letter as Letter
from refundlib.domain.payout import PayoutNews, PayoutOrder
from refundlib.domain.people import RULES, Person, authorize
from refundlib.domain.received_mail import Fetched, Position

P = ParamSpec("P")
T = TypeVar("T")


class Letters(Protocol):
    """Writes the letters pros get."""

    def compose(self, kind: str, facts: dict[str, Any]) -> Letter:
        """The letter of a kind (outbox.kind) from the facts its template names."""


class Mailer(Protocol):
    """Hands one mail to a mail server."""

    @property
    def is_set(self) -> bool:
        """Whether there is a mail server at all."""

    def send(self, message_id: str, to_name: str, to_address: str, letter: Letter) -> None:
        """Returns once the server accepted the mail; raises mail errors otherwise."""


class Processor(Protocol):
    """The card processor."""

    @property
    def is_set(self) -> bool:
        """Whether there is a processor at all."""

    def submit(self, order: PayoutOrder) -> PayoutNews:
        """Asks for a payout; the same order again makes no second one. Raises ProcessorRefused, -Silent."""

    def look_up(self, order: PayoutOrder, processor_ref: str | None = None) -> PayoutNews | None:
        """What the processor has of an order, None when nothing. Raises ProcessorSilent."""

    def read_event(self, body: bytes, signature: str) -> PayoutNews | None:
        """What a webhook says, None when it is of something else. Raises ForgedEvent."""


class BacktestStarter(Protocol):
    """Begins a backtest that was asked for, elsewhere."""

    def start(self, backtest_id: int, person_id: str) -> None:
        """Returns at once. Raises OSError when no process can be started."""


class NoStarter:
    """Begins nothing: whoever asked for a backtest runs it."""

    def start(self, backtest_id: int, person_id: str) -> None:
        """Nothing."""


class Mailbox(Protocol):
    """Where pros write to. It is only read: no mail in it is changed, moved or marked."""

    @property
    def is_set(self) -> bool:
        """Whether there is a mailbox at all."""

    @property
    def name(self) -> str:
        """What tells it from other mailboxes; without a password."""

    def mails(self, position: Position, limit: int) -> Generator[Fetched]:
        """At most `limit` mails after a position, in order. Raises MailboxClosed.

        Whoever asks for the next mail has kept the one before; who kept the last one throws EnoughRead.
        """


class NoMailbox:
    """No mailbox is set: there is nothing to read."""

    is_set = False
    name = ""

    def mails(self, position: Position, limit: int) -> Generator[Fetched]:
        """No mail."""
        yield from ()


@dataclass(frozen=True)
class Desk:
    """What a use case works with. clock() gives the time now, with an offset (UTC)."""

    engine: Engine
    clock: Callable[[], datetime]
    gazetteer: Gazetteer
    phone_book: PhoneBook
    letters: Letters
    mailer: Mailer
    processor: Processor
    mailbox: Mailbox = field(default_factory=NoMailbox)
    starter: BacktestStarter = field(default_factory=NoStarter)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: commits at the end, rolls back on any exception; driver errors become refusals."""
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reads only; rolled back at the end."""
        with translated(), self.engine.connect() as connection:
            yield connection


COMMANDS: dict[str, Callable[..., Any]] = {}


def command(
    name: str,
) -> Callable[[Callable[Concatenate[Desk, Person, P], T]], Callable[Concatenate[Desk, Person, P], T]]:
    """Marks a use case as the command `name`: the person's roles are asked before it runs."""
    if name not in RULES:
        raise KeyError(f"the command {name} has no rule in domain/people.py")

    def mark(
        use_case: Callable[Concatenate[Desk, Person, P], T],
    ) -> Callable[Concatenate[Desk, Person, P], T]:
        @wraps(use_case)
        def guarded(desk: Desk, actor: Person, *args: P.args, **kwargs: P.kwargs) -> T:
            authorize(actor, name)
            return use_case(desk, actor, *args, **kwargs)

        COMMANDS[f"{use_case.__module__.rsplit('.', 1)[-1]}.{use_case.__name__}"] = guarded
        guarded.__dict__["command"] = name
        return cast("Callable[Concatenate[Desk, Person, P], T]", guarded)

    return mark
