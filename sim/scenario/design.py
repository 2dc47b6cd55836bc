"""A sweep file: a base scenario and a design, that is, the points at which it is run.

Axes make a full factorial; a sample fills ranges (Latin hypercube or Sobol', scipy.stats.qmc). With both, every
combination of the axes meets every point of the sample.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Unpack, cast

from pydantic import Field

from sim.reading import units
from sim.reading.document import Document, read_document
from sim.reading.errors import Finding, Loc, Problem, Refused, ScenarioError, nearest, show
from sim.reading.fields import Collector, Human, Info, Strict, choice, count, one_of, text
from sim.scenario.loader import Base, Check, Options, load_document, validated, with_options
from sim.scenario.schema import Scenario, parse_name

Point = dict[str, Any]
_MOST_POINTS: Final = 1_000_000


class Axis(Strict):
    """Dotted paths that move together, and the raw values of each step (one for each path)."""

    paths: tuple[str, ...]
    values: list[tuple[Any, ...]]


class Range(Strict):
    """A range that is sampled: its ends in SI, the kind of quantity, and the scale on which it is even."""

    paths: tuple[str, ...]
    kind: str
    low: float
    high: float
    scale: Literal["linear", "log"]
    whole: bool

    def at(self, share: float) -> str | int | float:
        """The YAML value at `share` (in [0, 1)) of the range."""
        low, high = self.low, self.high + 1 if self.whole else self.high
        if self.scale == "log":
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        if self.whole:
            return min(max(math.floor(value), int(self.low)), int(self.high))
        return units.render(self.kind, min(max(value, low), high))


_METHODS: Final = ("sobol", "latin-hypercube", "lhs")


def _parse_over(value: Any, info: Info) -> list[Range]:
    collect = Collector(info)
    if not isinstance(value, Mapping) or not value:
        raise Refused([Finding((), show(value), "a mapping of dotted paths to ranges such as [16GiB, 128GiB]")])
    ranges = [collect.call(partial(_range, _paths(key)), value[key], key) for key in value]
    collect.done()
    return [cast(Range, each) for each in ranges]


def _range(paths: tuple[str, ...], raw: Any) -> Range:
    allowed = "[least, most] in the same unit, or {min, max, scale: linear or log}"
    scale: Any = "linear"
    ends = raw
    if isinstance(raw, Mapping):
        unknown = [key for key in raw if key not in ("min", "max", "scale")]
        if unknown or "min" not in raw or "max" not in raw:
            near = nearest(unknown[0], ("min", "max", "scale")) if unknown else None
            raise Refused([Finding((), show(raw), allowed, near)])
        ends, scale = [raw["min"], raw["max"]], raw.get("scale", "linear")
    if not isinstance(ends, list) or len(ends) != 2:
        raise Refused([Finding((), show(raw), allowed)])
    one_of(scale, ("linear", "log"))
    (first, low), (second, high) = units.guess(ends[0]), units.guess(ends[1])
    bare = {"number", "cpu", "ratio"}
    kind = "number" if {first, second} <= bare else first
    if first != second and not {first, second} <= bare:
        raise Refused([Finding((), f"[{ends[0]}, {ends[1]}], of different units", allowed)])
    if low >= high:
        raise Refused([Finding((), f"[{ends[0]}, {ends[1]}]", "a least value below the most")])
    if scale == "log" and low <= 0:
        raise Refused([Finding((), f"{ends[0]} on a log scale", "a least value above 0")])
    integers = all(isinstance(end, int) for end in ends)
    return Range.model_construct(paths=paths, kind=kind, low=low, high=high, scale=scale, whole=integers)


_RANGES_SCHEMA: Final = {"type": "object", "additionalProperties": {"type": ["array", "object"]}, "minProperties": 1}


class Sample(Strict):
    """Points drawn over ranges: `method` sobol (scrambled) or latin-hypercube (lhs)."""

    method: Annotated[Literal["sobol", "latin-hypercube", "lhs"], choice(*_METHODS)] = Field(
        description="sobol, or latin-hypercube (lhs)"
    )
    points: Annotated[int, count(1)] = Field(description="number of points; a power of two for sobol")
    over: Annotated[list[Range], Human(_parse_over, _RANGES_SCHEMA)] = Field(
        description="{path: [least, most]} or {path: {min, max, scale: log}}"
    )
    seed: Annotated[int, count(0)] = Field(0, description="start of the sample's random numbers")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """A Sobol' sequence is balanced only at powers of two (Owen 2020, arXiv:2008.08051)."""
        number = values.get("points")
        if values.get("method") == "sobol" and number is not None and number & (number - 1):
            below = 1 << (number.bit_length() - 1)
            return [Finding(("points",), show(number), f"a power of two for sobol, such as {below} or {2 * below}")]
        return []


