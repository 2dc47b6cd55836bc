"""The traffic of a scenario: every request's arrival, demand and routing numbers, drawn in blocks.

Streams (see :mod:`sim.model.chance.streams`): ``arrivals/<service>/<source>`` for when,
``states/<service>/<source>`` for the states of an mmpp, ``demand/<service>`` for how much in the order of
arrival, ``routing/<service>`` and ``routing/<service>/second`` for where. A closed source (constant-vus) has
its own: ``think/<service>/<source>``, ``demand/<service>/<source>``, ``routing/<service>/<source>``.

Nothing depends on the size of the blocks: the merged sequence is the same, bit for bit, however it is asked
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sim import registry
from sim.model.chance.sampling import Sampler, sampler
from sim.model.chance.streams import generator
from sim.model.traffic.merging import Feed, Feeds, MergedProcess, order_of
from sim.model.traffic.processes import Block, EvenProcess, PoissonProcess, Process, TraceProcess, replay
from sim.model.traffic.rates import FlatRate, MarkovModulatedRate, PiecewiseLinearRate, Rate, SineRate
from sim.scenario import ConstantRate, ConstantUsers, Diurnal, Mmpp, RampingRate, Service, Source, Trace
from sim.terms.records import Array

Integers = NDArray[np.int32]

#: Rows of a chunk unless told: half a megabyte of columns, which stay in a second-level cache.
TARGET_ROWS = 16_384
#: Rows of a window merged from several services, at least and for each service, so that the calls made
#: for each service in a window (about 10 us) cost little a row.
_WINDOW_ROWS = 65_536
_ROWS_A_SERVICE = 512


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests in the order of arrival; at equal times in the order of the services.

    ``time`` f8[n] [s]; ``service`` i4[n], index into the list of services; ``demand`` f8[n] [core-s before
    the platform's overhead]; ``u1`` and ``u2`` f8[n] in [0, 1) for routing, 0 where the service's rule does
    not need them. The arrays are views: read them, and don't write.
    """

    time: Array
    service: Integers
    demand: Array
    u1: Array
    u2: Array

    def __len__(self) -> int:
        """Return the number of requests."""
        return self.time.size

    def __getitem__(self, part: slice) -> Arrivals:
        """Return some of the requests, as views."""
        return Arrivals(self.time[part], self.service[part], self.demand[part], self.u1[part], self.u2[part])


class _Requests:
    """What the requests of one service, or of one closed source of it, draw besides their arrival."""

    def __init__(self, service: Service, seed: int, replication: int, owner: str) -> None:
        self._demand: Sampler | None = None if service.plain is None else sampler(service.plain)
        self._demands = generator(seed, replication, f"demand/{owner}")
        self.first = self.second = None
        if service.routing in ("random", "power-of-two"):
            self.first = generator(seed, replication, f"routing/{owner}")
        if service.routing == "power-of-two":
            self.second = generator(seed, replication, f"routing/{owner}/second")

    def demand(self, n: int, recorded: Array | None = None) -> Array:
        if self._demand is None:
            return np.zeros(n)  # the data plane draws what the steps of a program take
        drawn = self._demand(self._demands, n)
        return drawn if recorded is None else np.where(np.isnan(recorded), drawn, recorded)


class _Constants:
    """Columns of one value, shared by all chunks."""

    def __init__(self) -> None:
        self._zeros = np.zeros(0)
        self._services = np.zeros(0, dtype=np.int32)

    def zeros(self, n: int) -> Array:
        if self._zeros.size < n:
            self._zeros = np.zeros(n)
        return self._zeros[:n]

    def services(self, index: int, n: int) -> Integers:
        if self._services.size < n or self._services[0] != index:
            self._services = np.full(n, index, dtype=np.int32)
        return self._services[:n]


