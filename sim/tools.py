"""More public functions of `import sim`: what the command line does beside runs and studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.reproduction import Reproduction
    from sim.experiment.study import Progress
    from sim.report.results import Results
    from sim.scenario.loader import Given
    from sim.terms.doubts import Doubt


def validate(scenario: Given) -> list[Doubt]:
    """What makes a scenario doubtful before any run, from bad to harmless.

    `scenario`: a file, a dictionary that says what one would, or a scenario that was read from either. Raises
    ScenarioError with every mistake and its place.
    """
    from sim.experiment.effort import limits
    from sim.experiment.foresight import foresee
    from sim.experiment.replications.runner import platforms_of
    from sim.scenario import Base

    found = Base.load(scenario, checks=limits.checks()).scenario
    return foresee(found, platforms_of(found))


def catalogue() -> list[str]:
    """Names of the platforms in the catalogue."""
    from sim.platforms import names

    return list(names())


def platform(name: str) -> pd.DataFrame:
    """Every number of a platform, a row each: path, text, SI value, unit, source, trust, range.

    Raises sim.platforms.PlatformError for an unknown one.
    """
    import pandas as pd

    from sim.platforms import describe

    return pd.DataFrame([row._asdict() for row in describe(name)])


def schema() -> dict[str, Any]:
    """JSON Schema of the scenario file, for editors."""
    from sim.scenario import json_schema

    return json_schema()


def explain(name: str) -> str:
    """What a metric or a doubt is, how it is found, and what to do. Raises ValueError for a name that is neither."""
    from sim.experiment.explaining import words

    return "\n".join(words(name))


def init(
    source: Literal["compose", "kube", "prometheus"] | None = None,
    files: Sequence[str | Path] = (),
    *,
    entry: str | None = None,
) -> str:
    """The text of a scenario, commented: from nothing, or from what others have written, guesses marked `# guess:`.

    `entry`: the service that requests from outside come to (of compose and kube). Raises ScenarioError with every
    mistake of the files, ValueError for no files and an unknown entry.
    """
    from sim.imports.starter import STARTER
    from sim.imports.writing import Extras, written

    if source is None:
        return STARTER
    if not files:
        raise ValueError(f"{source}: at least one file")
    if source == "prometheus":
        from sim.imports.prometheus.replay import read_replay

        return read_replay([str(file) for file in files])
    if source == "kube":
        from sim.imports.kube.workloads import read_kube

        draft = read_kube([str(file) for file in files])
    else:
        from sim.imports.compose import read_compose

        draft = read_compose(files)
    names = [part.name for part in draft.parts]
    if entry is not None and entry not in names:
        raise ValueError(f"{entry}: an unknown service; known: {', '.join(names)}")
    return written(draft, Extras(entry=entry))


def page(result: Results | str | Path, out: str | Path | None = None) -> Path:
    """Write one HTML page of a result, whole in itself; returns its path (None: report.html in the result's folder).

    `result`: what `run` gave, or the folder of a run, sweep, density, crossover or why. Raises ResultsError.
    """
    from sim.experiment.pages import page_of
    from sim.report.page.html import save_page

    folder = Path(result) if isinstance(result, str | Path) else result.folder
    path = folder / "report.html" if out is None else Path(out)
    save_page(page_of(folder), path)
    return path


def reproduce(
    result: Results | str | Path,
    *,
    recordings: str | Path = ".",
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Reproduction:
    """Run again what a result's manifest says, and compare summary.csv byte for byte.

    The answer has `.same`, `.differences` (the first lines that are others), `.versions` and `.numbers` that are others
    now, and is true where the bytes are the same. `recordings`: the folder of recorded traffic. `workers`: processes
    (None: this one), or `scheduler`: the address of Dask's. Raises ResultsError where there is no result of a run,
    ScenarioError where its scenario cannot be run here.
    """
    from sim.experiment.reproduction import original
    from sim.experiment.reproduction import reproduce as again
    from sim.experiment.workers.choice import executor_for

    of = original(Path(result) if isinstance(result, str | Path) else result.folder, recordings)
    with executor_for(workers or 1, scheduler) as executor:
        return again(of, executor, progress)
