"""The settings: every REFUNDS_… variable of the environment, read once, in one place."""

import ipaddress
import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from refundlib.domain.errors import BadFigure

LOOPBACK: Final = "127.0.0.1"
API_KEY_CHARACTERS_MIN: Final = 24
_POSTGRESQL: Final = {"postgresql", "postgres", "postgresql+psycopg"}
_DRIVER: Final = "postgresql+psycopg"


def is_root() -> bool:
    """Whether this process may act as any user (never on Windows)."""
    return sys.platform != "win32" and os.geteuid() == 0


def default_home() -> Path:
    """The user's data folder. Root's lies in /var/lib: its own home is closed to the server's user."""
    if is_root():
        return Path("/var/lib/refund-desk")
    return Path(platformdirs.user_data_dir("refund-desk", appauthor=False))


class Settings(BaseSettings):
    """What the environment says. Unset: an embedded database, port 8501, no mail server, no processor."""

    model_config = SettingsConfigDict(
        env_prefix="REFUNDS_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    home: Path = Field(default_factory=default_home)
    port: int = Field(default=8501, ge=1, le=65535)
    database_url: str | None = None
    smtp_url: str | None = None
    stripe_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr = SecretStr("")
    stripe_url: str | None = None
    api_key: SecretStr | None = None
    mailbox_url: SecretStr | None = None
    mail_from: str = "refunds@refund-desk.example"
    demo: bool | None = None
    demo_charges: int = Field(default=20_000, ge=0, le=10_000_000)
    demo_seed: int = 7

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, url: str | None) -> str | None:
        return None if url is None else normal_database_url(url)

    @field_validator("api_key")
    @classmethod
    def _hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        word = None if key is None else key.get_secret_value()
        if word is not None and not re.fullmatch(rf"[!-~]{{{API_KEY_CHARACTERS_MIN},}}", word):
            raise ValueError(
                f"it must have at least {API_KEY_CHARACTERS_MIN} letters, digits and signs of ASCII, "
                "and no blanks"
            )
        return key

    @field_validator("mailbox_url")
    @classmethod
    def _mailbox(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("imaps://", "imap://", "file:///")):
            raise ValueError("it must look like imaps://user:password@host/INBOX or file:///path/of/a/folder")
        return url

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("smtp://", "smtps://", "smtp+starttls://")):
            raise ValueError("it must look like smtp://user:password@host:25, smtps://… or smtp+starttls://…")
        return url


def normal_database_url(url: str) -> str:
    """The URL with the driver SQLAlchemy needs. ValueError, without the password, when it is none."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("it must look like postgresql://user:password@host:5432/name") from None
    if parsed.drivername not in _POSTGRESQL:
        raise ValueError(f"it must name a PostgreSQL (postgresql://…), not {parsed.drivername}")
    return parsed.set(drivername=_DRIVER).render_as_string(hide_password=False)


def _sentence(error: ValidationError) -> str:
    """The first thing wrong, as one sentence. The value stays out of it: it may hold a password."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "REFUNDS_" + str(first["loc"][0]).upper() if first["loc"] else "A setting"
    why = first["msg"].removeprefix("Value error, ")
    return f"{name} cannot be used: {why[:1].lower()}{why[1:]}. Correct it or unset it, then try again."


def read_settings() -> Settings:
    """The settings as the environment has them now. BadFigure for a value that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        raise BadFigure(_sentence(error)) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read at the first call."""
    return read_settings()


def is_loopback(address: str | None) -> bool:
    """Whether a server listening on `address` is reached from this machine only.

    None or "" means every address, as in Streamlit's `server.address`. A name other than localhost: False.
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "0.0.0.0").is_loopback  # noqa: S104 - asked about, not bound
    except ValueError:
        return False
