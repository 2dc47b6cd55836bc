"""From a finished folder, whatever the study, to its page."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.experiment.sweep.store import TABLE
from sim.experiment.sweep.study import crossings
from sim.report.answers.doubts.traffic import ALIKE
from sim.report.folder.writer import ResultsError
from sim.report.metrics.known import describe
from sim.report.metrics.numbers import share, spread
from sim.report.metrics.statistics import FEWEST, Interval
from sim.report.page import studies
from sim.report.page.document import Grid, Page
from sim.report.page.palette import tones
from sim.report.page.run import page_of_run, recordings_of
from sim.report.page.sources import citation, facts_of, scenario_text, sources_of
from sim.report.page.sweep import axes_in, charts_of_sweep, metrics_in
from sim.report.results import Results
from sim.terms.doubts import DOUBTS, Doubt, doubt, in_order, touches
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    import pandas as pd

METRIC = "response.p99"
"""What a sweep is judged by, as on the command line, if nobody says otherwise."""


def page_of(folder: str | Path) -> Page:
    """The page of a result folder of run, sweep, density, fit, crossover or why.

    Raises ResultsError when there is none, or it cannot be read.
    """
    root = Path(folder)
    for name, make in _KINDS.items():
        if (root / name).is_file():
            return make(root, _read(root / name))
    known = ", ".join(_KINDS)
    raise ResultsError(f"{root}: no finished result here (none of {known})")


def page_of_several(folders: Sequence[str | Path]) -> Page:
    """The page of several runs put side by side, as `compare` does. Raises ResultsError."""
    from sim.report.joined import Joined

    joined = Joined([Results(Path(folder)) for folder in folders])
    manifests = [each.manifest for each in joined.parts]
    platforms = {
        label: manifests[part].get("platforms", {}).get(platform, {})
        for (part, platform), label in joined.labels.items()
    }
    quoted = [shlex.quote(str(folder)) for folder in folders]
    return replace(  # of the joined one there is no manifest that could be run
        page_of_run(joined),
        kind="runs side by side",
        sources=sources_of(platforms),
        scenario="",
        facts=[
            (f"{folder}: {what}", value)
            for folder, manifest in zip(folders, manifests, strict=True)
            for what, value in facts_of(manifest)
        ],
        cite=citation(*manifests),
        again=[*(f"python -m sim reproduce {each}" for each in quoted), f"python -m sim compare {' '.join(quoted)}"],
        lacking=[line for manifest in manifests for line in recordings_of(manifest["scenario"])],
        manifest={},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise ResultsError(f"{path}: cannot be read (not a mapping)")
    return found


def _run_or_sweep(root: Path, manifest: Mapping[str, Any]) -> Page:
    if "sweep" in manifest:
        return _sweep(root, manifest)
    results = Results(root)
    try:
        return page_of_run(results)
    except ValueError as error:
        raise ResultsError(f"{root}: {error}") from error


def _shared(manifest: Mapping[str, Any], *again: str) -> dict[str, Any]:
    """What all studies have: assumptions, scenario, facts, how to cite and to make it again."""
    if not manifest:
        told = "This result is of an earlier version, which did not keep its scenario: make it again for sources."
        return {"lacking": [told]}
    return {
        "sources": sources_of(manifest.get("platforms", {})),
        "scenario": scenario_text(manifest["scenario"]),
        "facts": facts_of(manifest),
        "cite": citation(manifest),
        "again": again,
        "manifest": dict(manifest),
        "lacking": recordings_of(manifest["scenario"]),
    }


def _density(_: Path, found: Mapping[str, Any]) -> Page:
    names = [each["platform"] for each in found["platforms"]]
    manifest = found.get("manifest", {})
    looks = tones(names)
    drawn = [studies.answers_of_density(found, looks), studies.strain(found, looks)]
    rows = [
        [
            each["platform"],
            "none" if each["most"] is None else studies.told_value(each["most"], found),
            "none" if each["safe"] is None else studies.told_value(each["safe"], found),
            f"{each['kept']} of {each['replications']}" if each["kept"] is not None else "–",
            f"{each['broke']['cause']}: {each['broke']['text']}" if each["broke"] else "nothing",
            "–"
            if not each["recovery"]
            else spread(Interval(each["recovery"]["mean"], each["recovery"]["half"], 1), "s"),
        ]
        for each in found["platforms"]
    ]
    headers = (
        "platform",
        "most",
        "safe in 95 % of replications",
        "all well in",
        "what breaks above it",
        "after a reboot",
    )
    suggested = (
        f"Varied: {found['vary']}, {found['suggested']}." if found.get("suggested") else f"Varied: {found['vary']}."
    )
    return Page(
        name=str(manifest.get("name", found["vary"])),
        kind="density: how much does the host carry?",
        headline=suggested,
        description=found["question"],
        platforms=names,
        doubts=_doubts(found),
        answer=found["answer"],
        tables=[Grid("The most at which all is well", headers, rows, (1, 2))],
        charts=[each for each in drawn if each is not None],
        **_shared(manifest, *_search(found, "density")),
    )


def _crossover(root: Path, found: Mapping[str, Any]) -> Page:
    manifest = found.get("manifest", {})
    names = list(found["platforms"])
    with (root / "crossover.csv").open(encoding="utf-8", newline="") as file:
        means = [
            {key: float(value) if value else None for key, value in row.items() if key is not None}
            for row in csv.DictReader(file)
        ]
    told = list(_unlike(found))
    lines = [each.line for each in told]
    low, high = means[0]["value"], means[-1]["value"]
    return Page(
        name=str(manifest.get("name", found["vary"])),
        kind="crossover: where does the better platform change?",
        headline=f"{' against '.join(names)} · {describe(found['metric']).label.strip()} over {found['vary']}",
        description=str(manifest.get("scenario", {}).get("description", "")),
        platforms=names,
        doubts=told,
        answer=found.get("answer", []),
        charts=studies.crossing_charts(found, means, tones(names), lines),
        **_shared(manifest, *_search(found, "crossover", f" --from {low:g} --to {high:g} --metric {found['metric']}")),
    )


def _search(found: Mapping[str, Any], study: str, more: str = "") -> Iterator[str]:
    """How to search again: over a path of the scenario's file, which the manifest, being resolved, may not have."""
    unit = f" --unit {shlex.quote(found['unit'])}" if found.get("unit") else ""
    yield "python -m sim manifest.json"
    yield "# that is the scenario alone; the search is over a path of its own file:"
    yield f"python -m sim {study} FILE --vary {shlex.quote(found['vary'])}{unit}{more}"


