"""Who may do what: the table of roles, in one place that every command passes."""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from refundlib.domain.errors import NotAllowed

SUPPORT, MANAGER, FINANCE, ADMIN, VIEWER = "support", "manager", "finance", "admin", "viewer"
ROLES: Final = (SUPPORT, MANAGER, FINANCE, ADMIN, VIEWER)
SYSTEM: Final = "system"  # the desk's own processes; nobody can be given it


@dataclass(frozen=True)
class Person:
    """Somebody who acts.

    person_id: short name, also in audit rows. roles: subset of ROLES. time_zone: IANA name.
    """

    person_id: str
    name: str
    roles: frozenset[str]
    time_zone: str = "UTC"

    def has(self, *roles: str) -> bool:
        """Whether the person has any of the roles."""
        return not self.roles.isdisjoint(roles)


def zone_of(person: Person) -> ZoneInfo:
    """The person's time zone; UTC when it is none."""
    try:
        return ZoneInfo(person.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


WORKER: Final = Person("worker", "The worker", frozenset({SYSTEM}))
IMPORT: Final = Person("import", "The import", frozenset({SYSTEM}))
MARKETPLACE: Final = Person("marketplace", "The marketplace, for the pro", frozenset({SYSTEM}))
MAILBOX: Final = Person("mailbox", "The mailbox", frozenset({SYSTEM}))

_WORK = frozenset({SUPPORT, MANAGER})
_READ = frozenset({SUPPORT, MANAGER, FINANCE, VIEWER})
_METRICS = frozenset({SUPPORT, MANAGER, FINANCE, VIEWER})
_OVERSEE = frozenset({MANAGER})
_MONEY = frozenset({FINANCE})
_MONEY_READ = frozenset({MANAGER, FINANCE, VIEWER})
_ADMIN = frozenset({ADMIN})
_AUDITORS = frozenset({MANAGER, FINANCE, ADMIN})

# Each command of the services, and the roles that may call it (DOMAIN: People).
RULES: Final[dict[str, frozenset[str]]] = {
    "read_queue": _READ,
    "read_claim": _READ,
    "read_lead": _READ,
    "read_messages": _READ,
    "read_mail": _READ,
    "mark_read": _WORK,
    "take_next": _WORK,
    "take": _WORK,
    "release": _WORK,
    "decide": _WORK,
    "ask_pro": _WORK,
    "file_report": _WORK,
    # For the pro, who asks the marketplace.
    "file_for_marketplace": frozenset({SYSTEM}),
    "see_as_pro": _READ | {SYSTEM},
    "record_answer": _WORK | {SYSTEM},
    # Mails of pros: names and addresses as they wrote them.
    "read_received": frozenset({SUPPORT, MANAGER, FINANCE}),
    "receive_mail": frozenset({SYSTEM}),
    "dismiss_mail": _WORK,
    "withdraw": _WORK,
    "request_card_refund": _WORK,
    "second_approval": _OVERSEE,
    "send_back": _OVERSEE,
    "reassign": _OVERSEE,
    "reopen": _OVERSEE,
    "undo": _OVERSEE,
    "read_metrics": _METRICS,
    # Figures that are nobody's own: not for support by itself.
    "read_shared_metrics": _METRICS - {SUPPORT},
    "draw_sample": _OVERSEE,
    "second_look": _WORK,
    "read_policy": frozenset({MANAGER, VIEWER}),
    "draft_policy": _OVERSEE,
    "publish_policy": _OVERSEE,
    "backtest": _OVERSEE,
    "read_card_refunds": _MONEY_READ,
    # Finance sends by making and releasing batches; the worker alone talks to the processor.
    "submit_card_refund": frozenset({SYSTEM}),
    "make_batch": _MONEY,
    "release_batch": _MONEY,
    "decline_card_refund": _MONEY,
    "record_card_refund_outcome": frozenset({SYSTEM}),
    "resume_claim": frozenset({SYSTEM}),
    "expire_lease": frozenset({SYSTEM}),
    "read_ledger": _MONEY_READ,
    "read_statement": _READ,
    "adjust": _MONEY,
    "release_adjustment": _MONEY,
    "read_reconciliation": _MONEY_READ,
    "reconcile": _MONEY,
    "close_day": _MONEY,
    "read_audit": _AUDITORS,
    "manage_people": _ADMIN,
    "read_system": _ADMIN,
}

_PLAIN_WORDS: Final = {
    "read_queue": "read the queue",
    "read_claim": "read claims",
    "read_lead": "read leads",
    "read_messages": "read messages",
    "see_as_pro": "see what a pro sees",
    "backtest": "try a policy on history",
    "decide": "decide claims",
    "second_approval": "release approvals above the limit",
    "take_next": "take claims",
    "manage_people": "manage people",
    "read_policy": "read the policy's versions",
    "draft_policy": "write a policy",
    "publish_policy": "publish a policy",
    "file_report": "file a report for a pro",
    "record_answer": "record a pro's answer",
    "read_received": "read the mails of pros",
    "dismiss_mail": "put a mail of a pro aside",
    "make_batch": "send card refunds",
    "release_batch": "release card refunds",
    "adjust": "propose an adjustment",
    "release_adjustment": "post an adjustment",
    "reconcile": "reconcile with the card processor",
    "close_day": "close a day",
}


def is_masked(actor: Person) -> bool:
    """Whether a reader sees nobody's name, number and address: who has no role that works with people."""
    return not actor.has(SUPPORT, MANAGER, FINANCE, SYSTEM)


def may(actor: Person, command: str) -> bool:
    """Whether the person's roles include the command. KeyError for a command without a rule."""
    return actor.has(*RULES[command])


def authorize(actor: Person, command: str) -> None:
    """Raises NotAllowed, with a sentence, unless the person's roles include the command."""
    if not may(actor, command):
        deed = _PLAIN_WORDS.get(command, command.replace("_", " "))
        allowed = " or ".join(sorted(RULES[command] - {SYSTEM})) or "of the desk itself"
        raise NotAllowed(
            f"{actor.name} may not {deed}: that needs the role {allowed}. Who manages people can give it."
        )
