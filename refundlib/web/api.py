"""For the marketplace: what its product asks for a pro. The checklist, a report, its state, an answer.

Every answer is JSON, every refusal a `Problem`. What lies before it (key, sizes, log): api_gate.
/api/openapi.json needs the key as everything here: who has none is told nothing, not even what there is.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Depends, FastAPI, Header, Query
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from refundlib.domain.eligibility import CLAUSE_OF_REASON
from refundlib.domain.errors import (
    BadFigure,
    BadFile,
    KeyUsed,
    NotFound,
    NotYours,
    ReasonMissing,
    RefundedBefore,
    Refusal,
    ReportedBefore,
    TooLate,
    WrongState,
)
from refundlib.domain.people import MARKETPLACE
from refundlib.domain.reasons import REASONS_IN_WORDS
from refundlib.services.desk import Desk
from refundlib.services.files import File, examined
from refundlib.services.intake import Prospect
from refundlib.services.intake_snapshot import canonical
from refundlib.services.marketplace_requests import (
    answer_for_marketplace,
    check_for_marketplace,
    file_for_marketplace,
    see_for_marketplace,
    what_stands_against,
)
from refundlib.web.api_gate import busy, failed, notes_of, problem
from refundlib.web.api_models import (
    FIELDS_OF_REASON,
    KEY_CHARACTERS_MAX,
    Answer,
    Asked,
    Attachment,
    Check,
    Code,
    Id,
    Outlook,
    PathId,
    Problem,
    ReasonInWords,
    Reasons,
    Report,
    ToFile,
)
from refundlib.web.doors import OpenDesk

# Of the server's threads. The app's own files are read on them too.
API_THREADS_MAX: Final = 6
NAME_SHOWN_MAX: Final = 60

T = TypeVar("T")

# A refusal's status and code; the class named nearest above it counts. Any other is ours: to be sent again.
REFUSALS: Final[dict[type[Refusal], tuple[int, Code]]] = {
    NotFound: (404, "not_found"),
    NotYours: (403, "not_yours"),
    ReportedBefore: (409, "reported_before"),
    RefundedBefore: (409, "refunded_before"),
    WrongState: (409, "wrong_state"),
    TooLate: (422, "too_late"),
    KeyUsed: (422, "key_used"),
    BadFile: (422, "bad_file"),
    BadFigure: (422, "bad_request"),
    ReasonMissing: (422, "bad_request"),
}
# What is said of a field, by pydantic's name for the error; of any other, pydantic's own words.
_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_pattern_mismatch": "is empty, or has signs that cannot be kept",
    "string_unicode": "has half a character in it",
    "literal_error": "must be one of {expected}",
    "string_too_long": "can have at most {max_length} characters",
    "too_long": "can have at most {max_length} entries",
    "string_type": "must be a text",
    "string_too_short": "must have {min_length} or more characters",
    "model_attributes_type": "must be a JSON object, sent as Content-Type: application/json",
    "json_invalid": "is no JSON: {error}",
}


class _NotReady(Refusal):
    """The desk cannot be opened now."""


def api(desk: OpenDesk) -> FastAPI:
    """The routes at /api, for who was let in. desk() gives the one desk, or raises a Refusal for now."""
    key = HTTPBearer(auto_error=False, description="The key of REFUNDS_API_KEY.")
    app = FastAPI(
        title="Refund Desk: reports of bad leads",
        version="1",
        description="For the marketplace's product: what a report would say, to file it and see its state.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(key)],  # for the schema: the gate has asked already
        generate_unique_id_function=lambda route: route.name,
        responses=_EVERYWHERE,
        exception_handlers={
            Refusal: _refused,
            RequestValidationError: _unreadable,
            HTTPException: _no_such_way,
            Exception: _failed,
        },
    )
    _add_routes(app, _Endpoints(desk, asyncio.Semaphore(API_THREADS_MAX)))
    return app


def _add_routes(app: FastAPI, to: "_Endpoints") -> None:
    app.add_api_route(
        "/api/reports/check",
        to.check,
        methods=["POST"],
        summary="What a report would say now; nothing is filed",
        responses=_problems(403, 404, 422),
    )
    # Else GET would look for a report of that id.
    app.add_api_route("/api/reports/check", _only_post, methods=_NOT_POST, include_in_schema=False)
    app.add_api_route(
        "/api/reports",
        to.file,
        methods=["POST"],
        status_code=201,
        summary="File a report, once a key",
        response_description="It is filed.",
        responses={
            201: {"headers": _LOCATION},
            200: {
                "model": Report,
                "description": "The same key again: the same report.",
                "headers": _LOCATION,
            },
            **_problems(403, 404, 409, 422),
        },
    )
    app.add_api_route(
        "/api/reports/{report_id}",
        to.see,
        methods=["GET"],
        summary="How a report stands",
        responses=_problems(403, 404, 422),
    )
    app.add_api_route(
        "/api/reports/{report_id}/answers",
        to.answer,
        methods=["POST"],
        summary="The pro answers, once a key; a pause ends",
        responses=_problems(403, 404, 409, 422),
    )
    app.add_api_route("/api/reasons", to.reasons, methods=["GET"], summary="The reasons, in plain words")


_ProId = Annotated[Id, Query(description="The pro who asks.")]
_Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        description="Of one request, and of every time it is sent again.",
        min_length=1,
        max_length=KEY_CHARACTERS_MAX,
        pattern=r"^[!-~]+$",
    ),
]


@dataclass(frozen=True)
class _Endpoints:
    """What is asked, done in the server's threads, API_THREADS_MAX at once. Docstrings are for the schema."""

    desk: OpenDesk
    threads: asyncio.Semaphore

    async def check(self, asked: Asked) -> Outlook:
        """The checklist a report would get, its deadline, and what stands against filing it, if anything."""
        return await self._do(_check, asked)

    async def file(self, request: Request, response: Response, asked: ToFile, key: _Key) -> Report:
        """Files a report for the pro who paid. Sent again with its key it is the same report, filed once."""
        report, is_new = await self._do(_file, asked, key)
        notes_of(request)["report_id"] = report.report_id
        response.status_code = 201 if is_new else 200
        where = f"/api/reports/{quote(report.report_id, safe='')}?pro_id={quote(report.pro_id, safe='')}"
        response.headers["Location"] = where
        return report

    async def see(self, request: Request, report_id: PathId, pro_id: _ProId) -> Report:
        """A report as its pro sees it."""
        report = await self._do(_see, pro_id, report_id)
        notes_of(request)["report_id"] = report.report_id
        return report

    async def answer(self, request: Request, report_id: PathId, answer: Answer, key: _Key) -> Report:
        """Keeps what the pro answers, with its files. A report that waited on the pro is open again."""
        report = await self._do(_answer, report_id, answer, key)
        notes_of(request)["report_id"] = report.report_id
        return report

    async def reasons(self) -> Reasons:
        """The reasons a pro can give: what qualifies, what does not, which fields say more."""
        return _REASONS

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        async with self.threads:
            return await run_in_threadpool(self._work, work, *args)

    def _work(self, work: Callable[..., T], *args: Any) -> T:
        try:
            desk = self.desk()
        except Refusal as refusal:  # whatever it is, it is not the request's
            raise _NotReady(str(refusal)) from refusal
        return work(desk, *args)


