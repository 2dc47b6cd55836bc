"""A finished result folder, read back lazily."""

from __future__ import annotations

import html
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.answers.beside import Sheet, beside
from sim.report.answers.comparison import Comparison, compare
from sim.report.answers.verdict import conclude
from sim.report.folder import summary
from sim.report.folder.writer import FORMAT, ResultsError
from sim.report.metrics.measures import SummaryRow
from sim.report.text.terminal import render
from sim.terms.doubts import Doubt

if TYPE_CHECKING:
    import pandas as pd


class Results:
    """One finished result folder; a table is read when it is first asked for."""

    unpaired_because = ""
    """Why equal replication numbers did not meet the same traffic; empty where they did."""

    def __init__(self, folder: Path) -> None:
        """Open a folder. Raises ResultsError when it is not there, not whole or of another format."""
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        try:
            self.manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ResultsError(f"{self.folder}: no result here (there is no manifest.json)") from error
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: cannot be read ({error})") from error
        found = self.manifest.get("format") if isinstance(self.manifest, dict) else None
        if found != FORMAT:
            raise ResultsError(f"{path}: format {found!r}, this version reads {FORMAT!r}")

    def __repr__(self) -> str:
        """Name, platforms and folder."""
        return f"<Result {self.name}: {', '.join(self.platforms)}; {self.folder}>"

    def _repr_html_(self) -> str:
        """The comparison, as a notebook shows it."""
        return f"<pre>{html.escape(self.table())}</pre>"

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self.manifest["name"])

    @property
    def platforms(self) -> list[str]:
        """Platforms that have results, in the order of the scenario."""
        return summary.platform_order(self.rows, list(self.manifest["scenario"].get("platforms", ())))

    @cached_property
    def doubts(self) -> list[Doubt]:
        """What makes the result doubtful, from bad to harmless; none for a folder of an earlier version."""
        return [Doubt.from_dict(each) for each in self.manifest.get("doubts", ())]

    @cached_property
    def rows(self) -> list[SummaryRow]:
        """`summary.csv` as rows."""
        try:
            return summary.read_summary(self.folder / "summary.csv")
        except OSError as error:
            raise ResultsError(f"{self.folder}: cannot be read ({error.strerror})") from error

    @cached_property
    def summary(self) -> pd.DataFrame:
        """`summary.csv` as a frame."""
        import pandas as pd

        return pd.read_csv(self.folder / "summary.csv")

    @cached_property
    def guests(self) -> pd.DataFrame:
        """`guests.parquet`."""
        return self._frame("guests")

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """`timeline.parquet`."""
        return self._frame("timeline")

    @cached_property
    def events(self) -> pd.DataFrame:
        """`events.parquet`."""
        return self._frame("events")

    @cached_property
    def response(self) -> pd.DataFrame:
        """`response.parquet`: the tail of the response time."""
        return self._frame("response")

    @cached_property
    def requests(self) -> pd.DataFrame:
        """`requests.parquet`; ResultsError when the requests were not kept."""
        if not self.has_requests:
            raise ResultsError(f"{self.folder}: the requests were not kept (run with --keep-requests)")
        return self._frame("requests")

    @cached_property
    def comparison(self) -> Comparison:
        """Its platforms side by side; ValueError when no run has finished."""
        scenario = self.manifest["scenario"]
        host = {key: float(value) for key, value in scenario.get("host", {}).items() if key in ("cores", "memory")}
        return compare(
            self.name,
            self.rows,
            platforms=list(scenario.get("platforms", ())),
            host=host,
            paired=not self.unpaired_because,
            focus=scenario.get("focus", ()),
            description=scenario.get("description", ""),
            doubts=self.doubts,
            because=self.manifest.get("because"),
        )

    @property
    def observed(self) -> Sheet | None:
        """What is predicted beside what the scenario says was observed; None where it says nothing."""
        return beside(self.rows, self.manifest)

    @property
    def verdict(self) -> list[str]:
        """Who did better and by how much, in a few sentences."""
        return conclude(self.comparison)

    def table(self, width: int = 100, *, all_rows: bool = False) -> str:
        """The comparison as plain text of at most `width` columns: the rows that carry the answer, or all."""
        return render(self.comparison, width=width, all_rows=all_rows)

    @property
    def has_requests(self) -> bool:
        """Whether the requests were kept."""
        return (self.folder / "requests.parquet").exists()

    def _frame(self, name: str) -> pd.DataFrame:
        import pandas as pd

        return pd.read_parquet(self.folder / f"{name}.parquet")


def load_results(folder: str | Path) -> Results:
    """Open a finished result folder; see `Results`."""
    return Results(Path(folder))
