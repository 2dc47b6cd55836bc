"""Which assumption moves the answer most: Sobol' indices, Morris' screening, or the samples of any sweep.

A design is drawn over the ranges of a sweep file (`sample: over:`), run as a sweep, and analysed from its table with
SALib (plain samples by regression). Strength is a share of variance (Sobol' total index, first-order for samples) or
a mean absolute elementary effect over the whole range, in the metric's unit (Morris).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sim.experiment.study import StudyError
from sim.experiment.sweep.plan import Plan
from sim.report.metrics.statistics import LEVEL
from sim.scenario.design import Range
from sim.terms.records import Array

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["sobol", "morris", "samples"]

MORRIS_LEVELS = 4
"""Levels of Morris' grid; with 4 every level is as likely (Morris 1991, section 3)."""
FEWEST_POINTS = 20
"""Points up to which a sample says nothing about indices: three coefficients a parabola, and some to judge it by."""
RESAMPLES = 200
"""Resamples of the points behind the interval of a sample's index."""
QUARTER = 0.25
"""Share of the points at each end of a range that the ends of a tornado's bar are means of."""


@dataclass(frozen=True)
class Design:
    """Points of an analysis: `shares` (points, parameters) in 0..1, and the same as values by dotted path."""

    method: Method
    parameters: tuple[str, ...]
    shares: Array
    points: tuple[Mapping[str, Any], ...]
    seed: int


@dataclass(frozen=True)
class Effect:
    """How much one parameter moves the metric.

    `strength` ± `half_width` as the module says; `interaction`: what it does only together with others (Sobol': total
    minus first order; Morris: standard deviation of its effects, which also shows curvature; samples: NaN). `low` and
    `high` are the mean of the metric where the parameter is in the lowest and the highest quarter of its range: the
    ends of a tornado's bar, in the metric's unit.
    """

    parameter: str
    strength: float
    half_width: float
    interaction: float
    low: float
    high: float


@dataclass(frozen=True)
class Sensitivity:
    """Effects, strongest first, and the mean and variance of the metric over the design."""

    method: Method
    effects: tuple[Effect, ...]
    mean: float
    variance: float


def design(method: Method, over: Sequence[Range], size: int, seed: int = 0) -> Design:
    """Draw a design over ranges.

    sobol: `size` (a power of two) × (parameters + 2) points (Saltelli et al. 2010, Computer Physics Communications
    181); morris: `size` trajectories × (parameters + 1) points (Morris 1991, Technometrics 33). Raises StudyError for
    another method or size.
    """
    if find_spec("SALib") is None:
        raise StudyError("a sensitivity needs SALib, which is not installed: pip install 'hostsim[design]'")
    names = tuple(", ".join(each.paths) for each in over)
    if method == "sobol":
        if size < 2 or size & (size - 1):
            raise StudyError(f"a Sobol' design needs a power of two, not {size}")
        from SALib.sample import sobol as sampler

        shares = sampler.sample(_problem(names), size, calc_second_order=False, seed=seed)
    elif method == "morris":
        if size < 2:
            raise StudyError(f"Morris' method needs at least 2 trajectories, not {size}")
        from SALib.sample import morris as sampler

        shares = sampler.sample(_problem(names), size, num_levels=MORRIS_LEVELS, seed=seed)
    else:
        raise StudyError(f"a design is sobol or morris, not {method}")
    shares = np.asarray(shares, dtype=np.float64)
    points = tuple(
        {path: each.at(float(share)) for each, share in zip(over, row, strict=True) for path in each.paths}
        for row in shares
    )
    return Design(method, names, shares, points, seed)


def plan_design(sweep: Any, drawn: Design) -> Plan:
    """The plan that runs a design on the base of a loaded sweep file (its axes are not used)."""
    scenario_at = functools.cache(lambda index: sweep.scenario(drawn.points[index]))
    first = scenario_at(0)
    if not isinstance(first.replications, int):
        raise TypeError("checked sweeps have a number of replications")
    name = f"{sweep.name}-{drawn.method}-{len(drawn.points)}"
    return Plan(name, drawn.points, scenario_at, tuple(first.platforms), first.replications)


def response(table: pd.DataFrame, metric: str, platform: str, minus: str | None = None, service: str = "all") -> Array:
    """The metric at each point (points,): mean over replications, of one platform, or of its difference to `minus`.

    `table` is that of a sweep. Raises ValueError naming the points that lack the metric.
    """
    chosen = table[(table["metric"] == metric) & (table["service"] == service)]
    values = chosen.pivot_table(index=["point", "replication"], columns="platform", values="value")
    for name in (platform, *([minus] if minus else ())):
        if name not in values:
            raise ValueError(f"the table has no {metric} of {service} on {name}")
    series = values[platform] - values[minus] if minus else values[platform]
    means = series.groupby("point").mean().reindex(range(int(table["point"].max()) + 1))
    missing = [int(point) for point in means.index[means.isna()]]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        raise ValueError(f"{metric} is missing at {len(missing)} points of the design: {shown}")
    return means.to_numpy(dtype=np.float64)