# -- in a thread ------------------------------------------------------------------------------------


def _check(desk: Desk, asked: Asked) -> Outlook:
    ahead: Prospect = check_for_marketplace(desk, MARKETPLACE, asked.pro_id, asked.draft())
    obstacle = what_stands_against(ahead)
    return Outlook(
        may_file=obstacle is None,
        why_not=None if obstacle is None else told(obstacle)[1],
        recommendation=ahead.assessment.recommendation,
        headline=ahead.assessment.headline,
        checks=[Check.model_validate(check) for check in ahead.assessment.checks],
        report_until=ahead.report_until,
        decide_by=ahead.decide_by,
    )


def _file(desk: Desk, asked: ToFile, key: str) -> tuple[Report, bool]:
    filed = file_for_marketplace(
        desk,
        MARKETPLACE,
        asked.pro_id,
        asked.draft(),
        [_examined(attachment) for attachment in asked.attachments],
        request_key=key,
        request_sha256=hashlib.sha256(canonical(asked.model_dump(mode="json")).encode()).hexdigest(),
    )
    return _see(desk, asked.pro_id, filed.report_id), filed.is_new


def _answer(desk: Desk, report_id: str, answer: Answer, key: str) -> Report:
    files = [_examined(attachment) for attachment in answer.attachments]
    answer_for_marketplace(desk, MARKETPLACE, answer.pro_id, report_id, answer.body, files, request_key=key)
    return _see(desk, answer.pro_id, report_id)


def _see(desk: Desk, pro_id: str, report_id: str) -> Report:
    return Report.model_validate(see_for_marketplace(desk, MARKETPLACE, pro_id, report_id))


