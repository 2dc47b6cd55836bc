"""The page docs/validation.md: a table a folder of measurements, from what `compare` found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sim.calibration.recordings import Measurements
from sim.calibration.replay import PHASES
from validation.compare import STATISTICS, Line, Pair, Said, compare
from validation.predict import RULES

NOISY = 0.05
"""Share of the CPUs' time that others used from which on a row is marked."""

HEAD = """# Beside a real kernel

Real processes in real control groups, served the arrivals and demands of a hostsim scenario, beside what hostsim says
to the very same requests on the platform `native`. Written by `python -m validation report`; measured anew by

    sudo .venv/bin/python -m validation measure    # about 13 minutes; Linux, root, control groups, a C compiler

which leaves a folder in `validation/data/`. Leave the machine alone meanwhile.

A server is a process with as many threads as its service has `concurrency`. A thread takes the next request, sleeps
until it arrives, and burns CPU until the thread's own CPU clock has moved on by the demand. Groups sit below one parent
of great weight, so that other work on the machine takes little from them; what it took is in the column *others*. All
are bound to as many CPUs as the scenario's host has cores.

- Times are response times in ms, medians over the repetitions; an error is predicted / measured − 1, also a median. A
  prediction is the mean over {phases} replications where it depends on where the periods of a limit lie.
- *throttled* is the share of the periods with work in them in which the group ran dry (`nr_throttled` / `nr_periods`),
  and *stood still* for how long in all. The kernel adds the latter up over CPUs.
- *others*: share of the used CPUs' time that other work and the hypervisor (steal) took. * marks more than {noisy:.0%}.
"""

TITLES = {
    "no limit": "No limit: how still was the machine?",
    "quota": "A CPU limit, alone",
    "neighbours": "A CPU limit beside busy neighbours",
    "weights": "Weights",
}


def page(measurements: Sequence[Measurements], figure: str) -> tuple[str, list[tuple[Measurements, list[Line]]]]:
    """The page as Markdown, and the lines that it was made from; `figure` is the link to the picture."""
    found = [(each, compare(each)) for each in measurements]
    parts = [HEAD.format(phases=PHASES, noisy=NOISY)]
    if RULES == ("fluid",):
        parts.append("The engine takes a limit as a plain cap on the speed so far: that is what the errors are of.\n")
    else:
        parts.append("*fluid* is the same with the limit taken as a plain cap on the speed, without periods.\n")
    parts.append(f"![Predicted over measured, for the mean and the 99th percentile]({figure})\n")
    for each, lines in found:
        parts.append(_folder(each, lines))
    return "\n".join(parts), found


def _folder(measurements: Measurements, lines: list[Line]) -> str:
    host = measurements.host
    text = [f"## {measurements.folder.name}\n", f"{_host(host)}\n"]
    kinds = list(dict.fromkeys(line.case.kind for line in lines))
    for kind in sorted(kinds, key=list(TITLES).index):
        chosen = [line for line in lines if line.case.kind == kind]
        text += [f"### {TITLES[kind]}\n", _summary(chosen), "", _table(chosen), ""]
    return "\n".join(text)


def _host(host: Mapping[str, object]) -> str:
    kind = "virtual machine" if host.get("virtual") else "machine"
    memory = float(str(host["memory_bytes"])) / 2**30
    text = (
        f"{host['date']}, Linux {host['kernel']}, {kind}, {host['cpus']} CPUs ({host['cpu']}), {memory:.0f} GiB, "
        f"control groups version {host['cgroup']}. {host['licence']}."
    )
    return f"{text} {host['note']}" if host.get("note") else text


def _summary(lines: Sequence[Line]) -> str:
    """The errors in a sentence for each number of CPUs, groups with a limit and without apart."""
    told = []
    for cpus, limited in sorted({(line.case.cpus, line.group.limit is not None) for line in lines}):
        chosen = [line for line in lines if (line.case.cpus, line.group.limit is not None) == (cpus, limited)]
        where = f"{'One CPU' if cpus == 1 else f'{cpus} CPUs'}, {'limited' if limited else 'without a limit'}"
        pairs = [pair for line in chosen for pair in line.pairs]
        rules = RULES if limited else RULES[:1]
        told += [f"- {where}{' (fluid)' if rule != RULES[0] else ''}: {_errors(pairs, rule)}." for rule in rules]
    return "\n".join(told)


def _errors(pairs: Sequence[Pair], rule: str) -> str:
    told = []
    for what in ("mean", "p99"):
        values = np.array([pair.error(what, rule) for pair in pairs])
        within = int(np.sum(np.abs(values) <= 0.10))
        told.append(f"{what} {np.median(values):+.1%} in the median, {within} of {values.size} within 10 %")
    return "; ".join(told)


def _table(lines: Sequence[Line]) -> str:
    limited = any(line.group.limit is not None for line in lines)
    columns: list[tuple[str, Callable[[Line], str]]] = [
        ("case", lambda line: line.case.name),
        ("group", lambda line: line.group.name),
        ("×", lambda line: str(len(line.pairs))),
        ("requests", lambda line: f"{sum(pair.requests for pair in line.pairs)}"),
        *((what, _time(what)) for what in STATISTICS),
        *((f"{what} error", _error(what, RULES[0])) for what in STATISTICS),
    ]
    if limited and "period" in RULES:
        columns += [(f"{what} fluid", _error(what, "fluid")) for what in ("mean", "p99")]
    if limited:
        columns += [
            ("throttled", _both(lambda said: said.ratio, "{:.0%}")),
            ("stood still", _both(lambda said: said.time, "{:.2f} s")),
        ]
    columns.append(("others", _others))
    rows = [[title for title, _ in columns], ["---", "---"] + ["---:"] * (len(columns) - 2)]
    rows += [[of(line) for _, of in columns] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _time(what: str) -> Callable[[Line], str]:
    return lambda line: f"{_number(line.median(lambda pair: pair.measured.statistics[what])) * 1e3:.1f}"


def _error(what: str, rule: str) -> Callable[[Line], str]:
    return lambda line: f"{_number(line.median(lambda pair: pair.error(what, rule))):+.1%}"


def _both(of: Callable[[Said], float | None], form: str) -> Callable[[Line], str]:
    """Measured → predicted."""

    def text(line: Line) -> str:
        measured = line.median(lambda pair: of(pair.measured))
        predicted = line.median(lambda pair: of(pair.predicted[RULES[0]]))
        return " → ".join("–" if value is None else form.format(value) for value in (measured, predicted))

    return text


def _others(line: Line) -> str:
    share = _number(line.median(lambda pair: pair.background + pair.steal))
    return f"{share:.1%}{'*' if share > NOISY else ''}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def write(page_path: Path, folders: Sequence[Path]) -> list[Path]:
    """Write the page and, beside it, its figure; return both paths."""
    from validation.figure import draw

    figure = page_path.with_suffix(".png")
    text, found = page([Measurements(folder) for folder in folders], figure.name)
    page_path.write_text(text, encoding="utf-8")
    draw([(each.folder.name, lines) for each, lines in found], figure)
    return [page_path, figure]
