"""Access logs to recordings: nginx's and Apache's combined and common logs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Final

from sim.imports.draft import Load
from sim.reading.errors import Problem, ScenarioError
from sim.reading.recording import LOGS

FORMATS: Final = ("combined", "common")
_LINE: Final = re.compile(r'\S+ \S+ \S.*? \[([^\]]+)\] "(?:[^"\\]|\\.)*" (\d{3}) (\d+|-)')
_TOLD: Final = 5


def read_log(given: str) -> Load:
    """`FILE:combined` to a recording: one row a request, in s after the first, with the mean bytes of an answer.

    Raises ScenarioError for another format, a file that cannot be read, or lines that are none of a log.
    """
    name, _, form = given.rpartition(":")
    if not name or form not in FORMATS:
        what = f"one of {', '.join(f'FILE:{each}' for each in FORMATS)}"
        raise ScenarioError([Problem("--traffic", None, None, "", repr(given), what)])
    try:
        text = Path(name).read_text("utf-8", "replace")
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ScenarioError(
            [Problem(name, None, None, "", f"a file that cannot be read ({reason})", "a log")]
        ) from None
    seconds, sizes, problems = _lines(name, text.splitlines(), form)
    if problems or not seconds:
        told = problems[:_TOLD] or [Problem(name, None, None, "", "no request", "a log with one at least")]
        raise ScenarioError(told)
    first, last = min(seconds), max(seconds)
    span = last - first + 1
    notes = [f"{name}: {len(seconds):,} requests in {span} s ({len(seconds) / span:.3g}/s on average); its times are "
             "whole seconds, the requests of one are spread evenly over it"]  # fmt: skip
    yaml = "trace: {file: {file}, shift: {settle}s}   # begins when the replicas have had {settle} s to start"
    mean = sum(sizes) / len(sizes) if sizes else None
    return Load(yaml, float(span), len(seconds), notes, _csv(seconds, first), mean)


def _lines(name: str, lines: list[str], form: str) -> tuple[list[int], list[int], list[Problem]]:
    seconds, sizes, problems = [], [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = _LINE.match(line)
        try:
            moment = datetime.strptime(found[1], LOGS) if found else None
        except ValueError:
            moment = None
        if found is None or moment is None:
            problems.append(Problem(name, number, 1, "", repr(line[:80]), f"a line of a {form} log"))
            continue
        seconds.append(int(moment.timestamp()))
        if found[3] != "-":
            sizes.append(int(found[3]))
    return seconds, sizes, problems


def _csv(seconds: list[int], first: int) -> str:
    rows = ["time"]
    for second, count in sorted(Counter(seconds).items()):
        rows += [f"{second - first + (index + 0.5) / count:.6f}" for index in range(count)]
    return "\n".join(rows) + "\n"
