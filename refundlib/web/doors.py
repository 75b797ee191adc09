"""An address of ours: the methods it takes, how many requests at once, how much of a body is read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from refundlib.services.desk import Desk

log = structlog.get_logger("web")

OpenDesk = Callable[[], Desk]
Answer = Callable[[Request], Awaitable[Response]]


class _Anything(Convertor[str]):
    """The rest of an address, line breaks and all: those of `path` would lead on to the app's page."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("anything", _Anything())


class TooLarge(Exception):  # noqa: N818 - an answer, not a programming error
    """The body is larger than is read."""


@dataclass
class Door:
    """One address: the methods it takes (none named: all), open_max requests at once. It says JSON only."""

    methods: tuple[str, ...]
    answer: Answer
    open_max: int
    open: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette's way in."""
        if self.methods and scope["method"] not in self.methods:
            response = no(405, "This address takes another method.", Allow=", ".join(self.methods))
        elif self.open >= self.open_max:
            log.warning("turned away", path=scope["path"])
            response = later()
        else:
            self.open += 1
            try:
                response = await self.answer(Request(scope, receive))
            except Exception as error:
                log.error("failed", path=scope["path"], why=type(error).__name__)
                await no(500, "Something went wrong here. Send it again.")(scope, receive, send)
                raise  # for the server's log; our own would write the values of variables beside it
            finally:
                self.open -= 1
        await response(scope, receive, send)


async def body_of(request: Request, bytes_max: int, count: Callable[[int], None] = lambda _: None) -> bytes:
    """The request's body; TooLarge as soon as it is known to be, and no more of it is read.

    count: told the size of each part that comes, in bytes; what it raises ends the reading too.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > bytes_max:
        raise TooLarge
    body = bytearray()
    async for chunk in request.stream():
        count(len(chunk))
        body += chunk
        if len(body) > bytes_max:
            raise TooLarge
    return bytes(body)


def later() -> Response:
    """Not now: the sender shall try again."""
    return no(503, "This cannot be taken now. Send it again.")


def no(status: int, sentence: str, **headers: str) -> Response:
    """A refusal in JSON."""
    return JSONResponse({"error": sentence}, status, headers)
