"""What became of the requests: counts and response times of each service, and every row to whoever keeps them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.layout import COMPLETED
from sim.engine.tally import Tally
from sim.model.world import World
from sim.terms.records import RequestTally, Times

Sink = Callable[[dict[str, NDArray[Any]], Sequence[str], Sequence[str]], None]
COLUMNS = ("service", "guest", "status", "arrival", "demand", "start", "finish")


class RequestLog:
    """Requests of `services` (names by number). `sink` is given copies of the rows as columns, with `guests`' names."""

    def __init__(self, world: World, services: Sequence[str], sink: Sink | None, guests: Sequence[str]) -> None:
        self._plane = world.plane
        self._services, self._sink, self._guests = list(services), sink, guests
        self._answered = np.full(len(services), nan)  # time of each service's first completed request, s
        self._unanswered = len(services)
        self._tally = Tally(len(services), world.warmup)
        world.signals.requests_ended.connect(self._ended)

    def _ended(self, rows: NDArray[Any]) -> None:
        self._tally.add(rows)
        if self._unanswered:
            self._note_answers(rows)
        if self._sink is not None:
            columns = {name: rows[name].copy() for name in COLUMNS}
            self._sink(columns | {"request": rows["number"].copy()}, self._services, self._guests)

    def _note_answers(self, rows: NDArray[Any]) -> None:
        """Note the first completed request of every service that had none; rows come in order of their end."""
        done = rows[rows["status"] == COMPLETED]
        for service in np.unique(done["service"]).tolist():
            if np.isnan(self._answered[service]):
                self._answered[service] = done["finish"][done["service"] == service].min()
                self._unanswered -= 1

    def first_answers(self) -> dict[str, float]:
        """Time of the first completed request, s, of the services that have one."""
        return {name: at for name, at in zip(self._services, self._answered.tolist(), strict=True) if not np.isnan(at)}

    def tallies(self, outside: Sequence[bool]) -> dict[str, RequestTally]:
        """The tally of each service that has users (`outside`) or is called; what came is counted by the kernel."""
        tallies, samples, plane = {}, self._tally.samples(), self._plane
        for i, name in enumerate(self._services):
            calls, (known, parts) = plane.calls(i), plane.parts(i)
            if not outside[i] and not calls:
                continue
            completed, rejected, timed_out, failed, in_flight = self._tally.counts[i].tolist()
            total, waiting, starts = self._tally.sums[i].tolist()
            values, edges, counts = samples[i]
            tallies[name] = RequestTally(
                arrived=plane.measured(i),
                completed=completed,
                rejected=rejected,
                timed_out=timed_out,
                failed=failed,
                in_flight=in_flight,
                response=Times(completed, total, values, edges, counts),
                waiting_sum=waiting,
                waiting_count=int(starts),
                calls=calls,
                outside=outside[i],
                parts=parts if known else {},
            )
        return tallies
