"""A real SMTP server of this process that answers as a test tells it to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Rules:
    """What the server answers: per recipient at RCPT, to everybody's content, or by dropping the line."""

    recipients: dict[str, str] = field(default_factory=dict)
    content: str = ""
    drops: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """The answer to one recipient."""
        if answer := self.recipients.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """The answer to the content: kept only when it is 250."""
        if self.drops:
            self.drops -= 1
            server.transport.abort()
            return "451 never heard"
        if self.content:
            return self.content
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 accepted"


@dataclass
class MailServer:
    """Where it listens, and its rules."""

    url: str
    rules: Rules


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server that accepts everything until its rules are changed."""
    rules = Rules()
    controller = Controller(rules, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield MailServer(f"smtp://127.0.0.1:{controller.port}?timeout=5", rules)
    finally:
        controller.stop()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
