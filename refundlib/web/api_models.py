"""What the marketplace sends and is answered, as the models that check it and that /api/openapi.json shows.

Texts are refused with a NUL (no database keeps one); half a character never gets through pydantic. Times are
ISO 8601 with an offset, amounts whole minor units of the currency named beside them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from refundlib.services.answers import ANSWER_CHARACTERS_MAX
from refundlib.services.files import FILES_MAX
from refundlib.services.intake import DETAILS_CHARACTERS_MAX, SHORT_CHARACTERS_MAX, Draft

KEY_CHARACTERS_MAX: Final = 200
NAME_CHARACTERS_MAX: Final = 200
NO_NUL: Final = r"^[^\x00]*$"
# Something besides blanks, whatever counts as one in Python, in JSON Schema and in Rust.
_NOT_BLANK: Final = r"^[^\x00]*[^\s\x00-\x1f\x85\ufeff][^\x00]*$"
_PATH_PART: Final = r"^[^\x00/]+$"

# domain.claim.REASONS, for the schema.
Reason = Literal["job_changed", "terms_violation", "invalid_phone", "clear_no", "not_hired", "other"]
Code = Literal[
    "bad_file",
    "bad_request",
    "busy",
    "failed",
    "key_used",
    "method_not_allowed",
    "not_found",
    "not_yours",
    "refunded_before",
    "reported_before",
    "timed_out",
    "too_large",
    "too_late",
    "unauthorized",
    "wrong_state",
]
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=SHORT_CHARACTERS_MAX, pattern=r"^[^\x00]+$", strict=True)
]
PathId = Annotated[
    str, StringConstraints(min_length=1, max_length=SHORT_CHARACTERS_MAX, pattern=_PATH_PART, strict=True)
]
Short = Annotated[str, StringConstraints(max_length=SHORT_CHARACTERS_MAX, pattern=NO_NUL, strict=True)]


class Sent(BaseModel):
    """What comes in: a field nobody knows is refused, for it may be a known one, misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Attachment(Sent):
    """A file handed in as evidence: a PDF, JPEG or PNG, whatever its name says."""

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=NO_NUL, strict=True),
        Field(description="The file's name, for people.", examples=["chat.png"]),
    ]
    content: Annotated[
        str,
        StringConstraints(strict=True),
        Field(
            description="The content in base64 (RFC 4648, section 4), at most 10 MiB of it decoded.",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ]


Attachments = Annotated[
    tuple[Attachment, ...], Field(max_length=FILES_MAX, description="Files handed in as evidence.")
]


class Asked(Sent):
    """A report that may be filed: by which pro, on which charge, why, and what the reason needs."""

    pro_id: Annotated[Id, Field(description="The pro who asks.")]
    charge_id: Annotated[Id, Field(description="The charge the pro thinks unfair.")]
    reason: Annotated[Reason, Field(description="One of GET /api/reasons.")]
    details: Annotated[
        str,
        StringConstraints(max_length=DETAILS_CHARACTERS_MAX, pattern=NO_NUL, strict=True),
        Field(description="The pro's own words."),
    ] = ""
    changed_zip: Annotated[Short | None, Field(description="Where the job is now.")] = None
    changed_category: Annotated[Short | None, Field(description="What the job is now.")] = None
    number_tried: Annotated[
        Short | None, Field(description="The number that was called, when it is not the lead's.")
    ] = None

    def draft(self) -> Draft:
        """The draft the services judge."""
        return Draft(
            charge_id=self.charge_id,
            reason=self.reason,
            details=self.details,
            changed_zip=self.changed_zip,
            changed_category=self.changed_category,
            number_tried=self.number_tried,
        )


class ToFile(Asked):
    """A report to file, with its files."""

    attachments: Attachments = ()


class Answer(Sent):
    """What the pro answers to a question about the report."""

    pro_id: Annotated[Id, Field(description="The pro who answers.")]
    body: Annotated[
        str,
        StringConstraints(min_length=1, max_length=ANSWER_CHARACTERS_MAX, pattern=_NOT_BLANK, strict=True),
        Field(description="The answer, in the pro's own words."),
    ]
    attachments: Attachments = ()


class Told(BaseModel):
    """What goes out; read from the services' own dataclasses by the names of their fields."""

    model_config = ConfigDict(from_attributes=True)


class Problem(Told):
    """Why something was not done. sentence: for people; code: for programs."""

    code: Code
    sentence: str
    report_id: Annotated[
        str | None, Field(description="The report that stands in the way, where there is one.")
    ] = None


class Check(Told):
    """One eligibility check: the clause of the policy it rests on, its status, and why, in a sentence."""

    id: str
    clause: str
    status: Literal["pass", "fail", "unsure", "not_applicable"]
    why: str


class Outlook(Told):
    """What a report would be if it were filed now. why_not: what stands in the way, null if nothing does."""

    may_file: bool
    why_not: Problem | None
    recommendation: Literal["approve", "deny", "review"]
    headline: str
    checks: list[Check]
    report_until: datetime
    decide_by: datetime


class Decided(Told):
    """One decision as the pro reads it: what, when, by which clause, and why where that is owed."""

    decision: str
    decided_at: datetime
    amount_minor: int
    clause: str
    clause_text: str
    reason: str
    taken_back: Annotated[bool, Field(description="An approval that was undone later.")]


class Credit(Told):
    """The balance credit; what of it may go to the card now and until when, or why nothing may."""

    amount_minor: int
    unspent_minor: int
    card_most_minor: int
    card_until: datetime
    card_why_not: str | None


class CardMoney(Told):
    """A card refund, its state in the words a pro reads."""

    amount_minor: int
    state: str
    requested_at: datetime


class Report(Told):
    """A report as its pro sees it. Every amount is in minor units of `currency`."""

    report_id: str
    charge_id: str
    lead_id: str
    pro_id: str
    pro_name: str
    category: str
    kind: str
    reason: Reason
    state: Literal["open", "waiting_on_pro", "approved", "denied", "withdrawn"]
    headline: str
    reported_at: datetime
    charged_at: datetime
    charge_minor: int
    currency: str
    decide_by: Annotated[datetime | None, Field(description="While it is open: the deadline.")]
    question: Annotated[str | None, Field(description="While it waits on the pro: what was asked.")]
    decisions: Annotated[list[Decided], Field(description="First to last.")]
    credit: Annotated[Credit | None, Field(description="Of a standing approval.")]
    card_refunds: list[CardMoney]
    may_appeal: bool


class ReasonInWords(Told):
    """A reason a pro can give, in plain words. fields: of a report to file, those that say more of it."""

    reason: Reason
    clause: str
    title: str
    qualifies: str
    does_not: str
    fields: list[str]


class Reasons(Told):
    """The reasons, in the order in which a form offers them."""

    reasons: list[ReasonInWords]


# Which fields of Asked say more about a reason; a report without them is filed too, and a person looks.
FIELDS_OF_REASON: Final[Mapping[str, list[str]]] = {
    "clear_no": [],
    "invalid_phone": ["number_tried"],
    "job_changed": ["changed_zip", "changed_category", "details"],
    "terms_violation": ["details"],
    "not_hired": [],
    "other": ["details"],
}
