"""What a case of the scorecard is: what was known, where from, and which scenario says what the simulator predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import Field

from sim.reading import units
from sim.reading.errors import Finding, Refused, show
from sim.reading.fields import Human, Info, Strict, choice, count, flag, one_of, quantity, text
from sim.scorecard import references, theory
from sim.scorecard.measures import find

Kind: TypeAlias = Literal["theory", "oracle", "simgrid", "published", "measured", "question"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
Use: TypeAlias = Literal["check", "calibrate", "context"]
"""`check` is scored; what the catalogue was fitted to (`calibrate`) and what is only for scale (`context`) are not."""
TRUST: Final = ("exact", "raw data", "page", "notes", "memory")
BOUNDS: Final = ("at most", "at least")

Text = Annotated[str, text()]
OptionalText = Annotated[str | None, text(optional=True)]


class Other(Strict):
    """A second run to compare with: the case's own, with what is given here laid over it."""

    platform: OptionalText = Field(None, description="on this platform instead")
    scenario: dict[str, Any] = Field(default_factory=dict, description="laid over the case's scenario")
    measure: OptionalText = Field(None, description="another measure of it")
    service: OptionalText = Field(None, description="of another service")


def _parse_other(value: Any, info: Info) -> Any:
    return {} if value is None else value


Second = Annotated[Other | None, Human(_parse_other, lambda inner: inner)]


def _measure_name(value: Any) -> str:
    if not isinstance(value, str):
        raise units.UnitError(show(value), "a metric of summary.csv, or a named measure")
    find(value)
    return value


class Prediction(Strict):
    """What is read off the runs: (measure − `less`) / `over` × `times`."""

    measure: Annotated[str, Human(lambda value, info: _measure_name(value), {"type": "string"})] = Field(
        description="a metric of summary.csv, or a named measure such as last_ready"
    )
    service: Text = Field("all", description="of this service; all: of the host")
    nth: Annotated[int | None, count(1, optional=True)] = Field(
        None, description="which one, for nth_ready; the step, for fit"
    )
    less: Second = Field(None, description="a run whose value is taken off")
    over: Second = Field(None, description="a run that it is divided by: the answer is a ratio")
    times: Annotated[float, quantity("number", above=0)] = Field(1.0, description="a factor, such as native's rate")
    per: Annotated[float, quantity("number", above=0)] = Field(1.0, description="a divisor")
    unit: OptionalText = Field(None, description="what the number is called when it has a unit of its own")

    @property
    def is_ratio(self) -> bool:
        """Whether the answer has no unit of the simulator's."""
        return self.over is not None or self.unit is not None


def _parse_prediction(value: Any, info: Info) -> Any:
    return {"measure": value} if isinstance(value, str) else value


class Known(Strict):
    """What is known: a value (SI) with its own range, or how it is found."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    dimension: str = "number"
    form: str = ""
    """The closed form, or the reference, that gives the value."""


_ALLOWED: Final = "a quantity such as 157ms, [low, high] of one, {theory: name, …}, or {reference: simgrid}"


def _parse_known(value: Any, info: Info) -> Any:
    if isinstance(value, Mapping):
        return _found(value)
    ends = value if isinstance(value, list) else [value]
    if len(ends) not in (1, 2) or not all(isinstance(end, str | int | float) for end in ends):
        raise units.UnitError(show(value), _ALLOWED)
    read = [units.guess(end) for end in ends]
    if len({kind for kind, _ in read}) > 1:
        raise units.UnitError(show(value), f"{_ALLOWED}, both ends in one unit")
    numbers = [number for _, number in read]
    if len(numbers) == 1:
        return {"value": numbers[0], "dimension": read[0][0]}
    low, high = sorted(numbers)
    return {"value": (low + high) / 2, "low": low, "high": high, "dimension": read[0][0]}


def _found(value: Mapping[str, Any]) -> dict[str, Any]:
    if "theory" in value:
        arguments = {key: each for key, each in value.items() if key != "theory"}
        return {"form": f"theory:{value['theory']}", "value": theory.evaluate(value["theory"], arguments)}
    if set(value) == {"reference"}:
        return {"form": f"reference:{references.known(value['reference'])}"}
    raise Refused([Finding((), show(value), _ALLOWED)])


def _parse_bound(value: Any, info: Info) -> Any:
    return None if value is None else one_of(value, BOUNDS)


class Case(Strict):
    """One case; a file gives what its cases have in common once, at its top level."""

    case: Text = Field(description="its name, unlike all others'")
    kind: Annotated[Kind, choice(*KINDS)] = Field(description="theory, oracle, simgrid, published, measured, question")
    topic: Text = Field("", description="start-up, memory, quota, contention, density, I/O, CPU, images …")
    source: Text = Field(description="who says so")
    trust: Annotated[str, choice(*TRUST)] = Field("page", description="how the source was seen")
    use: Annotated[Use, choice(*get_args(Use))] = Field("check", description="check: scored; calibrate, context: not")
    known: Annotated[Known | None, Human(_parse_known, {})] = Field(None, description=_ALLOWED)
    bound: Annotated[str | None, Human(_parse_bound, {"enum": list(BOUNDS)})] = Field(
        None, description="the known value is the most (at most) or the least (at least) that may be"
    )
    uncertainty: Annotated[float | None, quantity("ratio", least=0, optional=True)] = Field(
        None, description="the source's own, relative to the value; left out where it gives none"
    )
    uncertainty_of: OptionalText = Field(None, description="what that uncertainty is: sd of n = 50, its range …")
    calibrated_on: OptionalText = Field(None, description="which of the source's numbers the catalogue was fitted to")
    platform: Text = Field("native", description="on which platform")
    scenario: Annotated[Any, Human(lambda value, info: value, {"type": ["object", "string"]})] = Field(
        None, description="the scenario, or the path of its file"
    )
    replications: Annotated[int, count(1)] = Field(5, description="independent repetitions")
    level: Annotated[float, quantity("ratio", above=0, most=0.999999)] = Field(
        0.95, description="confidence of the prediction's interval"
    )
    predicted: Annotated[Prediction | None, Human(_parse_prediction, {"type": ["object", "string"]})] = Field(
        None, description="what is read off the runs"
    )
    note: OptionalText = Field(None, description="why it misses, or what to keep in mind")
    not_expressible: OptionalText = Field(None, description="why no scenario can say this yet; it counts as uncovered")
    long: Annotated[bool, flag()] = Field(False, description="left out by --quick")

    @classmethod
    def cross(cls, values: Mapping[str, Any], raw: Mapping[str, Any]) -> list[Finding]:
        """What can be run needs a scenario, a prediction and something known, in one unit."""
        if values.get("not_expressible"):
            return []
        needed = [key for key in ("known", "scenario", "predicted") if raw.get(key) is None]
        found = [Finding((key,), "nothing", "a value, unless it is not_expressible (say why)") for key in needed]
        known, predicted = values.get("known"), values.get("predicted")
        if known is None or predicted is None or known.form or predicted.is_ratio or predicted.times != 1:
            return found
        wanted = find(predicted.measure).dimension
        bare = {"number", "ratio", "cpu"}
        if known.dimension != wanted and not {known.dimension, wanted} <= bare:
            found.append(Finding(("known",), f"a {known.dimension}", f"a {wanted}, as {predicted.measure} is"))
        return found
