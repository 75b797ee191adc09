"""Who may do what: every command of the services against the table of roles."""

import importlib
import pkgutil

import pytest

import refundlib.services
from refundlib.domain.errors import NotAllowed
from refundlib.domain.people import ROLES, RULES, Person
from refundlib.services.desk import COMMANDS, Desk

for _module in pkgutil.iter_modules(refundlib.services.__path__, "refundlib.services."):
    importlib.import_module(_module.name)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("use_case", sorted(COMMANDS))
def test_roles_without_the_right_are_refused(use_case: str, role: str, desk_without_database: Desk) -> None:
    """A role outside a command's rule is refused before anything else happens."""
    command = COMMANDS[use_case]
    person = Person("someone", "Someone", frozenset({role}))
    if role in RULES[command.__dict__["command"]]:
        return
    with pytest.raises(NotAllowed, match="Someone may not"):
        command(desk_without_database, person)


@pytest.fixture
def desk_without_database() -> Desk:
    """A desk whose every part fails when touched: a refusal must come first."""
    return Desk(*[None] * 7)  # type: ignore[arg-type]


def test_admin_never_touches_money() -> None:
    """No command that moves money or decides is an admin's by that role alone."""
    money = {"decide", "second_approval", "undo", "request_card_refund", "submit_card_refund", "adjust"}
    assert all("admin" not in RULES[command] for command in money)


def test_every_use_case_that_takes_a_person_is_a_command() -> None:
    """A public function of the services whose second parameter is the acting person passes the rules."""
    import inspect

    helpers = {"record"}
    loose = []
    for info in pkgutil.iter_modules(refundlib.services.__path__, "refundlib.services."):
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("_") or function.__module__ != info.name or name in helpers:
                continue
            parameters = list(inspect.signature(function).parameters)
            if parameters[:2] == ["desk", "actor"] and "command" not in function.__dict__:
                loose.append(f"{info.name}.{name}")
    assert loose == []
