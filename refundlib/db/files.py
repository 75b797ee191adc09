"""Where the .sql files lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def sql_folder(name: str) -> Path:
    """The folder sql/`name` (migrations, queries or checks). FileNotFoundError when the install lacks it."""
    for root in (_PACKAGE.parent / "sql", _PACKAGE / "_sql"):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"sql/{name} is neither beside nor inside {_PACKAGE}")
