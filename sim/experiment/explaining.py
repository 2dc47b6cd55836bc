"""What a metric or a doubt is, how it is found, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from sim.experiment.study import StudyError
from sim.reading.errors import nearest
from sim.report.metrics.known import describe, known
from sim.terms.doubts import DOUBTS, touches


def words(name: str) -> list[str]:
    """What a metric or a doubt means. Raises StudyError for a name that is neither."""
    if name in DOUBTS:
        return list(_doubt(name))
    if describe(name).measure is not None:
        return list(_metric(name))
    near = nearest(name, [*DOUBTS, *known()])
    hint = f"; did you mean {near}?" if near else ""
    raise StudyError(f"{name}: neither a metric nor a doubt{hint} (doubts: {', '.join(DOUBTS)})")


def _doubt(name: str) -> Iterator[str]:
    kind = DOUBTS[name]
    means = {
        "wrong": "a number does not mean what its name says, and no winner is named from it",
        "weak": "true, but thin",
        "note": "something to know",
    }
    yield f"{name}, a doubt"
    yield f"when:     {kind.when}"
    yield f"severity: {kind.severity} ({means[kind.severity]})"
    if kind.touches:
        names = [each + "*" if each[-1:] in ("", ".") else each for each in kind.touches]
        yield f"touches:  {', '.join(names)}"
    if kind.severity == "wrong":
        yield "          a note where the scenario's `focus` is on nothing of that"
    if kind.advice:
        yield f"do:       {kind.advice}"


def _metric(name: str) -> Iterator[str]:
    metric = describe(name)
    better = {"lower": "less is better", "higher": "more is better", None: "neither more nor less is better"}
    yield f"{name}, a metric: {metric.label.strip()}"
    if metric.meaning:
        yield f"what:    {metric.meaning}"
    yield f"unit:    {metric.unit} ({better[metric.better]})"
    yield f"answers: {metric.question}"
    doubts = [code for code, kind in DOUBTS.items() if touches(kind.touches, name)]
    if doubts:
        yield f"means something else with a doubt {', '.join(doubts)}"