def _examined(attachment: Attachment) -> File:
    try:
        content = base64.b64decode(attachment.content, validate=True)
    except (binascii.Error, ValueError):
        raise BadFile(
            f"{_shown(attachment.name)} is not in base64. Encode its content, then send it."
        ) from None
    return examined(attachment.name, content)


_REASONS: Final = Reasons(
    reasons=[
        ReasonInWords.model_validate(
            {
                "reason": reason,
                "clause": CLAUSE_OF_REASON[reason],
                "title": words.title,
                "qualifies": words.qualifies,
                "does_not": words.does_not,
                "fields": FIELDS_OF_REASON[reason],
            }
        )
        for reason, words in REASONS_IN_WORDS.items()
    ]
)


# -- what is refused --------------------------------------------------------------------------------


def told(refusal: Refusal) -> tuple[int, Problem] | tuple[int, None]:
    """The status of a refusal and what is said of it; 503 and None for one that is ours."""
    known = next((REFUSALS[kind] for kind in type(refusal).__mro__ if kind in REFUSALS), None)
    if known is None:
        return 503, None
    status, code = known
    report_id = refusal.report_id or None if isinstance(refusal, ReportedBefore) else None
    return status, Problem(code=code, sentence=str(refusal), report_id=report_id)


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    status, said = told(refusal)
    if said is None:  # its sentence is for whoever runs the desk, and may name the database
        why = refusal.__cause__ if isinstance(refusal, _NotReady) else refusal
        notes_of(request)["why"] = type(why).__name__
        return busy()
    return problem(status, said.code, said.sentence, said.report_id)


async def _unreadable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(422, "bad_request", _sentence(error.errors()[0]))


def _sentence(first: dict[str, Any]) -> str:
    """What is wrong with a field, and what to do. The value stays out of it."""
    place, *path = first["loc"]
    if first["type"] == "json_invalid" or not path:
        what = "The body"
    else:
        what = f"{'The header ' if place == 'header' else ''}{_shown('.'.join(map(str, path)))}"
    words = _WORDS.get(first["type"])
    why = words.format(**first.get("ctx", {})) if words else f"cannot be used: {first['msg']}"
    return f"{what} {why}. Correct it, then send it again."


def _shown(text: str) -> str:
    """A name somebody sent, short and readable."""
    readable = "".join(sign if sign.isprintable() else "?" for sign in text)
    return readable if len(readable) <= NAME_SHOWN_MAX else f"{readable[:NAME_SHOWN_MAX]}…"


async def _no_such_way(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        sentence = "This address takes another method; the header Allow names it."
        return problem(405, "method_not_allowed", sentence, headers=error.headers)
    if error.status_code == 404:
        return problem(404, "not_found", "There is nothing at this address.")
    return problem(
        422, "bad_request", "The body is no JSON that can be read. Correct it, then send it again."
    )


async def _failed(_request: Request, _error: Exception) -> Response:
    return failed()


async def _only_post() -> None:
    raise HTTPException(405, headers={"Allow": "POST"})


# -- the schema -------------------------------------------------------------------------------------

_NOT_POST: Final = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_LOCATION: Final = {"Location": {"description": "Where the report is.", "schema": {"type": "string"}}}
_DESCRIPTIONS: Final = {
    401: "unauthorized: no key, or another one.",
    403: "not_yours: the charge or report is another pro's.",
    404: "not_found: no such charge, report or address.",
    405: "method_not_allowed.",
    408: "timed_out: the body did not arrive in time.",
    409: "reported_before, refunded_before, wrong_state: what stands in the way.",
    413: "too_large: the body is larger than is read.",
    422: "bad_request, bad_file, too_late, key_used.",
    500: "failed: a mistake of ours.",
    503: "busy: not now. Send it again, with the same key.",
}
_HEADERS: Final = {
    401: ("WWW-Authenticate", "string"),
    405: ("Allow", "string"),
    503: ("Retry-After", "integer"),
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the schema says of refusals."""
    return {
        status: {
            "model": Problem,
            "description": _DESCRIPTIONS[status],
            **({"headers": _header(*_HEADERS[status])} if status in _HEADERS else {}),
        }
        for status in statuses
    }


def _header(name: str, kind: str) -> dict[str, Any]:
    return {name: {"required": True, "schema": {"type": kind}}}


_EVERYWHERE: Final = _problems(401, 405, 408, 413, 500, 503)