def _unlike(found: Mapping[str, Any]) -> Iterator[Doubt]:
    """A metric of those that got through is not comparable where different shares did."""
    if found["not_comparable"]:
        at = ", ".join(f"{each:.4g}" for each in found["not_comparable"])
        yield doubt("survivors", f"at {at} the platforms served different shares of the requests")


def _why(_: Path, found: Mapping[str, Any]) -> Page:
    manifest = found.get("manifest", {})
    names = list(found["platforms"])
    chart = studies.parts_chart(found)
    return Page(
        name=str(found["scenario"]),
        kind="why: what makes the difference?",
        headline=(
            f"{names[1]} − {names[0]} in {found['metric']} · {found['replications']} replications, {found['runs']} runs"
        ),
        description=str(manifest.get("scenario", {}).get("description", "")),
        platforms=names,
        doubts=_doubts(found),
        answer=[*found["answer"], *found["notes"]],
        tables=[chart.table] if chart else [],
        charts=[chart] if chart else [],
        **_shared(manifest, f"python -m sim why manifest.json --metric {found['metric']}"),
    )


def _sweep(root: Path, manifest: Mapping[str, Any]) -> Page:
    import pandas as pd

    if not (root / TABLE).is_file():
        raise ResultsError(f"{root}: the sweep has no table yet: the same command goes on with it")
    table = pd.read_parquet(root / TABLE)
    names = list(dict.fromkeys(table["platform"]))
    made = manifest.get("made_of", {})
    axes, metrics = axes_in(table), metrics_in(table, METRIC)
    runs = manifest["runs"]
    answer = crossings(table, axes, metrics[0]) if metrics else []
    if not answer:
        told = [sentence for metric in (*metrics[:1], "requests.completed") for sentence in _best(table, metric)]
        answer = list(dict.fromkeys(told)) if metrics else ["No run has finished."]
    if runs["failed"]:
        answer = [
            f"{runs['failed']:,} of {runs['planned']:,} runs failed; the column error of the table says why.",
            *answer,
        ]
    replications = manifest["replications"]
    if answer and replications < FEWEST:
        answer.append(f"On the means alone: {replications} replication{'' if replications == 1 else 's'}, no interval.")
    return Page(
        name=str(manifest["sweep"]),
        kind="sweep",
        headline=(
            f"{' against '.join(names)} · {manifest['points']} points × {replications} replication"
            f"{'' if replications == 1 else 's'} · "
            f"{runs['finished']:,} of {runs['planned']:,} runs ({manifest['state']})"
        ),
        description=str(manifest.get("description", "")),
        platforms=names,
        doubts=in_order(list(_survivors(table, metrics[0]))) if metrics else [],
        answer=answer,
        charts=charts_of_sweep(table, tones(names), METRIC),
        **_shared(made, "# the sweep file, run again in the same folder, makes only what is missing"),
    )


