"""Runs the peers: each a process of its own pinned to one core, interleaved, sized to a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import Peer

ROOT = Path(__file__).resolve().parent.parent
PILOT_REQUESTS = 100
PILOT_LONG_ENOUGH = 0.4  # s: past this a pilot says something about the rate
MARGIN = 6.0  # a run that takes this many times its limit is ended
CANNOT = 3  # exit code of a driver that cannot run here

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One place of the table: a peer at a number of guests and of requests, repeated `rounds` times."""

    peer: Peer
    guests: int
    asked: int
    requests: int
    rounds: int
    limit: float
    purpose: str  # "main", "requests" or "guests"

    @property
    def scaled(self) -> bool:
        """Whether fewer requests than asked are run, to stay in the time limit."""
        return self.requests < self.asked


@dataclass(frozen=True)
class Skip:
    """A cell, or a whole peer, that was not run, and why."""

    label: str
    what: str
    reason: str


@dataclass
class Outcome:
    """All measurements of a cell, one dict (a driver's JSON line) a round."""

    cell: Cell
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Flat rows for the CSV."""
        cell = self.cell
        for number, measured in enumerate(self.rounds, 1):
            place = {"purpose": cell.purpose, "asked": cell.asked, "round": number}
            yield place | {"model": cell.peer.model} | measured


@dataclass(frozen=True)
class Plan:
    """What to measure: sizes, rounds and time limits (s) of a cell."""

    guests: tuple[int, ...]
    requests: tuple[int, ...]
    main_requests: int
    rounds: int
    limit: float
    growth_limit: float


class DriverError(Exception):
    """A driver failed; the text says why."""


class Unable(DriverError):
    """A driver says that it cannot run here."""


def pin(core: int | None) -> int | None:
    """Keep this process and its children on one core; returns it, or None where the system has no such call."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[-1] if core is None else core
    os.sched_setaffinity(0, {chosen})
    return chosen


