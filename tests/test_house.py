"""The house: who may import whom, and what the documents must name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "refundlib"
# The one door of the screen to what joins everything.
OPENS_THE_DESK = PACKAGE / "ui" / "desk.py"
# Each room, and the rooms of refundlib it may import; a module beside them is a room of its own.
ARROWS = {
    "domain": {"domain"},
    "db": {"domain", "db", "config"},
    "reference": {"domain", "reference"},
    "mail": {"domain", "mail", "services"},
    "demo": {"domain", "demo"},
    "services": {"domain", "db", "demo", "services"},
    "worker": {"domain", "services", "worker"},
    "web": {"domain", "services", "web"},
    "ui": {"domain", "services", "ui", "config"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "refundlib":
                yield from (f"refundlib.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize("room", ARROWS)
def test_arrows(room: str) -> None:
    """A room imports only the rooms below it."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for name in imports(path)
        if name.startswith("refundlib.") and name.split(".")[1] not in ARROWS[room]
        if not (path == OPENS_THE_DESK and name == "refundlib.bootstrap")
    ]
    assert wrong == []


def test_streamlit_stays_on_the_surface() -> None:
    """Streamlit is imported by app.py, pages/ and refundlib/ui/ alone."""
    inside = [path for path in PACKAGE.rglob("*.py") if "ui" not in path.relative_to(PACKAGE).parts]
    wrong = [str(path) for path in inside if any(name.split(".")[0] == "streamlit" for name in imports(path))]
    assert wrong == []


def test_the_domain_needs_the_standard_library_only() -> None:
    """The domain imports nothing that must be installed, no clock and no socket."""
    import sys

    foreign = {
        f"{path.name}: {name}"
        for path in (PACKAGE / "domain").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "refundlib"}
    }
    assert foreign == set()


@pytest.mark.parametrize("page", sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
def test_every_page_begins_with_its_guard(page: str) -> None:
    """The first statement of a page after its imports is the guard."""
    body = ast.parse((ROOT / "pages" / f"{page}.py").read_text()).body
    statements = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)][1:]
    assert ast.unparse(statements[0]).startswith(f"visit = guard('{page}'")


def test_commands_and_pages_are_documented() -> None:
    """Every command and every page appears in the README or the docs."""
    from refundlib.cli import main

    text = "\n".join(
        path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    )
    missing = [name for name in main.commands if f"refunds {name}" not in text and f"`{name}`" not in text]
    missing += [page.stem for page in (ROOT / "pages").glob("*.py") if page.stem not in text.lower()]
    assert missing == []


def test_every_sql_block_parses() -> None:
    """Every file of sql/queries loads, so that a wrong block is found here and not on a page."""
    from refundlib.db.queries import block_names

    assert len(block_names()) > 100
