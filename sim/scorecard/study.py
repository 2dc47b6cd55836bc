"""The study behind `scorecard`: from files of cases to scores, headline and folder."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from sim.experiment.study import Progress, StudyError, folder_for
from sim.experiment.workers.executor import Executor
from sim.report.folder.summary import write_json
from sim.scorecard import expected, recorded, references
from sim.scorecard.building import CannotSay, Plan, plan
from sim.scorecard.card import Scorecard
from sim.scorecard.loading import Loaded, load, select, shipped
from sim.scorecard.page import page
from sim.scorecard.running import Runs, run, tasks_of
from sim.scorecard.scoring import CALIBRATES, CONTEXT, FAILED, NOT_RUN, UNCOVERED, Score, score, unscored
from sim.scorecard.specs import Case

MARK: Final = "scorecard.json"
"""The file by which a folder is known as one that this study wrote."""


@dataclass(frozen=True)
class Job:
    """A case that can be run: its plans (one, or one a repetition of a measurement), and what is known."""

    case: Case
    plans: Sequence[Plan]
    replications: int
    known: float


class ScorecardStudy:
    """The cases of `files` (None: those that hostsim ships, with our own measurements), narrowed by `only`.

    `quick`: without what takes long (`long: true`). `check`: an expected.json that the answers are held against (None:
    the committed one for our own cases, none for others). Raises ScenarioError for wrong files, StudyError where
    nothing is left, or for a wrong `check`.
    """

    def __init__(
        self,
        files: Sequence[str | Path] | None = None,
        only: str | None = None,
        *,
        quick: bool = False,
        check: str | Path | None = None,
    ) -> None:
        where = expected.OURS if check is None and files is None else check
        self.expected = None if where is None else expected.read(where)
        self.quick = quick
        self.only = only
        self.ours = files is None
        cases = load(shipped() if files is None else [Path(file) for file in files])
        self.cases = select(cases, only)
        if not self.cases and not self.ours:
            raise StudyError(f"no case has all the words {only!r}")

    def folder(self, out: str | Path | None) -> Path:
        """Where to write. Raises ResultsError when something else is there."""
        return folder_for(out, "scorecard", MARK, "scorecard")

    def run(self, executor: Executor, progress: Callable[[Progress], None] | None = None) -> Scorecard:
        """Run every case. Raises ScenarioError for a wrong scenario."""
        with tempfile.TemporaryDirectory(prefix="hostsim-scorecard-") as folder:
            lines: list[Job | Score] = [self._line(each) for each in self.cases]
            if self.ours:
                lines += self._recorded(Path(folder))
            if not lines:
                raise StudyError(f"no case has all the words {self.only!r}")
            jobs = [each for each in lines if isinstance(each, Job)]
            tasks = tasks_of((made, job.replications) for job in jobs for made in job.plans)
            runs = run(tasks, executor, lambda done, total: _show(progress, done, total))
        return Scorecard(tuple(_scored(each, runs) for each in lines), len(tasks), self.quick)

    def _line(self, loaded: Loaded) -> Job | Score:
        case = loaded.case
        if case.not_expressible:
            return unscored(case, UNCOVERED if case.use == "check" else _unused(case), case.not_expressible)
        if self.quick and case.long:
            return unscored(case, NOT_RUN, "left out by --quick")
        try:
            made = plan(loaded)
            known = self._known(case, made)
        except CannotSay as reason:
            return unscored(case, UNCOVERED if case.use == "check" else _unused(case), str(reason))
        except references.NotHere as reason:
            return unscored(case, NOT_RUN, str(reason))
        except references.CannotStand as error:
            raise StudyError(f"{loaded.label}: {error}") from None
        return Job(case, [made], case.replications, known)

    def _known(self, case: Case, made: Plan) -> float:
        assert case.known is not None
        where, _, name = case.known.form.partition(":")
        if where == "reference":
            return references.response(name, made.value.scenario)
        assert case.known.value is not None
        return case.known.value

    def _recorded(self, folder: Path) -> list[Job | Score]:
        found: list[Job | Score] = []
        for case, plans, replications in recorded.cases(folder):
            if select([Loaded(case, Path("measured.yaml"))], self.only):
                assert case.known is not None
                assert case.known.value is not None
                found.append(Job(case, plans, replications, case.known.value))
        return found

    def save(self, found: Scorecard, folder: Path, title: str = "Scorecard") -> list[Path]:
        """Write scorecard.json, .csv, .md, .png and expected.json over earlier ones; returns their paths."""
        from sim.scorecard.figure import save_scorecard

        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MARK, found.to_dict())
        with (folder / "scorecard.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [each.name for each in fields(Score)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(each.to_dict() for each in found.scores)
        save_scorecard(found, folder / "scorecard.png")
        (folder / "scorecard.md").write_text(page(found, title), encoding="utf-8")
        expected.write(found, folder / expected.OURS.name)
        return [folder / name for name in (MARK, "scorecard.csv", "scorecard.md", "scorecard.png", expected.OURS.name)]

    def worse(self, found: Scorecard) -> list[str]:
        """A sentence a case that failed, or is worse than expected."""
        if self.expected is None:
            return [f"{each.case}: {each.verdict}: {each.reason}" for each in found.scores if each.verdict == FAILED]
        return list(expected.worse(found, self.expected, whole=self.ours and self.only is None))

    def better(self, found: Scorecard) -> int:
        """How many cases are better than expected."""
        return 0 if self.expected is None else expected.better(found, self.expected)


def _unused(case: Case) -> str:
    return CALIBRATES if case.use == "calibrate" else CONTEXT


def _scored(line: Job | Score, runs: Runs) -> Score:
    if isinstance(line, Score):
        return line
    return score(line.case, line.plans, runs, line.replications, line.known)


def _show(progress: Callable[[Progress], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(Progress(done, total))