def _paths(key: str) -> tuple[str, ...]:
    return tuple(path.strip() for path in key.split(","))


def _parse_axes(value: Any, info: Info) -> list[Axis]:
    """`{path: [values]}`; joint paths as `"a, b": [[…, …], …]`, or in a list as `{paths: [a, b], values: […]}`."""
    collect = Collector(info)
    axes: list[Axis | None] = []
    if isinstance(value, Mapping):
        axes = [_axis(collect, _paths(key), values, key) for key, values in value.items()]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping) and set(item) == {"paths", "values"} and _texts(item["paths"]):
                axes.append(_axis(collect, tuple(item["paths"]), item["values"], index, "values"))
            else:
                collect.add(show(item), "a mapping {paths: [a, b], values: [[…, …], …]}", index)
    else:
        collect.add(show(value), "a mapping of dotted paths to lists of values")
    collect.done()
    return [axis for axis in axes if axis is not None]


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _axis(collect: Collector, paths: tuple[str, ...], values: Any, *loc: str | int) -> Axis | None:
    if not isinstance(values, list) or not values:
        collect.add(show(values), "a list of values", *loc)
        return None
    steps: list[tuple[Any, ...]] = []
    for index, value in enumerate(values):
        step = tuple(value) if len(paths) > 1 and isinstance(value, list) else (value,) * len(paths)
        if len(step) != len(paths):
            collect.add(show(value), f"a list of {len(paths)} values, one for each path", *loc, index)
        elif step in steps:
            collect.add(f"{show(value)} a second time", "each value once", *loc, index)
        else:
            steps.append(step)
    return Axis.model_construct(paths=paths, values=steps)


class SweepFile(Strict):
    """A sweep file as it is written."""

    base: Annotated[str, text()] = Field(description="the scenario file, relative to the sweep's")
    name: Annotated[str, Human(parse_name, {"type": "string"})] = Field("sweep", description="names the results")
    description: Annotated[str, text()] = Field("", description="the question in a sentence")
    axes: Annotated[list[Axis], Human(_parse_axes, {"type": ["object", "array"]})] = Field(
        default_factory=list, description="full factorial: {path: [values]}"
    )
    sample: Sample | None = Field(None, description="{method, points, over}")
    platforms: Any = Field(None, description="replaces the base's platforms")
    replications: Any = Field(None, description="replaces the base's replications")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """Axes, a sample or both; no path moved twice."""
        axes, sample = values.get("axes"), values.get("sample")
        findings: list[Finding] = []
        if not raw.get("axes") and not raw.get("sample"):
            findings.append(Finding((), "neither axes nor sample", "axes, a sample, or both"))
        moved: list[str] = []
        parts = [(axis.paths, "axes") for axis in axes or ()]
        parts += [(each.paths, "sample") for each in (sample.over if sample else ())]
        for paths, key in parts:
            for path in paths:
                other = next((seen for seen in moved if f"{path}.".startswith(f"{seen}.")
                              or f"{seen}.".startswith(f"{path}.")), None)  # fmt: skip
                if other is not None:
                    findings.append(Finding((key,), f"{path}, which {other} moves too", "each path in one place"))
                moved.append(path)
        size = math.prod(len(axis.values) for axis in axes or ()) * (sample.points if sample else 1)
        if size > _MOST_POINTS:
            findings.append(Finding(("axes",), f"{size} points", f"at most {_MOST_POINTS} points"))
        return findings


@dataclass(frozen=True)
class Sweep:
    """A sweep ready to run: `points(sweep)` lists its points, `scenario(point)` resolves one of them."""

    name: str
    description: str
    axes: tuple[Axis, ...]
    sample: Sample | None
    base: Base
    file: Document

    def scenario(self, point: Mapping[str, Any]) -> Scenario:
        """The base scenario with the point's values laid over it. Raises ScenarioError."""
        return self.base.at(point)