def analyse(drawn: Design, values: Array) -> Sensitivity:
    """Effects of a design's parameters on `values` (points,).

    sobol: total indices (Jansen's estimator) with bootstrap intervals; morris: mu* (Campolongo et al. 2007); samples:
    first-order indices as the share of the variance that a parabola in the parameter explains. Raises ValueError when
    the values do not fit the design.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(drawn.shares),):
        raise ValueError(f"{values.size} values do not fit {len(drawn.shares)} points")
    if not np.isfinite(values).all():
        raise ValueError("an analysis needs a finite value at every point")
    count = len(drawn.parameters)
    if values.min() == values.max():  # nothing moves it: SALib would divide 0 by 0
        found = tuple((0.0, 0.0, 0.0) for _ in range(count))
    else:
        found = _ANALYSES[drawn.method](drawn, values)
    effects = [
        Effect(name, *numbers, *_ends(drawn.shares[:, index], values))
        for index, (name, numbers) in enumerate(zip(drawn.parameters, found, strict=True))
    ]
    effects.sort(key=lambda each: -each.strength)
    return Sensitivity(drawn.method, tuple(effects), float(values.mean()), float(values.var()))


def samples(points: Sequence[Mapping[str, float]], parameters: Sequence[str]) -> Design:
    """A design from the points of any sampled sweep (numbers by axis), for first-order indices.

    Each parameter is scaled to 0..1 over its points. Raises ValueError when one never moves.
    """
    raw = np.array([[point[name] for name in parameters] for point in points], dtype=np.float64)
    low, high = raw.min(axis=0), raw.max(axis=0)
    for name, still in zip(parameters, low == high, strict=True):
        if still:
            raise ValueError(f"{name} is the same at every point")
    return Design("samples", tuple(parameters), (raw - low) / (high - low), tuple(points), 0)


def tornado(found: Sensitivity) -> pd.DataFrame:
    """Rows of a tornado plot, strongest first: `parameter strength half_width interaction low high middle`."""
    import pandas as pd

    rows = [{**vars(each), "middle": found.mean} for each in found.effects]
    return pd.DataFrame(rows)


def tornadoes(table: pd.DataFrame, parameters: Sequence[str], metric: str) -> dict[str, pd.DataFrame]:
    """Rows of a tornado plot for each platform of a sampled sweep's table; those with too few points are left out."""
    chosen = table[(table["metric"] == metric) & (table["service"] == "all")]
    found: dict[str, pd.DataFrame] = {}
    for name, own in chosen.groupby("platform", sort=False):
        means = own.groupby("point")[[*parameters, "value"]].mean().dropna()
        if len(means) > FEWEST_POINTS:
            places = [{key: float(row[key]) for key in parameters} for _, row in means.iterrows()]
            values = means["value"].to_numpy(dtype=np.float64)
            found[str(name)] = tornado(analyse(samples(places, parameters), values))
    return found


_Numbers = tuple[tuple[float, float, float], ...]


def _sobol(drawn: Design, values: Array) -> _Numbers:
    from SALib.analyze import sobol

    found = sobol.analyze(
        _problem(drawn.parameters), values, calc_second_order=False, conf_level=LEVEL, seed=drawn.seed
    )
    return _rows(found["ST"], found["ST_conf"], np.asarray(found["ST"]) - np.asarray(found["S1"]))


def _morris(drawn: Design, values: Array) -> _Numbers:
    from SALib.analyze import morris

    found = morris.analyze(
        _problem(drawn.parameters),
        drawn.shares,
        values,
        conf_level=LEVEL,
        num_levels=MORRIS_LEVELS,
        seed=drawn.seed,
    )
    return _rows(found["mu_star"], found["mu_star_conf"], found["sigma"])


def _samples(drawn: Design, values: Array) -> _Numbers:
    """Adjusted R² of a parabola in each parameter alone, with a bootstrap interval.

    Regression is what few points carry (Saltelli et al., Global Sensitivity Analysis: The Primer, 2008, section 1.2);
    RBD-FAST gave an idle parameter half of the variance of 32 points.
    """
    rng = np.random.default_rng(drawn.seed)
    again = rng.integers(0, values.size, (RESAMPLES, values.size))
    strengths, widths = [], []
    for share in drawn.shares.T:
        strengths.append(max(_explained(share, values), 0.0))
        each = [_explained(share[chosen], values[chosen]) for chosen in again]
        low, high = np.quantile(each, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        widths.append((high - low) / 2)
    return _rows(strengths, widths, np.full(len(drawn.parameters), math.nan))


def _explained(share: Array, values: Array) -> float:
    """Adjusted R² of the parabola through (share, value): 0 on average for a parameter that does nothing."""
    total = float(((values - values.mean()) ** 2).sum())
    if total == 0.0:
        return 0.0
    columns = np.column_stack([np.ones_like(share), share, share**2])
    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    count = values.size
    return 1.0 - float(((values - fitted) ** 2).sum()) / (count - 3) / (total / (count - 1))


_ANALYSES: Mapping[str, Callable[[Design, Array], _Numbers]] = {
    "sobol": _sobol,
    "morris": _morris,
    "samples": _samples,
}


def _rows(*columns: Any) -> _Numbers:
    filled = [np.asarray(column, dtype=np.float64) for column in columns]
    return tuple((float(a), float(b), float(c)) for a, b, c in zip(*filled, strict=True))


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _ends(share: Array, values: Array) -> tuple[float, float]:
    low, high = values[share <= QUARTER], values[share >= 1 - QUARTER]
    return (float(low.mean()) if low.size else math.nan, float(high.mean()) if high.size else math.nan)
