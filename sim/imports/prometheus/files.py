"""Answers of Prometheus's range queries as series: the HTTP API's JSON, or `promtool query -o json range`.

The form is the API's (https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries): samples are pairs of
a Unix time in s and a number as text, which may be "NaN", "+Inf" or "-Inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from sim.reading.errors import Problem, ScenarioError, nearest, show
from sim.terms.records import Array

ROLES: Final = {
    "cpu": "a counter of CPU seconds",
    "cpu-rate": "cores used",
    "memory": "bytes used",
    "requests": "a counter of requests",
    "request-rate": "requests a second",
    "duration": "counters of a histogram's buckets (label le)",
    "duration-rate": "rates of a histogram's buckets (label le)",
}
"""What a file's series can be said to be, `FILE:ROLE`, where they have no name (`rate()` and `sum()` drop it)."""
_ANSWER: Final = "the answer of /api/v1/query_range, or of promtool query -o json range"
_TOLD: Final = 20  # problems of one file that are told


@dataclass(frozen=True)
class Series:
    """One series: `times` f8[n] in s since 1970, ascending, and `values` f8[n], finite.

    `file` and `path` say where it stands; `dropped` samples were NaN (stale, or a division by zero).
    """

    labels: dict[str, str]
    times: Array
    values: Array
    file: str
    path: str
    role: str = ""
    dropped: int = 0

    @property
    def name(self) -> str:
        """The metric's name; empty where the query dropped it."""
        return self.labels.get("__name__", "")

    def problem(self, found: str, allowed: str) -> Problem:
        """Something wrong with it, with its place."""
        return Problem(self.file, None, None, self.path, found, allowed)


@dataclass
class _Reader:
    file: str
    role: str
    problems: list[Problem] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)

    def wrong(self, path: str, found: str, allowed: str, near: str | None = None) -> None:
        self.problems.append(Problem(self.file, None, None, path, found, allowed, near))

    def answer(self, tree: Any) -> None:
        if isinstance(tree, list):  # promtool's
            self.matrix(tree, "")
            return
        if not isinstance(tree, dict) or not ("status" in tree or "data" in tree):
            self.wrong("", show(tree), _ANSWER)
            return
        if tree.get("status", "success") != "success":
            what = f"{tree.get('status')!r}: {tree.get('errorType', '')}: {tree.get('error', '')}"
            self.wrong("status", what, "'success'; the query itself failed")
            return
        data = tree.get("data")
        kind = data.get("resultType") if isinstance(data, dict) else None
        if not isinstance(data, dict) or kind != "matrix":
            instant = " (an instant query's)" if kind in ("vector", "scalar", "string") else ""
            self.wrong("data.resultType", show(kind) + instant, "'matrix', which /api/v1/query_range gives")
            return
        self.matrix(data.get("result"), "data.result.")

    def matrix(self, result: Any, prefix: str) -> None:
        where = prefix.rstrip(".")
        if not isinstance(result, list):
            self.wrong(where, show(result), "a list of series")
            return
        if not result:
            self.wrong(where, "no series: the query matched nothing", "at least one series")
        for index, each in enumerate(result):
            self.one(each, f"{prefix}{index}")

    def one(self, each: Any, path: str) -> None:
        labels = each.get("metric") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(labels, dict):
            self.wrong(f"{path}.metric", show(labels if isinstance(each, dict) else each), "a mapping of labels")
            return
        if any(not isinstance(value, str) for value in labels.values()):
            self.wrong(f"{path}.metric", show(labels), "labels that are text")
            return
        if each.get("histograms"):
            self.wrong(f"{path}.histograms", "a native histogram", "classic buckets (…_bucket with the label le)")
            return
        values = each.get("values")
        if not isinstance(values, list) or not values:
            found = "an instant query's 'value'" if "value" in each else show(values)
            self.wrong(f"{path}.values", found, "a list of [time, value], at least one")
            return
        self.samples(labels, values, path)

    def samples(self, labels: dict[str, str], values: list[Any], path: str) -> None:
        times, numbers, dropped, before = [], [], 0, -math.inf
        wrong = len(self.problems)
        for index, pair in enumerate(values):
            place = f"{path}.values.{index}"
            sample = _sample(pair)
            if sample is None:
                self.wrong(place, show(pair), "a pair of a time in s and a number as text")
            elif sample[0] <= before:
                self.wrong(place, f"the time {sample[0]:.3f} after {before:.3f}", "times that grow")
            elif math.isinf(sample[1]):
                self.wrong(place, f"the value {pair[1]}", "a finite number, or NaN where there is none")
            else:
                before = sample[0]
                if math.isnan(sample[1]):
                    dropped += 1
                else:
                    times.append(sample[0])
                    numbers.append(sample[1])
            if len(self.problems) >= wrong + 3:
                return
        if len(self.problems) == wrong:
            arrays = np.array(times), np.array(numbers)
            self.series.append(Series(labels, *arrays, self.file, path, self.role, dropped))


def _sample(pair: Any) -> tuple[float, float] | None:
    """(time, value), the value perhaps not finite; None for what is no sample."""
    if not isinstance(pair, list) or len(pair) != 2 or isinstance(pair[0], bool) or isinstance(pair[1], bool):
        return None
    try:
        moment, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError, OverflowError):
        return None
    return (moment, value) if math.isfinite(moment) else None


def read_files(given: Sequence[str]) -> list[Series]:
    """The series of all files, each `FILE` or `FILE:ROLE` (see `ROLES`); a file that is called as a role has it.

    Raises ScenarioError with every mistake in them, each with its file and the path in it.
    """
    problems: list[Problem] = []
    series: list[Series] = []
    for each in given:
        name, role, wrong = _role(each)
        if wrong is not None:
            problems.append(wrong)
            continue
        reader = _Reader(name, role)
        tree = _parsed(name, reader.wrong)
        if not reader.problems:
            reader.answer(tree)
        told = reader.problems[:_TOLD]
        problems += told
        if len(reader.problems) > len(told):
            problems.append(Problem(name, None, None, "", f"{len(reader.problems) - _TOLD} more mistakes", "none"))
        series += reader.series
    if problems:
        raise ScenarioError(problems)
    return series


def _role(given: str) -> tuple[str, str, Problem | None]:
    """(file, role, what is wrong): the role behind the last colon, else the one that the file is called after."""
    name, colon, role = given.rpartition(":")
    if colon and role in ROLES:
        return name, role, None
    if colon and not Path(given).exists() and Path(name).exists():
        return name, "", Problem(given, None, None, "", f"the role {role!r}", _roles(), nearest(role, ROLES))
    stem = Path(given).stem.casefold().replace("_", "-")
    return given, stem if stem in ROLES else "", None


def _roles() -> str:
    return ", ".join(f"FILE:{role} ({what})" for role, what in ROLES.items())


def _parsed(name: str, wrong: Callable[[str, str, str], None]) -> Any:
    try:
        return json.loads(Path(name).read_text("utf-8"))
    except OSError as error:
        wrong("", f"a file that cannot be read ({error.strerror or 'unreadable'})", _ANSWER)
    except UnicodeDecodeError:
        wrong("", "bytes that are no UTF-8 text", _ANSWER)
    except RecursionError:
        wrong("", "JSON nested too deeply", _ANSWER)
    except ValueError as error:
        wrong("", f"no JSON: {error}", _ANSWER)
    return None


def unnamed(series: Series) -> Problem:
    """A series of which nobody says what it is."""
    return series.problem("a series without a name (rate() and sum() drop it)", f"its role: {_roles()}")