def load_sweep(path: str | Path, *, checks: Sequence[Check] = (), **options: Unpack[Options]) -> Sweep:
    """Load a sweep file and its base scenario; the options change the base.

    Every value of every axis, and both ends of every range, are tried on the base one at a time, and of values that
    change platforms every combination. Raises ScenarioError with every mistake.
    """
    document = read_document(path)
    document.tree.setdefault("name", Path(path).stem)
    wanted = validated(SweepFile, document)
    base = load_document(document.base / wanted.base, options.get("overrides", ()))
    for key, value in (("platforms", wanted.platforms), ("replications", wanted.replications)):
        if value is not None:
            place = document.places[(key,)]
            base = base.with_value(key, value, document.file, place.line, place.column)
    base = with_options(base, options)
    design = tuple(wanted.axes), wanted.sample
    sweep = Sweep(wanted.name, wanted.description, *design, Base(base, checks), document)
    problems = _trial(sweep) or _platform_trial(sweep)
    if isinstance(base.tree.get("replications"), Mapping):
        what = "replications until a precision"
        why = "a number: each point of a sweep needs the same ones, so that points and platforms can be paired"
        problems.append(base.problem(Finding(("replications",), what, why)))
    if problems:
        raise ScenarioError(problems)
    return sweep


def points(sweep: Sweep) -> list[Point]:
    """All points in order: the last axis moves fastest, the sample fastest of all. Raw values by dotted path."""
    steps = [[dict(zip(axis.paths, step, strict=True)) for step in axis.values] for axis in sweep.axes]
    if sweep.sample is not None:
        steps.append(_draw(sweep.sample))
    return [{path: value for part in parts for path, value in part.items()} for parts in itertools.product(*steps)]


def numeric(value: Any) -> float | None:
    """A raw value of a point as a number in SI (for tables and plots); None if it is not a quantity."""
    try:
        return units.guess(value)[1]
    except units.UnitError:
        return None


def _draw(sample: Sample) -> list[Point]:
    try:
        from scipy.stats import qmc  # slow to import, and only samples need it
    except ModuleNotFoundError:
        found = "a sample, and no scipy here to draw it"
        raise ScenarioError([Problem("sample", None, None, "", found, "pip install 'hostsim[design]'")]) from None

    engine = (qmc.Sobol if sample.method == "sobol" else qmc.LatinHypercube)(d=len(sample.over), seed=sample.seed)
    table = engine.random(sample.points)
    return [
        {path: each.at(float(share)) for each, share in zip(sample.over, row, strict=True) for path in each.paths}
        for row in table
    ]


def _trial(sweep: Sweep) -> list[Problem]:
    """Problems of the base with each value in turn, the others at their first, placed in the sweep file."""
    steps: list[tuple[tuple[str, ...], list[tuple[Any, ...]], Loc]]
    steps = [(axis.paths, axis.values, _axis_loc(sweep, index)) for index, axis in enumerate(sweep.axes)]
    for each in sweep.sample.over if sweep.sample else ():
        ends: list[tuple[Any, ...]] = [(each.at(share),) * len(each.paths) for share in (0.0, 1.0)]
        steps.append((each.paths, ends, ("sample", "over", _key(sweep.file.tree["sample"]["over"], each.paths))))
    trials = [[0] * len(steps)]
    for turn, (_, values, _) in enumerate(steps):
        trials += [[step if turn == other else 0 for other in range(len(steps))] for step in range(1, len(values))]
    found: dict[Problem, None] = {}
    for trial in trials:
        point: Point = {}
        where: dict[str, tuple[str, int, int]] = {}
        for (paths, values, loc), step in zip(steps, trial, strict=True):
            place = sweep.file.places.get((*loc, step)) or sweep.file.places[loc]
            point |= zip(paths, values[step], strict=True)
            where |= dict.fromkeys(paths, (sweep.file.file, place.line, place.column))
        try:
            sweep.base.at(point, where.__getitem__)
        except ScenarioError as error:
            found.update(dict.fromkeys(error.problems))
    return list(found)


def _platform_trial(sweep: Sweep) -> list[Problem]:
    """Problems of every combination of the values that change platforms: what they mean together nobody has tried."""
    combinations: dict[str, Point] = {}
    for point in points(sweep):
        moved = {path: value for path, value in point.items() if path.split(".")[0] == "platforms"}
        combinations.setdefault(repr(moved), point)
    found: dict[Problem, None] = {}
    for point in combinations.values() if len(combinations) > 1 else ():
        where = {path: (f"{sweep.file.file}: {path}={value}", 0, 0) for path, value in point.items()}
        try:
            sweep.base.at(point, where.__getitem__)
        except ScenarioError as error:
            found.update(dict.fromkeys(error.problems))
    return list(found)


def _axis_loc(sweep: Sweep, index: int) -> Loc:
    raw = sweep.file.tree["axes"]
    return ("axes", list(raw)[index]) if isinstance(raw, Mapping) else ("axes", index, "values")


def _key(raw: Mapping[str, Any], paths: tuple[str, ...]) -> str:
    return next(key for key in raw if _paths(key) == paths)
