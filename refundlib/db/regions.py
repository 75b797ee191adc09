"""The table of zips and their states, for metrics by region."""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from refundlib.db.engine import translated
from refundlib.db.queries import driver_connection


def fill_zip_regions(engine: Engine, states: Callable[[], Mapping[str, str]]) -> None:
    """Copies zip → state ("10001" → "NY") into refunds.zip_regions when it is empty; only then asks."""
    with translated(), engine.begin() as connection:
        driver = driver_connection(connection)
        driver.execute("LOCK TABLE refunds.zip_regions IN SHARE ROW EXCLUSIVE MODE")
        if driver.execute("SELECT EXISTS (SELECT FROM refunds.zip_regions)").fetchone() == (True,):
            return
        with driver.cursor().copy("COPY refunds.zip_regions (zip, state) FROM STDIN") as copy:
            for row in states().items():
                copy.write_row(row)