class ArrivalStream:
    """All open arrivals of a scenario in a replication, in the order of time, in chunks.

    Memory is constant in the number of requests; a scenario's platforms all meet the same stream.
    """

    def __init__(self, services: Sequence[tuple[str, Service]], seed: int, replication: int, duration: float) -> None:
        """Take the services (``Scenario.expanded()``), the seeds, and the end of the simulation [s].

        Raises ``ValueError`` or ``OSError`` for a trace that cannot be read
        (:func:`sim.reading.recording.read_recording`).
        """
        self._constants = _Constants()
        self._index: list[int] = []
        self._requests: list[_Requests] = []
        feeds: list[Feed] = []
        begins = first_rows(service for _, service in services)
        for index, (name, service) in enumerate(services):
            processes = _open_processes(name, service, seed, replication, duration, begins)
            if processes:
                one = processes[0] if len(processes) == 1 else MergedProcess(processes, duration)
                self._index.append(index)
                self._requests.append(_Requests(service, seed, replication, name))
                feeds.append(Feed(one, duration))
        self._least = max(_WINDOW_ROWS, _ROWS_A_SERVICE * len(feeds))
        self._single = feeds[0] if len(feeds) == 1 else None
        self._feeds = Feeds(feeds, self._least)
        self._window: Arrivals | None = None
        self._given = 0

    def next_chunk(self, target_rows: int = TARGET_ROWS) -> Arrivals | None:
        """Return the next requests, ``target_rows`` of them at most and 1 at least; None after the last one.

        Raises ``ValueError`` if ``target_rows`` is not positive.
        """
        if target_rows < 1:
            raise ValueError(f"target_rows must be at least 1, found {target_rows}")
        if self._single is not None:
            return self._next_of(self._single, target_rows)
        if self._window is None or self._given == len(self._window):
            self._window, self._given = self._merged(max(target_rows, self._least)), 0
        if self._window is None:
            return None
        start = self._given
        self._given = min(start + target_rows, len(self._window))
        return self._window[start : self._given]

    def _next_of(self, feed: Feed, rows: int) -> Arrivals | None:
        feed.look(rows)
        feed.fill()
        block = feed.pop(np.inf)
        n = block.time.size
        if n == 0:
            return None
        requests, zeros = self._requests[0], self._constants.zeros(n)
        return Arrivals(
            np.require(block.time, requirements="W"),  # one type of array for compiled code
            self._constants.services(self._index[0], n),
            requests.demand(n, block.demand),
            zeros if requests.first is None else requests.first.random(n),
            zeros if requests.second is None else requests.second.random(n),
        )

    def _merged(self, rows: int) -> Arrivals | None:
        blocks = self._feeds.round(rows)
        columns = zip(self._index, self._requests, blocks, strict=True)
        parts = [(index, requests, block) for index, requests, block in columns if block.time.size]
        if not parts:
            return None
        time = np.concatenate([block.time for _, _, block in parts])
        sizes = [block.time.size for _, _, block in parts]
        order = order_of(time, len(parts))
        demand = np.concatenate([requests.demand(b.time.size, b.demand) for _, requests, b in parts])
        service = np.repeat(np.array([index for index, _, _ in parts], dtype=np.int32), sizes)
        first = self._uniforms([requests.first for _, requests, _ in parts], sizes, order)
        second = self._uniforms([requests.second for _, requests, _ in parts], sizes, order)
        return Arrivals(time[order], service[order], demand[order], first, second)

    def _uniforms(
        self, streams: Sequence[np.random.Generator | None], sizes: Sequence[int], order: NDArray[np.intp]
    ) -> Array:
        if all(stream is None for stream in streams):
            return self._constants.zeros(order.size)
        drawn = [np.zeros(n) if s is None else s.random(n) for s, n in zip(streams, sizes, strict=True)]
        return np.concatenate(drawn)[order]


@dataclass(frozen=True, slots=True)
class Cycles:
    """What n turns of closed-loop users draw: ``think`` f8[n] [s] before the request, and its columns."""

    think: Array
    demand: Array
    u1: Array
    u2: Array