def _served(table: pd.DataFrame) -> pd.DataFrame:
    """Share of requests that were served: a row a point, a column a platform; empty where nobody asks."""
    import pandas as pd

    counts = table[(table["service"] == ALL) & table["metric"].isin(["requests.arrived", "requests.completed"])]
    wide = counts.pivot_table(index=["point", "platform"], columns="metric", values="value", aggfunc="mean")
    if not {"requests.arrived", "requests.completed"} <= set(wide.columns):
        return pd.DataFrame()
    return pd.DataFrame((wide["requests.completed"] / wide["requests.arrived"]).unstack("platform"))


def _survivors(table: pd.DataFrame, metric: str) -> Iterator[Doubt]:
    served = _served(table)
    unlike = served[served.max(axis=1) - served.min(axis=1) > ALIKE]
    if len(unlike):
        place = int(unlike.min(axis=1).to_numpy().argmin())
        at, row = unlike.index[place], unlike.iloc[place]
        told = ", ".join(f"{name} {share(float(each))}" for name, each in row.items())
        yield doubt(
            "survivors",
            f"at {len(unlike)} of {len(served)} points the platforms served different shares (at point {at}: {told}): "
            f"no winner of {metric} is named there",
            points=[int(each) for each in unlike.index],
        )


def _best(table: pd.DataFrame, metric: str) -> Iterator[str]:
    """At how many points each platform has the better mean, of those that can be compared."""
    known = describe(metric)
    own = table[(table["service"] == ALL) & (table["metric"] == metric)]
    means = own.pivot_table(index="point", columns="platform", values="value", aggfunc="mean").dropna()
    served = _served(table).reindex(means.index)
    unlike = served.max(axis=1) - served.min(axis=1) > ALIKE
    alike = means[~unlike] if touches(DOUBTS["survivors"].touches, metric) else means
    if means.shape[1] < 2 or known.better is None:
        return
    if len(alike):
        best = (alike.idxmin(axis=1) if known.better == "lower" else alike.idxmax(axis=1)).value_counts()
        told = ", ".join(f"{name} at {count}" for name, count in best.items())
        yield f"{known.label.strip()}: of {len(alike)} points that can be compared, the better mean is {told}."
    left = len(means) - len(alike)
    if left:
        where = f"{left} of {len(means)} points: the platforms served different shares"
        yield f"{known.label.strip()} is not comparable at {where}."


def _doubts(found: Mapping[str, Any]) -> list[Doubt]:
    return [Doubt.from_dict(each) for each in found.get("doubts", ())]


_KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], Page]] = {
    "density.json": _density,
    "crossover.json": _crossover,
    "why.json": _why,
    "manifest.json": _run_or_sweep,
}
"""The file that tells a folder → its page."""
