"""Several finished results as one: every platform of each becomes a column, paired where the traffic was the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.answers.doubts.observed import not_same_question
from sim.report.answers.doubts.traffic import survivors_of
from sim.report.folder.writer import ResultsError
from sim.report.metrics.measures import SummaryRow
from sim.report.results import Results
from sim.terms.doubts import Doubt, in_order
from sim.terms.metrics import ALL

if TYPE_CHECKING:
    import pandas as pd

_TRAFFIC = ("traffic", "request_cpu", "request", "mix", "tenants")
"""What the arrivals and demands of a service depend on, beside the seed and the replication."""


class Joined(Results):
    """Several results, seen as one whose platforms are named `folder/platform` (`folder` if each has the same one)."""

    def __init__(self, results: Sequence[Results], platforms: Sequence[str] | None = None) -> None:
        """Join results; `platforms` selects of each. Raises ResultsError when nothing is left to compare."""
        self.folder = Path(".")
        self.parts = tuple(results)
        self.labels = _labels(results, platforms)
        if not self.labels:
            told = f"none has any of {', '.join(platforms)}" if platforms else "none has a finished run"
            raise ResultsError(f"nothing to compare: {told}")
        self.unpaired_because = _why_not_paired(results)
        hosts = [each.manifest["scenario"].get("host", {}) for each in results]
        scenario: dict[str, Any] = {
            "name": self.name,
            "platforms": {label: {} for label in self.labels.values()},
            "host": hosts[0] if all(host == hosts[0] for host in hosts) else {},
        }
        self.manifest = {"name": self.name, "scenario": scenario, "warmup": self._warmup()}
        if len(results) == 1 and not platforms:  # of several, or of some of its platforms, nobody has asked
            self.manifest["because"] = results[0].manifest.get("because")

    @property
    def name(self) -> str:
        """Names of the scenarios, each once."""
        return " against ".join(dict.fromkeys(each.name for each in self.parts))

    @cached_property
    def doubts(self) -> list[Doubt]:
        """The doubts of every result, with the joined platform names; and whether they answer one question."""
        several = len(self.parts) > 1
        found: list[Doubt] = not_same_question([each.manifest["scenario"] for each in self.parts]) if several else []
        for number, each in enumerate(self.parts):
            labels = {platform: label for (part, platform), label in self.labels.items() if part == number}
            for doubt in each.doubts:
                own = doubt.code == "survivors" and doubt.service == ALL  # told of all of them together below
                if not own and (not doubt.platform or doubt.platform in labels):
                    found.append(replace(doubt, platform=labels.get(doubt.platform, "")))
        return in_order([*found, *survivors_of(self.rows)]) if several else found

    @cached_property
    def rows(self) -> list[SummaryRow]:
        """Rows of every summary, with the joined platform names."""
        return [
            row._replace(platform=self.labels[number, row.platform])
            for number, each in enumerate(self.parts)
            for row in each.rows
            if (number, row.platform) in self.labels
        ]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Every summary, with the joined platform names."""
        return self._joined(lambda each: each.summary)

    def _frame(self, name: str) -> pd.DataFrame:
        return self._joined(lambda each: getattr(each, name))

    def _joined(self, get: Callable[[Results], pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        frames = []
        for number, each in enumerate(self.parts):
            names = {platform: label for (part, platform), label in self.labels.items() if part == number}
            frame = get(each)
            frame = frame[frame["platform"].isin(list(names))]
            frames.append(frame.assign(platform=frame["platform"].map(names)))
        return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)

    def _warmup(self) -> float:
        """The transient if it is the same everywhere, s; else 0: nothing is shaded then."""
        found = {each.manifest.get("warmup", each.manifest["scenario"].get("warmup", 0.0)) for each in self.parts}
        only = found.pop() if len(found) == 1 else 0.0
        return float(only) if isinstance(only, int | float) else 0.0


def _labels(results: Sequence[Results], platforms: Sequence[str] | None) -> dict[tuple[int, str], str]:
    """(number of the result, its platform) → name in the comparison."""
    kept = [[name for name in each.platforms if platforms is None or name in platforms] for each in results]
    if len(results) == 1:
        return {(0, name): name for name in kept[0]}
    titles = [each.folder.resolve().name for each in results]
    if len(set(titles)) < len(titles):
        titles = [str(each.folder).rstrip("/") for each in results]
    titles = [title if titles.count(title) == 1 else f"{title}#{number + 1}" for number, title in enumerate(titles)]
    alone = {tuple(names) for names in kept}
    single = len(alone) == 1 and len(kept[0]) == 1
    return {
        (number, name): titles[number] if single else f"{titles[number]}/{name}"
        for number, names in enumerate(kept)
        for name in names
    }


def _why_not_paired(results: Sequence[Results]) -> str:
    """Why equal replication numbers of two results did not meet the same traffic; empty when they did."""
    first, *others = results
    for other in others:
        if other.manifest["seed"] != first.manifest["seed"]:
            seeds = sorted({each.manifest["seed"] for each in results})
            return f"the seeds differ ({', '.join(map(str, seeds))})"
        if _traffic(other.manifest["scenario"]) != _traffic(first.manifest["scenario"]):
            return "the services' traffic or demands differ"
        if _span(other) != _span(first):
            return "the measured spans differ"
    return ""


def _traffic(scenario: Mapping[str, Any]) -> Any:
    services = scenario.get("services", {})
    return {name: [service.get(key) for key in _TRAFFIC] for name, service in services.items()}


def _span(results: Results) -> tuple[Any, Any]:
    scenario = results.manifest["scenario"]
    return results.manifest.get("warmup", scenario.get("warmup")), scenario.get("duration")
