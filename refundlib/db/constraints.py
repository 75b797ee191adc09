"""What the database itself refuses, in words: a violated constraint leaves as the refusal named for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import IntegrityError

from refundlib.domain.errors import Refusal


@contextmanager
def refusing(refusals: Mapping[str, Refusal]) -> Iterator[None]:
    """Inside, a violation of a constraint named in `refusals` raises its refusal; others pass."""
    try:
        yield
    except (psycopg.errors.IntegrityError, IntegrityError) as error:
        driver_error = error.orig if isinstance(error, IntegrityError) else error
        name = str(getattr(getattr(driver_error, "diag", None), "constraint_name", ""))
        if name not in refusals:
            raise
        raise refusals[name] from error