def run_driver(command: list[str], timeout: float) -> dict[str, Any]:
    """Run one driver; its JSON line, with `process_s` (its whole life) added. Raises DriverError."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=environment, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise DriverError(f"took more than {timeout:.0f} s and was ended") from late
    elapsed = time.perf_counter() - start
    if done.returncode == 0 and done.stdout.strip():
        measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return measured | {"process_s": elapsed}
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    raise (Unable if done.returncode == CANNOT else DriverError)(last)


@dataclass(frozen=True)
class Estimate:
    """What a run costs, from pilots: seconds to build the model, and seconds per request after that."""

    setup: float
    per_request: float

    def seconds(self, requests: int) -> float:
        """Expected wall time of a run, s."""
        return self.setup + requests * self.per_request

    def fitted(self, asked: int, limit: float) -> int:
        """`asked`, or as many requests (two significant digits) as fit in `limit` s; 100 at least."""
        if self.seconds(asked) <= limit:
            return asked
        possible = max(PILOT_REQUESTS, int((limit - self.setup) / self.per_request))
        step = 10 ** (len(str(possible)) - 2)
        return min(asked, possible // step * step)


def estimate(peer: Peer, guests: int, enough: int, limit: float) -> Estimate:
    """Pilots of growing size, until the last takes clearly longer than the first or covers `enough` requests."""
    sizes: list[tuple[int, float]] = []
    requests = min(PILOT_REQUESTS, enough)
    while True:
        command = peer.command(guests, requests, seed=99)
        wall = run_driver(command, timeout=max(60.0, MARGIN * limit))["wall_s"]
        sizes.append((requests, wall))
        first, fastest = sizes[0], min(seconds for _, seconds in sizes)
        if wall - fastest >= PILOT_LONG_ENOUGH or requests >= enough or wall >= limit:
            break
        requests = min(enough, requests * 10)
    if len(sizes) == 1 or wall <= first[1]:
        return Estimate(0.0, wall / requests)
    per_request = (wall - first[1]) / (requests - first[0])
    return Estimate(max(0.0, first[1] - first[0] * per_request), per_request)


def plan_cells(peers: Iterable[Peer], plan: Plan, say: Say) -> tuple[list[Cell], list[Skip]]:
    """The cells to run, each fitted to its time limit by a pilot, and what is left out."""
    cells: list[Cell] = []
    skips: list[Skip] = []
    for peer in peers:
        if reason := peer.missing():
            skips.append(Skip(peer.label, "all", reason))
            continue
        for guests in plan.guests:
            say(f"pilot {peer.label}, {guests} guests")
            if guests != plan.guests[0] and peer.model == "pooled":
                skips.append(Skip(peer.label, f"{guests} guests", "it simulates no guests"))
                continue
            most = max(plan.requests) if guests == plan.guests[0] else plan.main_requests
            try:
                cost = estimate(peer, guests, most, plan.growth_limit)
            except DriverError as reason:
                skips.append(Skip(peer.label, f"{guests} guests", str(reason)))
                if isinstance(reason, Unable):
                    break
                continue
            _add_cells(cells, skips, peer, guests, cost, plan)
    return cells, skips


def _add_cells(cells: list[Cell], skips: list[Skip], peer: Peer, guests: int, cost: Estimate, plan: Plan) -> None:
    if guests != plan.guests[0]:
        requests = cost.fitted(plan.main_requests, plan.growth_limit)
        cells.append(Cell(peer, guests, plan.main_requests, requests, 1, plan.growth_limit, "guests"))
        return
    main = cost.fitted(plan.main_requests, plan.limit)
    cells.append(Cell(peer, guests, plan.main_requests, main, plan.rounds, plan.limit, "main"))
    done = {main}
    for asked in sorted(set(plan.requests) - {plan.main_requests}):
        requests = cost.fitted(asked, plan.growth_limit)
        if requests < asked and any(requests <= 1.5 * other for other in done):
            reason = f"would take about {cost.seconds(asked):,.0f} s; what fits, {requests:,}, is in a cell above"
            skips.append(Skip(peer.label, f"{asked:,} requests", reason))
            continue
        cells.append(Cell(peer, guests, asked, requests, 1, plan.growth_limit, "requests"))
        done.add(requests)


def run_cells(cells: list[Cell], say: Say) -> tuple[list[Outcome], list[Skip]]:
    """Run all cells interleaved: round 1 of every cell, then round 2, … A cell that fails is left out."""
    outcomes = {id(cell): Outcome(cell) for cell in cells}
    failed: dict[int, Skip] = {}
    for number in range(max((cell.rounds for cell in cells), default=0)):
        for position, cell in enumerate(cells, 1):
            if number >= cell.rounds or id(cell) in failed:
                continue
            say(
                f"round {number + 1}, {position}/{len(cells)}: {cell.peer.label}, "
                f"{cell.guests} guests, {cell.requests:,} requests"
            )
            command = cell.peer.command(cell.guests, cell.requests, seed=number + 1)
            try:
                measured = run_driver(command, timeout=60.0 + MARGIN * cell.limit)
            except DriverError as reason:
                what = f"{cell.guests} guests, {cell.requests:,} requests"
                failed[id(cell)] = Skip(cell.peer.label, what, str(reason))
                continue
            outcomes[id(cell)].rounds.append(measured)
    return [outcome for outcome in outcomes.values() if outcome.rounds], list(failed.values())


def as_record(
    outcomes: list[Outcome], skips: list[Skip], machine: dict[str, object], mode: str, when: str
) -> dict[str, Any]:
    """Everything of one run of the benchmarks, for the JSON file."""
    return {
        "date": when,
        "mode": mode,
        "machine": machine,
        "measurements": [row for outcome in outcomes for row in outcome.rows()],
        "skipped": [asdict(skip) for skip in skips],
    }


def progress(text: str) -> None:
    """Say what is running, on standard error."""
    print(text, file=sys.stderr, flush=True)
