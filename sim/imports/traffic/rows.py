"""Requests gathered row by row, and the recording that they become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

import numpy as np

from sim.imports.draft import Load
from sim.reading.errors import Problem, ScenarioError, show

_TOLD: Final = 5
MOST: Final = 3_000_000  # requests of a recording; a run of so many takes about half a minute
_LONGEST: Final = 31 * 86400  # s of a recording
_DATED: Final = 1e8  # s since 1970: 1973


@dataclass
class Rows:
    """Requests of one file: arrival `times` in s, and what each of them has beside it.

    `ends`: the times are those of the answers; `durations` in s and `sizes` in bytes are NaN or left out where the file
    does not say. Counts are taken in by `counted`. `window`: s of which the busiest are wanted.
    """

    file: str
    form: str
    window: float | None = None
    times: list[float] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ends: bool = False
    bad_rows: int = 0
    drawn: float = 0.0  # s of the intervals within which times were drawn

    def bad(self, row: int, column: str, found: Any, allowed: str) -> None:
        """A row that is none."""
        self.bad_rows += 1
        if len(self.problems) < _TOLD:
            text = found if isinstance(found, str) and found.startswith("nothing") else show(found)
            self.problems.append(Problem(self.file, row, 1, column, text, allowed))

    def add(self, time: float, service: str = "", duration: float | None = None, size: float | None = None) -> None:
        """One request."""
        self.times.append(time)
        self.services.append(service)
        self.durations.append(np.nan if duration is None else duration)
        self.sizes.append(np.nan if size is None else size)

    def counted(self, intervals: Iterable[tuple[float, float, int]], service: str = "") -> None:
        """Requests of which only the number in an interval (begin, length in s) is known.

        Within it they are drawn uniformly, which is what a Poisson process is, given their number.
        """
        random = np.random.default_rng([0, *service.encode()])
        for begin, length, count in self._busy(list(intervals)):
            if len(self.times) + count > 20 * MOST:
                raise too_many(self.file, len(self.times) + count)
            drawn = np.sort(random.random(count)) * length + begin
            self.times += drawn.tolist()
            self.drawn = max(self.drawn, length)
            self.services += [service] * count
            self.durations += [np.nan] * count
            self.sizes += [np.nan] * count

    def _busy(self, intervals: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
        """Of more than can be drawn, the intervals that the busiest window lies in."""
        whole = sum(count for _, _, count in intervals)
        if self.window is None or whole <= MOST:
            return intervals
        most = ceil(self.window / max(length for _, length, _ in intervals)) + 1
        sums = np.concatenate(([0], np.cumsum([count for _, _, count in intervals])))
        best = int(np.argmax(sums[most:] - sums[:-most])) if len(intervals) > most else 0
        self.notes.append(f"of {whole:,} requests in {len(intervals)} intervals, {most} around the busiest window")
        return intervals[best : best + most]

    def load(self) -> Load:
        """The recording; of a `window`, the busiest. Raises ScenarioError with the bad rows, or for none at all."""
        if self.problems or not self.times:
            raise ScenarioError(self._told())
        times, order, whole = self._arrivals()
        services = np.asarray(self.services, dtype=object)[order]
        durations, sizes = np.asarray(self.durations)[order], np.asarray(self.sizes)[order]
        first, last = float(times[0]), float(times[-1])
        if self.window is None and last - first > _LONGEST:
            found = f"times that are {(last - first) / 86400:.4g} days apart"
            allowed = f"at most {_LONGEST // 86400} days: --window 10min takes the busiest"
            raise ScenarioError([Problem(self.file, None, None, "", found, allowed)])
        window, keep = self.window, np.ones(times.size, dtype=bool)
        if window is not None and last - first > window:
            keep = self._busiest(times, window)
        if keep.sum() > MOST:
            raise too_many(self.file, int(keep.sum()))
        times, services, durations, sizes = times[keep], services[keep], durations[keep], sizes[keep]
        begin = np.floor(times[0]) if whole or self.drawn else times[0]
        length = float(times[-1] - begin)
        length = float(np.ceil(length)) if whole or self.drawn else max(length, 1.0)
        grouped: dict[str, Any] = defaultdict(list)
        for name, time in zip(services.tolist(), (times - begin).tolist(), strict=True):
            grouped[name].append(time)
        load = Load(length, int(times.size), [], {name: recording(each) for name, each in grouped.items()})
        load.notes = self._notes(load, durations, whole)
        load.counts = {name: len(each) for name, each in grouped.items()}
        load.answer_bytes = _mean(sizes)
        load.duration = _median(durations)
        return load

    def _arrivals(self) -> tuple[Any, Any, bool]:
        """Sorted times, the order they come from, and whether they were whole seconds, now spread over each."""
        times = np.asarray(self.times, dtype=np.float64)
        whole = times.size > 1 and not self.drawn and bool(np.all(times == np.floor(times)))
        if self.ends and not whole:
            times = times - np.nan_to_num(np.asarray(self.durations))
        order = np.argsort(times, kind="stable")
        times = times[order]
        if whole:
            _, starts, counts = np.unique(times, return_index=True, return_counts=True)
            inside = np.arange(times.size) - np.repeat(starts, counts)
            times = times + (inside + 0.5) / np.repeat(counts, counts)
        return times, order, whole

    def _busiest(self, times: Any, window: float) -> Any:
        until = np.searchsorted(times, times + window, side="left")
        best = int(np.argmax(until - np.arange(times.size)))
        keep = np.zeros(times.size, dtype=bool)
        keep[best : until[best]] = True
        begin = float(times[best])
        at = f"{datetime.fromtimestamp(begin, UTC):%Y-%m-%d %H:%M:%S} UTC" if begin > _DATED else f"{begin:g} s"
        whole = f"{times.size:,} requests in {times[-1] - times[0]:.6g} s"
        self.notes.append(f"of {whole}, the busiest {window:g} s: from {at} on")
        return keep

    def _notes(self, load: Load, durations: Any, whole: bool) -> list[str]:
        mean = load.requests / load.seconds
        told = f"{self.file}: {load.requests:,} requests in {load.seconds:.6g} s ({mean:.3g}/s on average)"
        if whole:
            told += "; its times are whole seconds, the requests of one are spread evenly over it"
        if self.drawn:
            told += f"; it has counts, the requests of each {self.drawn:g} s are drawn uniformly over them"
        known = durations[~np.isnan(durations)]
        notes = [told, *self.notes]
        if known.size:
            p50, p95, p99 = (1000 * float(each) for each in np.quantile(known, (0.5, 0.95, 0.99)))
            told = f"p50 {p50:.3g} ms, p95 {p95:.3g} ms, p99 {p99:.3g} ms"
            notes.append(f"its durations, to hold what is predicted against: {told}")
        return notes

    def _told(self) -> list[Problem]:
        if not self.problems:
            return [Problem(self.file, None, None, "", "no request", f"a file of {self.form} with one at least")]
        more = self.bad_rows - len(self.problems)
        if more:
            rest = f"{more:,} more rows that are none"
            return [*self.problems, Problem(self.file, None, None, "", rest, f"rows of {self.form}")]
        return self.problems


def too_many(file: str, count: int) -> ScenarioError:
    """The error for more requests than a recording may have."""
    found = f"{count:,} requests or more"
    return ScenarioError([Problem(file, None, None, "", found, f"at most {MOST:,}: --window 10min takes the busiest")])


def recording(times: Iterable[float]) -> str:
    """Arrivals in s as a recording's CSV."""
    return "time\n" + "".join(f"{each:.6f}\n" for each in times)


def _mean(values: Any) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _median(values: Any) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None
