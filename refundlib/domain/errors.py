"""Refusals: one class each, whose message is the sentence the operator reads."""


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a programming error
    """Something the desk will not do. `str()` says what is wrong and what to do; nothing was changed."""


class NotAllowed(Refusal):
    """The acting person's roles do not include this command."""


class UnknownPerson(Refusal):
    """Nobody of that name works here, or no longer."""


class NotFound(Refusal):
    """No such report, lead or other record."""


class WrongState(Refusal):
    """The record is not in a state in which this can be done."""


class AlreadyDecided(WrongState):
    """Somebody else was first; the message says who and what they decided."""


class ReportedBefore(WrongState):
    """The charge has a report already. report_id: that one."""

    def __init__(self, message: str, report_id: str) -> None:
        super().__init__(message)
        self.report_id = report_id


class DeniedBefore(ReportedBefore):
    """The charge was reported for this reason and denied; that report can be opened once more."""


class RefundedBefore(ReportedBefore):
    """The charge was refunded on an earlier report. report_id: that one."""


class TooLate(Refusal):
    """The days in which the charge can be reported are over."""


class NotYours(Refusal):
    """The charge or report is another pro's."""


class BadFile(Refusal):
    """A file that is not taken; the message says which, why, and what is."""


class KeyUsed(Refusal):
    """This idempotency key was used for another request."""


class TakenByOther(Refusal):
    """Another person works on this claim now."""


class ReasonMissing(Refusal):
    """A written reason is due here."""


class BadAmount(Refusal):
    """The amount is not one that can be refunded or posted."""


class ForeignCurrency(BadAmount):
    """The amount is in another currency than the charge."""


class SamePerson(Refusal):
    """The second look must be another person's."""


class ShortOfCover(BadAmount):
    """There is less on the balance than the posting takes."""

    def __init__(self, message: str, shortfall_minor: int) -> None:
        super().__init__(message)
        self.shortfall_minor = shortfall_minor


class CreditSpent(Refusal):
    """The credit is no longer wholly there."""


class CardRefundRefused(Refusal):
    """The policy or the payments leave no way to the card; the message has the figures."""


class BadFigure(Refusal):
    """A value given by a person or a file cannot be used."""


class DatabaseDown(Refusal):
    """PostgreSQL cannot be reached."""


class DatabaseSlow(Refusal):
    """PostgreSQL did not answer within the time allowed."""


class MigrationBehind(Refusal):
    """The database's schema is older or newer than this program."""


class MailRefused(Refusal):
    """The mail server, or the address itself, will never take this mail; the message says why."""


class MailDelayed(Refusal):
    """The mail was not taken this time. server_down: no other mail would be taken now either."""

    def __init__(self, message: str, *, server_down: bool = False) -> None:
        super().__init__(message)
        self.server_down = server_down


class ProcessorRefused(Refusal):
    """The card processor will never make this payout; the message says why. code: its own word for it."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ProcessorUnset(ProcessorRefused):
    """There is no card processor."""

    def __init__(self) -> None:
        super().__init__(
            "No card processor is set, so nothing was sent. Set REFUNDS_STRIPE_KEY and restart.", "unset"
        )


class ProcessorSilent(Refusal):
    """The card processor gave no usable answer: it may have acted, and is asked before a retry."""


class ForgedEvent(Refusal):
    """A message that claims to come from the card processor, and does not."""


class ReportRefused(BadFigure):
    """The processor's report has bad lines, and nothing of it was taken. problems: line, column, reason."""

    def __init__(self, message: str, problems: tuple[tuple[int, str, str], ...]) -> None:
        super().__init__(message)
        self.problems = problems


class DayNotReady(Refusal):
    """Something stands in the way of closing a day; the message says what and what to do."""
