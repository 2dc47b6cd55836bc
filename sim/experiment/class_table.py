"""The study behind `table`: the rows' scenarios run on the same platforms, or finished results, as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Unpack

from sim.experiment.effort.limits import checks
from sim.experiment.replications.scenario import check_folder, run_scenario
from sim.experiment.study import RESULTS, Progress, StudyError, most_replications
from sim.experiment.workers.executor import Executor
from sim.report.folder.writer import versions
from sim.report.results import Results
from sim.report.text.class_table import Told, class_table
from sim.scenario import Options, Scenario, load_scenario

ROWS: Final = Path("scenarios") / "rows"
PLATFORMS: Final = ("vm", "container")


class TableStudy:
    """Scenario files to be run, and folders of finished results, in their order; nothing given: the rows.

    `options` replace the files' own; platforms are vm and container unless told. Raises ScenarioError for wrong files,
    ResultsError for folders that are no results, StudyError where there is nothing.
    """

    def __init__(
        self, given: Sequence[str | Path] = (), out: str | Path | None = None, **options: Unpack[Options]
    ) -> None:
        paths = [Path(each) for each in given] or sorted(ROWS.glob("*.yaml"))
        if not paths:
            raise StudyError(f"no {ROWS} here: name scenario files, or folders of results")
        self.root = RESULTS / "table" if out is None else Path(out)
        self.platforms = list(options.get("platforms") or PLATFORMS)
        options["platforms"] = self.platforms
        self.parts: list[Scenario | Results] = [
            Results(path)
            if path.is_dir()
            else load_scenario(path, checks=checks(options.get("force", False)), **options)
            for path in paths
        ]
        for scenario in self.scenarios:
            check_folder(scenario, self.root / scenario.name, True)

    @property
    def scenarios(self) -> list[Scenario]:
        """Those that are to be run."""
        return [each for each in self.parts if isinstance(each, Scenario)]

    @property
    def runs(self) -> int:
        """Runs to be made."""
        return sum(len(each.platforms) * most_replications(each) for each in self.scenarios)

    def run(self, executor: Executor | None, progress: Callable[[Progress], None] | None = None) -> list[Told]:
        """Run what is to be run on an entered executor (None where nothing is). Raises StudyError where a run fails."""
        return [self._told(each, executor, progress) for each in self.parts]

    def _told(
        self, part: Scenario | Results, executor: Executor | None, progress: Callable[[Progress], None] | None
    ) -> Told:
        if isinstance(part, Scenario):
            assert executor is not None
            report = run_scenario(
                part, self.root / part.name, executor=executor, plots=False, overwrite=True, progress=progress
            )
            if report.interrupted:
                raise KeyboardInterrupt
            if report.results is None or report.failures:
                told = report.failures[0].error if report.failures else "no run has finished"
                raise StudyError(f"{part.name}: {told}")
            part = report.results
        seed: Any = part.manifest.get("seed")
        return Told(_narrowed(part, self.platforms), seed)


def _narrowed(results: Results, platforms: Sequence[str]) -> Any:
    """Its comparison, of the asked platforms where it has others too."""
    from sim.report.answers.comparison import compare

    there = [name for name in platforms if name in results.platforms]
    if len(there) < len(platforms) or there == results.platforms:
        return results.comparison
    whole = results.comparison
    rows = [row for row in results.rows if row.platform in there]
    kept = [each for each in whole.doubts if not each.platform or each.platform in there]
    return compare(
        whole.scenario, rows, platforms=there, host=whole.host, focus=whole.focus, description=whole.description,
        doubts=kept,
    )  # fmt: skip


def text_of(told: Sequence[Told], kind: str) -> str:
    """The table as text. Raises StudyError where results have different platforms."""
    try:
        return class_table(told, kind, versions().get("hostsim", ""))
    except ValueError as error:
        raise StudyError(str(error)) from error
