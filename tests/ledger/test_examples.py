"""docs/ledger.md shows what the posting engine really does."""

from pathlib import Path

from tests.ledger.examples import render, story

DOCUMENT = Path(__file__).parents[2] / "docs" / "ledger.md"


def test_document_shows_real_postings() -> None:
    """The worked examples in the document are the postings of the engine, word for word."""
    assert render() in DOCUMENT.read_text(encoding="utf-8")


def test_every_event_has_an_example() -> None:
    """Each kind of ledger transaction the database knows has a worked example."""
    migration = (Path(__file__).parents[2] / "sql/migrations/0003_ledger.sql").read_text(encoding="utf-8")
    kinds = migration.split("kind text NOT NULL CHECK (kind IN (", 1)[1].split("))", 1)[0]
    known = {word.strip().strip("'") for word in kinds.split(",")}
    assert {posting.kind for _, posting, _ in story()} == known
