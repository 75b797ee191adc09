"""The people who work at the desk: who they are and what they may do, read afresh at every call."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from refundlib.db.queries import queries
from refundlib.domain.errors import BadFigure, UnknownPerson
from refundlib.domain.people import ROLES, Person
from refundlib.services import audit
from refundlib.services.desk import Desk, command


def person(desk: Desk, person_id: str) -> Person:
    """The person who acts. Raises UnknownPerson when there is none of that name, or no longer."""
    with desk.reading() as conn:
        row = queries.people.person(conn, person_id=person_id)
    if row is None or not row["active"]:
        raise UnknownPerson(
            f"Nobody called {person_id!r} works here. "
            "`refunds user list` shows who does; an admin can add people."
        )
    return Person(row["person_id"], row["name"], frozenset(row["roles"]), row["time_zone"])


def people(desk: Desk) -> list[dict[str, Any]]:
    """Everybody who works or worked here: person_id, name, roles, active, time_zone."""
    with desk.reading() as conn:
        return list(queries.people.people(conn))


@command("manage_people")
def save_person(
    desk: Desk,
    actor: Person,
    person_id: str,
    name: str,
    roles: list[str],
    active: bool = True,
    time_zone: str = "UTC",
) -> None:
    """Adds a person or changes one. Raises BadFigure for an unknown role or time zone, or an empty name."""
    _check_person(person_id, name, roles, time_zone)
    with desk.transaction() as conn:
        old = queries.people.person(conn, person_id=person_id)
        new = {
            "person_id": person_id,
            "name": name,
            "roles": sorted(roles),
            "active": active,
            "time_zone": time_zone,
        }
        queries.people.save_person(conn, **new)
        audit.record(conn, actor, "person_saved", desk.clock(), subject=person_id, old=old, new=new)


def _check_person(person_id: str, name: str, roles: list[str], time_zone: str) -> None:
    if not person_id.strip() or not name.strip():
        raise BadFigure("A person needs a short name and a full name.")
    if strange := sorted(set(roles) - set(ROLES)):
        raise BadFigure(f"There is no role {strange[0]!r}; the roles are {', '.join(ROLES)}.")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadFigure(f"There is no time zone {time_zone!r}; write it like America/New_York.") from error
