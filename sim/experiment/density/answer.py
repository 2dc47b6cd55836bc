"""The answer to a capacity question: numbers with their chance, what binds, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.experiment.density.search import Density
from sim.experiment.drawn import Drawn
from sim.report.metrics.numbers import spread, text
from sim.scenario import Scenario
from sim.terms.doubts import Doubt
from sim.terms.metrics import TAILS


@dataclass(frozen=True)
class Question:
    """What was asked of which scenario. `times`: the value is a factor on what the file says; `why`: nobody said.

    `want`: of how many it shall be said how many hosts they take; `asked`: somebody has asked that, and not the file.
    """

    scenario: Scenario
    vary: str
    unit: str = ""
    times: bool = False
    why: str = ""
    want: float | None = None
    asked: bool = False

    def shown(self, value: float | None) -> str:
        """A value as people say it."""
        if value is None:
            return "none"
        return f"{value:g} × the file's" if self.times else f"{value:g}{self.unit}"

    @property
    def sentence(self) -> str:
        """The question in words."""
        host = self.scenario.host
        goals = [
            f"{name} of {service} ≤ {text(float(limit), 's')}"
            for service, each in self.scenario.services.items()
            if each.slo is not None
            for name in TAILS
            if (limit := getattr(each.slo, name)) is not None
        ]
        goals += [
            f"{service} available {float(each.slo.availability):.6g}"
            for service, each in self.scenario.services.items()
            if each.slo is not None and each.slo.availability is not None
        ]
        goals = goals or ["no objective (no service has an slo)"]
        told = "; ".join([*goals, "no start refused", "nothing killed for memory"])
        return f"How much of {self.vary} fits on {host.cores:g} cores, {host.memory / 2**30:g} GiB? With {told}."


@dataclass(frozen=True)
class Hosts:
    """How many hosts like this one `want` takes: `hosts`, between `low` and `high` (None: no number is known to do)."""

    want: float
    hosts: int
    low: int
    high: int | None

    @classmethod
    def of(cls, each: Density, want: float) -> Hosts | None:
        """By what one host carries, and how sure that is; None where it carries nothing."""
        if not each.most:
            return None

        def take(one: float) -> int:
            return max(1, math.ceil(want / one * (1 - 1e-12)))

        most = each.most if each.high is None else max(each.high, each.most)
        return cls(want, take(each.most), take(most), take(each.safe) if each.safe else None)

    @property
    def told(self) -> str:
        """It as people say it."""
        plural = "" if self.hosts == 1 else "s"
        if self.low == self.hosts == self.high:
            return f"{self.hosts} host{plural}"
        to = "more" if self.high is None else str(self.high)
        return f"{self.hosts} host{plural} ({self.low} to {to})"


@dataclass(frozen=True, repr=False)
class Capacity(Drawn):
    """The answers of all platforms, in the order of the scenario; `found["vm"].most` is a number."""

    question: Question
    platforms: tuple[Density, ...]
    doubts: Sequence[Doubt] = ()

    def __iter__(self) -> Iterator[Density]:
        """Over the platforms."""
        return iter(self.platforms)

    def __len__(self) -> int:
        """How many platforms."""
        return len(self.platforms)

    def __getitem__(self, key: str | int) -> Density:
        """The answer of a platform, by its name or place. Raises KeyError, IndexError."""
        if isinstance(key, int):
            return self.platforms[key]
        try:
            return next(each for each in self.platforms if each.platform == key)
        except StopIteration:
            raise KeyError(key) from None

    def __repr__(self) -> str:
        """The answer in words."""
        return "\n".join([self.question.sentence, *self.sentences])

    def draw(self, path: Path) -> None:
        """Save the figure of the answers and the curve, where there is one."""
        from sim.report.figures.density import save_density

        rows = curve_rows(self.platforms)
        if not rows:
            return
        ask = self.question
        most = {each.platform: each.most for each in self.platforms}
        broke = {each.platform: f"{each.broke.cause}: {each.broke.text}" for each in self.platforms if each.broke}
        unit = " × the file's" if ask.times else ask.unit
        notes = [each.line for each in self.doubts if each.severity != "note"][:2]
        save_density(rows, most, broke, path, ask.vary, unit, ask.scenario.name, notes)

    @property
    def runs(self) -> int:
        """Runs that were made for it."""
        return sum(each.runs for each in self.platforms)

    @property
    def sentences(self) -> list[str]:
        """A line a platform: the number, how safe it is, what binds, and how long a reboot takes."""
        return [f"{each.platform} {'; '.join(self._parts(each))}" for each in self.platforms]

    def _parts(self, each: Density) -> Iterator[str]:
        ask = self.question
        more = "" if each.broke is not None or each.most is None else "at least "
        yield f"{more}{ask.shown(each.most)}{self._chance(each)}"
        if each.broke is not None:
            yield f"above it {each.broke.cause}: {each.broke.text}"
        elif each.complete:
            yield "nothing broke, up to the greatest value tried"
        if not each.complete:
            top = "no upper end was found" if each.high is None else f"it is at most {ask.shown(each.high)}"
            yield f"time was over: {top}; a larger budget tells more"
        if (singles := each.singles) is not None:
            yield f"single runs end between {ask.shown(singles[0])} and {ask.shown(singles[1])}"
        yield from self._hosts(each)
        if each.rebooted:
            yield f"after a reboot of the host all serve again in {_seconds(each)}"

    def _hosts(self, each: Density) -> Iterator[str]:
        want = self.question.want
        if want is None:
            return
        hosts, told = Hosts.of(each, want), self.question.shown(want)
        if hosts is None:
            yield f"no number of such hosts is enough for {told}"
        elif self.question.asked or hosts.hosts > 1:
            own = "" if self.question.asked else "the file's "
            yield f"{own}{told} take {hosts.told} like this, none spare"

    def _chance(self, each: Density) -> str:
        """How sure the number is: in how many replications all was well there, and where it was in 95 % of them."""
        verdict = each.verdict
        if verdict is None:
            return ""
        kept = f"all well in {verdict.kept} of {verdict.replications} replications"
        if each.safe != each.most:
            kept += f"; safe in 95 % of replications: {self.question.shown(each.safe)}"
        if each.high is not None and each.most is not None and each.high > each.most:
            kept += f"; perhaps up to {self.question.shown(each.high)}"
        return f" ({kept})"

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain data."""
        ask = self.question
        return {
            "question": ask.sentence,
            "vary": ask.vary,
            "unit": ask.unit,
            "factor": ask.times,
            "suggested": ask.why or None,
            "doubts": [each.as_dict() for each in self.doubts],
            "answer": self.sentences,
            "want": ask.want,
            "platforms": [{**_as_dict(each), "hosts": self._hosts_of(each)} for each in self.platforms],
        }

    def _hosts_of(self, each: Density) -> dict[str, Any] | None:
        hosts = None if self.question.want is None else Hosts.of(each, self.question.want)
        return None if hosts is None else asdict(hosts)


