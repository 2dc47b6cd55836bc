"""The scorecard as a page of the documentation, and its headline in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sim.report.metrics.numbers import text
from sim.scorecard.card import Scorecard, median_error
from sim.scorecard.scoring import SCORED, VERDICTS, Score
from sim.scorecard.specs import KINDS

_STANDARD: Final = ("s", "B", "ratio", "1", "1/s")
ABOUT: Final = {
    "published": "Published by others; what the catalogue was fitted to is marked and not scored.",
    "measured": "Measured by us with real processes in real control groups, and replayed request by request.",
    "question": "Asked by users in public threads, with the answer that they got; the scenarios are shipped.",
    "theory": "Closed forms. The interval must hold the exact value, and be narrow.",
    "oracle": "The same requests through the slow reference implementation of our tests.",
    "simgrid": "The same requests through SimGrid, where it is installed.",
}


def number(value: float | None, unit: str) -> str:
    """A value with its unit, or a dash."""
    if value is None:
        return "–"
    if unit in _STANDARD:
        return text(value, unit)
    return f"{value:,.4g} {unit}"


def interval(each: Score) -> str:
    """The prediction and its interval."""
    if each.predicted is None:
        return "–"
    shown = number(each.predicted, each.unit)
    if each.low is None or each.high is None or each.low == each.high:
        return shown
    return f"{shown} ({number(each.low, each.unit)} … {number(each.high, each.unit)})"


def known(each: Score) -> str:
    """What is known, with its bound."""
    shown = number(each.known, each.unit)
    return f"{each.bound} {shown}" if each.bound else shown


def percent(value: float | None, *, sign: bool = False) -> str:
    """A ratio in per cent, with one place where it is small."""
    if value is None:
        return "–"
    if value and abs(value) < 5e-4:
        return f"{value:+.0e}" if sign else f"{value:.0e}"
    shown = f"{100 * value:{'+' if sign else ''}.{1 if abs(value) < 0.1 else 0}f} %"
    return shown.replace("-", "−")


def sentences(found: Scorecard) -> list[str]:
    """The headline: coverage and median error of what is published, then a sentence a kind."""
    lines = []
    if found.coverage is not None:
        error = "–" if found.median_error is None else percent(found.median_error)
        lines.append(
            f"Published: {percent(found.coverage)} of {len(found.rows)} rows can be said; median error {error}."
        )
    for kind in KINDS:
        own = found.scored(kind)
        counted = Counter(each.verdict for each in own)
        if own:
            told = ", ".join(f"{counted[verdict]} {verdict}" for verdict in SCORED if counted[verdict])
            middle = median_error(own)
            more = "" if middle is None else f"; median error {percent(middle)}"
            lines.append(f"{kind}: {len(own)} scored: {told}{more}.")
    topics = by_topic(found.scored("published"))
    errors = {topic: (median_error(rows), len(rows)) for topic, rows in topics.items()}
    parts = [f"{topic} {percent(middle)} of {n}" for topic, (middle, n) in errors.items() if middle is not None]
    return lines + ([f"Median errors of what is published, by topic: {', '.join(parts)}."] if len(parts) > 1 else [])


def page(found: Scorecard, title: str = "Scorecard") -> str:
    """The page: headline, figure, what the columns mean, and a table a kind."""
    parts = [f"# {title}"]
    parts.append(
        "Scenarios whose answer is known, run, and what hostsim says beside it. Written by `python -m sim scorecard`; "
        "nothing on this page is kept by hand. A case is a few lines of YAML: [add one](how-to/scorecard.md)."
    )
    parts.append("\n".join(f"- {line}" for line in sentences(found)))
    parts.append("![Predicted against known](scorecard.png)")
    parts.append(
        "*Predicted* has the interval of its replications (95 %; theory 99.9 %), not of the catalogue's numbers. "
        "*Error* is predicted / known − 1. *Its own* is the uncertainty that the source gives, where it gives one.\n\n"
        + "\n".join(f"- **{verdict}**: {meaning}" for verdict, meaning in VERDICTS.items())
    )
    for kind in sorted(KINDS, key=list(ABOUT).index):
        own = [each for each in found.scores if each.kind == kind]
        if own:
            parts.append(f"## {kind.capitalize() if kind != 'simgrid' else 'SimGrid'}\n\n{ABOUT[kind]}")
            parts += [_table(topic, rows) for topic, rows in by_topic(own).items()]
    return "\n\n".join(parts) + "\n"


def by_topic(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Cases by topic, in the order of the first of each."""
    found: dict[str, list[Score]] = {}
    for each in scores:
        found.setdefault(each.topic, []).append(each)
    return found


def _table(topic: str, rows: Sequence[Score]) -> str:
    head = "| case | platform | predicted | known | error | its own | verdict | source | calibrated on |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|", *map(_row, rows)]
    return f"### {topic[:1].upper()}{topic[1:]}\n\n" + "\n".join(lines) if topic else "\n".join(lines)


def _row(each: Score) -> str:
    verdict = f"{each.verdict}: {each.reason}" if each.reason else each.verdict
    own = percent(each.uncertainty) + (f", {each.uncertainty_of}" if each.uncertainty_of else "")
    cells = (
        each.case, each.platform, interval(each), known(each), percent(each.error, sign=True), own, verdict,
        f"{each.source} ({each.trust})", each.calibrated_on or "–",
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