class ClosedSource:
    """A closed source: ``vus`` users who each think, send a request, wait for its end, and start again.

    The k-th request of the source, whoever sends it, has the k-th draws.
    """

    def __init__(
        self, index: int, owner: str, service: Service, users: ConstantUsers, seed: int, replication: int
    ) -> None:
        """Take the service and its index, the source, and its ``<service>/<position in the traffic>``."""
        self.service = index
        self.vus, self.pause = users.vus, users.after_rejection
        self._think = sampler(users.think_time)
        self._thinks = generator(seed, replication, f"think/{owner}")
        self._requests = _Requests(service, seed, replication, owner)

    def draw(self, n: int) -> Cycles:
        """Return the draws of the next n turns."""
        requests = self._requests
        return Cycles(
            self._think(self._thinks, n),
            requests.demand(n),
            np.zeros(n) if requests.first is None else requests.first.random(n),
            np.zeros(n) if requests.second is None else requests.second.random(n),
        )


def closed_sources(services: Sequence[tuple[str, Service]], seed: int, replication: int) -> list[ClosedSource]:
    """Return the closed sources of a scenario, in the order of the services and of their traffic."""
    return [
        ClosedSource(index, f"{name}/{position}", service, source, seed, replication)
        for index, (name, service) in enumerate(services)
        for position, source in enumerate(service.traffic)
        if isinstance(source, ConstantUsers)
    ]


def first_rows(services: Iterable[Service]) -> dict[bool, Fraction]:
    """Return when the first row of all recordings was [s]: of those with dates (True), and of the others."""
    begins: dict[bool, Fraction] = {}
    for source in (source for service in services for source in service.traffic if isinstance(source, Trace)):
        recording = source.recording()
        if recording.times.size:
            begins[recording.dated] = min(recording.first, begins.get(recording.dated, recording.first))
    return begins


def _open_processes(
    name: str, service: Service, seed: int, replication: int, duration: float, begins: Mapping[bool, Fraction]
) -> list[Process]:
    """Return the processes of a service's open sources; streams are named by the place in the traffic."""
    processes = (
        _process(source, f"{name}/{position}", seed, replication, duration, begins)
        for position, source in enumerate(service.traffic)
    )
    return [process for process in processes if process is not None]


def _process(
    source: Source, owner: str, seed: int, replication: int, duration: float, begins: Mapping[bool, Fraction]
) -> Process | None:
    rate: Rate
    first = 1
    match source:
        case ConstantUsers():
            return None
        case Trace():
            recording = source.recording()
            offset = float(recording.first - begins.get(recording.dated, recording.first))
            stream = generator(seed, replication, f"trace/{owner}")
            return TraceProcess(replay(recording, source, offset, stream, duration))
        case ConstantRate():
            rate, first = FlatRate(source.rate), 0
        case RampingRate():
            stages = [(stage.duration, stage.target) for stage in source.stages]
            rate = PiecewiseLinearRate.of_stages(source.start, stages)
        case Diurnal():
            rate = SineRate(source.mean, source.peak, source.period, source.phase)
        case Mmpp():
            states = [(state.rate, state.mean_duration) for state in source.states]
            rate = MarkovModulatedRate(states, generator(seed, replication, f"states/{owner}"), duration)
        case _:
            return TraceProcess(_drawn(source, owner, generator(seed, replication, f"arrivals/{owner}"), duration))
    if isinstance(source, ConstantRate | RampingRate) and source.arrivals == "even":
        return EvenProcess(rate, first)
    return PoissonProcess(rate, generator(seed, replication, f"arrivals/{owner}"))


def _drawn(source: Source, owner: str, stream: np.random.Generator, duration: float) -> Block:
    """Return the arrivals of a source from outside (`registry.ArrivalTimes`), all at once.

    Raises ``registry.PluginError`` for what is not ascending times from 0 on.
    """
    times = np.array(registry.behaviour("traffic", source.kind)(stream, duration, source), dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(np.diff(times, prepend=0.0) < 0.0):
        raise registry.PluginError(f"traffic {source.kind} of {owner}: its arrivals are not ascending times from 0 on")
    return Block(times)