def _seconds(each: Density) -> str:
    return "more than 2 h" if each.recovery is None else spread(each.recovery, "s")


def curve_rows(found: Sequence[Density]) -> list[Mapping[str, Any]]:
    """The curves as rows for a table or a plot: platform, value, holds, replications, service, objective, numbers."""
    rows: list[Mapping[str, Any]] = []
    for each in found:
        for load in each.curve:
            shared = {
                "platform": each.platform,
                "value": load.value,
                "holds": load.verdict.holds,
                "replications": load.verdict.replications,
                "kept": load.verdict.kept,
                "broke": load.verdict.broke[0].cause if load.verdict.broke else "",
            }
            numbers = load.verdict.objectives or {("all", ""): (float("nan"),) * 3}
            for (service, name), (mean, bound, limit) in numbers.items():
                rows.append(
                    {**shared, "service": service, "objective": name, "mean": mean, "bound": bound, "limit": limit}
                )
    return rows


def _as_dict(each: Density) -> dict[str, Any]:
    verdict = each.verdict
    return {
        "platform": each.platform,
        "most": each.most,
        "safe": each.safe,
        "high": each.high,
        "singles": each.singles,
        "kept": None if verdict is None else verdict.kept,
        "replications": None if verdict is None else verdict.replications,
        "served": None if verdict is None else verdict.served,
        "broke": asdict(each.broke) if each.broke else None,
        "recovery": None if each.recovery is None else {"mean": each.recovery.mean, "half": each.recovery.half},
        "complete": each.complete,
        "runs": each.runs,
        "monotone": each.monotone,
        "curve": [
            {
                "value": load.value,
                "holds": load.verdict.holds,
                "replications": load.verdict.replications,
                "kept": load.verdict.kept,
                "objectives": [
                    {"service": service, "objective": name, **_finite(numbers)}
                    for (service, name), numbers in load.verdict.objectives.items()
                ],
            }
            for load in each.curve
        ],
    }


def _finite(numbers: tuple[float, float, float]) -> dict[str, float | None]:
    """JSON has no infinity: None stands for it (nothing was completed)."""
    names = ("mean", "bound", "limit")
    return {name: value if math.isfinite(value) else None for name, value in zip(names, numbers, strict=True)}
