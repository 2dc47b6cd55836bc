"""Distributions of durations and of CPU work, as scenarios and the catalogue write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, cast

from sim.reading.errors import Finding, Refused, nearest, show
from sim.reading.fields import Human, Strict, bounded, quantity_schema

Family = Literal["constant", "exponential", "lognormal", "gamma", "pareto", "weibull", "uniform"]

# Far beyond these Gamma(1 + 1 / shape), 1 / cv² or mean · cv² leave the range of floats, and a draw may be no number.
MOST_SECONDS: Final = 1e12
"""The most that a mean or a recorded demand may be, s."""
_positive: Final = bounded("duration", above=0, most=MOST_SECONDS)
_not_negative: Final = bounded("duration", least=0, most=MOST_SECONDS)
_cv: Final = bounded("ratio", least=1e-4, most=100)
_shape: Final = bounded("number", least=0.1, most=1000)
# A Pareto distribution has a mean only with a shape above 1.
_tail: Final = bounded("number", above=1, most=1000)

_PARAMETERS: Final[Mapping[str, Mapping[str, Callable[[Any], float | None]]]] = {
    "constant": {"mean": _not_negative},
    "exponential": {"mean": _positive},
    "lognormal": {"mean": _positive, "cv": _cv},
    "gamma": {"mean": _positive, "cv": _cv},
    "pareto": {"mean": _positive, "shape": _tail},
    "weibull": {"mean": _positive, "shape": _shape},
    "uniform": {"min": _not_negative, "max": _positive},
}
_ALLOWED: Final = "a duration such as 25ms, or a distribution such as {lognormal: {mean: 25ms, cv: 1.2}}"


class Distribution(Strict):
    """A distribution of seconds: its kind and parameters in SI.

    constant, exponential {mean}; lognormal, gamma {mean, cv} (cv: standard deviation / mean);
    pareto (type I), weibull {mean, shape}; uniform {min, max}.
    """

    kind: Family
    parameters: dict[str, float]

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        if self.kind == "uniform":
            return math.fsum((self.parameters["min"], self.parameters["max"])) / 2
        return self.parameters["mean"]


def parse_distribution(value: Any) -> Distribution:
    """Read `25ms` (constant), `{exponential: 25ms}` or `{kind: {parameters}}`. Raises Refused or UnitError.

    >>> parse_distribution("25ms").mean
    0.025
    >>> heavy = parse_distribution({"lognormal": {"mean": "25ms", "cv": 1.2}})
    >>> heavy.kind, heavy.parameters
    ('lognormal', {'mean': 0.025, 'cv': 1.2})
    >>> parse_distribution({"uniform": {"min": "1s", "max": "3s"}}).mean
    2.0
    """
    if not isinstance(value, Mapping):
        try:
            return _made("constant", {"mean": cast(float, _not_negative(value))})
        except ValueError as error:
            raise Refused([Finding((), getattr(error, "found", show(value)), _ALLOWED)]) from None
    if len(value) != 1:
        raise Refused([Finding((), show(value), _ALLOWED)])
    ((kind, given),) = value.items()
    if kind not in _PARAMETERS:
        allowed = f"one of {', '.join(_PARAMETERS)}"
        raise Refused([Finding((kind,), "an unknown distribution", allowed, nearest(kind, _PARAMETERS), True)])
    wanted = _PARAMETERS[kind]
    if not isinstance(given, Mapping):
        if len(wanted) > 1:
            raise Refused([Finding((kind,), show(given), f"a mapping with {', '.join(wanted)}")])
        given = {"mean": given}
    return _made(kind, _parameters(kind, wanted, given))


def _parameters(kind: str, wanted: Mapping[str, Callable[[Any], float | None]], given: Any) -> dict[str, float]:
    findings: list[Finding] = []
    values: dict[str, float] = {}
    suggested = set()
    for name, raw in given.items():
        if name not in wanted:
            near = nearest(name, wanted)
            suggested.add(near)
            findings.append(Finding((kind, name), "an unknown key", f"one of {', '.join(wanted)}", near, True))
            continue
        try:
            values[name] = cast(float, wanted[name](raw))
        except ValueError as error:
            found, allowed = getattr(error, "found", show(raw)), getattr(error, "allowed", "a number")
            findings.append(Finding((kind, name), found, allowed, getattr(error, "suggestion", None)))
    for name in wanted:
        if name not in given and name not in suggested:
            findings.append(Finding((kind, name), "nothing", f"a value, {kind} needs {' and '.join(wanted)}"))
    if not findings and kind == "uniform" and values["min"] > values["max"]:
        findings.append(Finding((kind, "min"), f"{given['min']}, more than max {given['max']}", "min at most max"))
    if findings:
        raise Refused(findings)
    return values


def _made(kind: str, parameters: dict[str, float]) -> Distribution:
    return Distribution.model_construct(kind=cast(Family, kind), parameters=parameters)


def _schema() -> dict[str, Any]:
    length, plain = quantity_schema("duration"), quantity_schema("number")
    kinds: dict[str, Any] = {}
    for kind, wanted in _PARAMETERS.items():
        full = {
            "type": "object",
            "properties": {name: plain if name in ("cv", "shape") else length for name in wanted},
            "required": list(wanted),
            "additionalProperties": False,
        }
        kinds[kind] = {"anyOf": [length, full]} if len(wanted) == 1 else full
    mapping = {
        "type": "object", "properties": kinds, "additionalProperties": False, "minProperties": 1, "maxProperties": 1,
    }  # fmt: skip
    return {"anyOf": [length, mapping]}


def _read(value: Any, positive: bool) -> Distribution:
    parsed = parse_distribution(value)
    if positive and parsed.mean <= 0:
        raise Refused([Finding((), show(value), f"{_ALLOWED}; more than 0")])
    return parsed


def distribution(*, positive: bool, optional: bool = False) -> Human:
    """A field holding a distribution; `positive`: its mean must be more than 0; `optional`: null means None."""
    schema = _schema()
    if optional:
        schema["anyOf"].append({"type": "null"})
    return Human(lambda value, info: None if optional and value is None else _read(value, positive), schema)


Work = Annotated[Distribution | None, distribution(positive=True, optional=True)]
Pause = Annotated[Distribution, distribution(positive=False)]
