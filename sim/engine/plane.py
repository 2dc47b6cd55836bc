"""The data plane: owner of the kernel's arrays, and the only thing that control sees of it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.engine import layout as lay
from sim.engine.building import Quota
from sim.engine.links import Linking
from sim.engine.steps import PARTS

MOST_REFILLS = 1_000_000  # of what the kernel runs out of, before it goes on


class Stop(NamedTuple):
    """Why the data plane halted before the asked time: `reason` as in `layout`, `subject` a guest or service."""

    reason: int
    time: float
    subject: int


class Standstill(RuntimeError):
    """Time does not move on, whatever happens: the message says where, and what keeps happening."""


class Totals(NamedTuple):
    """As in `sample_dtype`, at a moment or (arrays) at several: core-s and requests so far, bytes and guests now."""

    work: Any
    memory: Any
    unused: Any
    arrived: Any
    completed: Any
    in_flight: Any
    ready: Any


class DataPlane(Linking):
    """Guests that serve requests and start-up work on shared cores, advanced from event to event.

    `source` gives the next chunk of arrivals, sorted by time, or None at the end;
    `sink` is given the rows (`layout.out_dtype`) of requests that have ended, and must copy what it keeps.
    `cores` may be handed out; requests arriving from `measure_from` (s) on are counted as measured.
    """

    def start_task(self, guest: int, work: float, kind: int, threads: int = 1) -> None:
        """CPU work (core-seconds) in equal threads for a guest without requests; ends with a TASK_DONE stop."""
        self._do(lay.START_TASK, guest, x=work, i=kind, j=threads)

    def open(self, guest: int) -> None:
        """The guest is ready to serve."""
        service = int(self.a.guests[guest]["service"])
        self._room(int(self.a.services[service]["waiting"]) + int(self.a.guests[guest]["waiting"]) + 2, service)
        n = int(self.a.services[service]["n_ready"])
        self._ready_room(service, n + 1)
        base = int(self.a.services[service]["ready"])
        row = self.a.ready[base : base + n + 1]
        i = n
        if n and self.uid(int(row[n - 1])) > self.uid(guest):
            i = bisect_left(row[:n], self.uid(guest), key=lambda other: self.uid(int(other)))
        row[i + 1 :] = row[i:n].copy()
        row[i] = guest
        self.a.services[service]["n_ready"] = n + 1
        self._do(lay.OPEN_GUEST, guest)

    def _unlist(self, guest: int) -> None:
        if int(self.a.guests[guest]["state"]) != lay.READY:
            return
        service_row = self.a.services[int(self.a.guests[guest]["service"])]
        base, n = int(service_row["ready"]), int(service_row["n_ready"])
        row = self.a.ready[base : base + n]
        i = int(np.flatnonzero(row == guest)[0])
        row[i : n - 1] = row[i + 1 :].copy()
        service_row["n_ready"] = n - 1

    def drain(self, guest: int) -> bool:
        """Route nothing more to the guest. True if it is empty; else a DRAINED stop comes when it is."""
        self._unlist(guest)
        return bool(self._do(lay.CLOSE_GUEST, guest))

    def kill(self, guest: int) -> None:
        """The guest's process dies: what it holds fails; it stays on the host in state STARTING."""
        self._unlist(guest)
        guest_row = self.a.guests[guest]
        self._room(int(guest_row["waiting"]) + int(guest_row["serving"]) + 2, int(guest_row["service"]))
        self._do(lay.KILL_GUEST, guest)

    def remove(self, guest: int) -> None:
        """The guest leaves the host (whatever it still held fails)."""
        self.kill(guest)
        self.set_memory(guest, 0.0)
        self.promise(guest, 0.0)
        guest_row = self.a.guests[guest]
        if int(guest_row["leaf"]) >= 0:
            self.a.leaf[int(self.a.services[int(guest_row["service"])]["tree"]) + int(guest_row["leaf"])] = -1
        levels = int(guest_row["levels"]) + int(guest_row["start_levels"])
        self._bands.forget_member(self.a, int(guest_row["profile"]), levels)
        self._do(lay.RELEASE_GUEST, guest)
        self._speed.pop(guest, None)
        self._spare[int(guest_row["service"])].append(guest)

    def bind(self, guest: int) -> None:
        """Answer a NEED_GUEST stop: the request goes to `guest`, with -1 to the backlog."""
        self._do(lay.BIND, guest)

    def pause(self, guest: int, paused: bool) -> None:
        """Stop or resume a guest's CPU."""
        self._do(lay.SET_PAUSED, guest, i=paused)

    def resize(self, guest: int, weight: float, cap: float, quota: Quota | None = None) -> None:
        """Change a guest's CPU weight, cap and limit by period while it runs, within its pool."""
        guest_row = self.a.guests[guest]
        if quota is not None or guest_row["limited"]:
            fresh = guest >= len(self.a.quotas) or self.a.quotas[guest]["period"] == 0.0
            self._limit(guest, quota, fresh=bool(fresh))
        pool = int(self.a.bands[self.a.profile[int(guest_row["profile"])]]["pool"])
        self._share(guest, weight, cap, pool)

    def slow(self, guest: int, speed: float) -> None:
        """Each job of the guest asks for `speed` cores from now on (0 < speed <= 1)."""
        if speed == self._speed.get(guest, 1.0):
            return
        self._speed[guest] = speed
        guest_row = self.a.guests[guest]
        pool = int(self.a.bands[self.a.profile[int(guest_row["profile"])]]["pool"])
        self._share(guest, float(guest_row["weight"]), float(guest_row["cap"]), pool)

    def _share(self, guest: int, weight: float, cap: float, pool: int) -> None:
        guest_row = self.a.guests[guest]
        kept = {name: guest_row[name].item() for name in ("profile", "levels", "start_levels")}
        old = self._profile(guest, weight, cap, pool)
        base, levels = int(guest_row["profile"]), int(guest_row["levels"])
        guest_row["profile"], guest_row["levels"] = kept["profile"], kept["levels"]  # until it has left its band
        self._do(lay.SET_SHARE, guest, x=weight, y=cap, i=base, j=levels)
        self._bands.forget_member(self.a, *old)

    def set_memory(self, guest: int, amount: float, max_serving: int = lay.UNBOUNDED) -> None:
        """Charge `amount` bytes for the guest; more than `max_serving` requests in service are too much for it."""
        self._do(lay.SET_MEMORY, guest, x=amount, i=max_serving)

    def promise(self, guest: int, amount: float) -> None:
        """Note that admission holds `amount` bytes for the guest (for `Totals.unused`)."""
        self.a.guests[guest]["promised"] = amount

    def send_away(self, guest: int, site: int = 0) -> None:
        """The guest runs on another host from now on: in `far_pool`, and nothing of it is charged here.

        `site`: of `add_site`, whose links its requests use (0: this host's).
        """
        self._room_at_site(site)
        self._do(lay.SEND_AWAY, guest, i=site)
        guest_row = self.a.guests[guest]
        self._share(guest, float(guest_row["weight"]), float(guest_row["cap"]), self.far_pool())

    def charge_host(self, amount: float) -> None:
        """Charge (or give back) `amount` bytes that belong to no guest: daemons, page cache."""
        self._do(lay.CHARGE_HOST, x=amount)

    def set_capacity(self, cores: float, pool: int = 0) -> None:
        """Change the cores that a pool (0: the host) may hand out."""
        cores = max(cores, 0.0)
        if cores != self.a.pools[pool]["cap"]:
            self._do(lay.SET_CAPACITY, pool, x=cores)

    # running

    @property
    def next(self) -> float:
        """Nothing happens in the data plane before this time (a lower bound, s)."""
        return float(self._state["next"])

    def advance(self, until: float) -> Stop | None:
        """Run up to and including `until` (s). None when it got there, else the stop that control must see.

        A stop must be answered before this is called again. Raises Standstill when no progress is made.
        """
        for _ in range(MOST_REFILLS):
            reason = self._do(lay.ADVANCE, x=until)
            if reason == lay.REACHED:
                self.now = until
                return None
            if (stop := self._stopped(reason)) is not None:
                return stop
        raise self._standstill()

    def sample_at(self, times: npt.NDArray[np.float64]) -> None:
        """Samples are to be taken at these times (s, ascending), by `sample_on`."""
        self.a.put("sample_time", times)
        self.a.grow(sample=len(times))

    def sample_on(self, first: int, count: int) -> tuple[int, Stop | None]:
        """Go on to each of `count` times of `sample_at` from number `first` on, and take its sample.

        Returns how many were taken, and the stop (see `advance`) that came before the next.
        """
        done, self._sampled = 0, self.services  # the width of a row; the first link may add a service meanwhile
        self.a.grow(sample_work=len(self.a.sample) * self.services)
        for _ in range(MOST_REFILLS):
            reason = self._do(lay.SAMPLE_ON, first + done, i=self.guests, j=self._sampled, x=float(count - done))
            done += int(self._state["sampled"])
            if done:
                self.now = float(self.a.sample_time[first + done - 1])
            if reason == lay.REACHED:
                return done, None
            if (stop := self._stopped(reason)) is not None:
                return done, stop
        raise self._standstill()

    def samples(self, first: int, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        """Rows of `layout.sample_dtype` from number `first` on, and core-s by service, shape (count, services)."""
        wide = self._sampled
        work = self.a.sample_work[first * wide : (first + count) * wide].reshape(count, -1)
        flows = self._flows if self._flows is not None and self._flows < wide else None
        there = work.copy() if flows is None else np.delete(work, flows, axis=1)
        return self.a.sample[first : first + count].copy(), there

    def _stopped(self, reason: int) -> Stop | None:
        """The stop that this is for control, or None once the kernel has been given what it ran out of."""
        if reason < 0:
            raise RuntimeError(f"the compiled kernel failed at {float(self._state['now']):g} s")
        if reason < lay.STANDSTILL:
            self.now = float(self._state["now"])
            self._state["next"] = self.now
            return Stop(reason, self.now, int(self._state["subject"]))
        if reason == lay.STANDSTILL:
            raise self._standstill()
        self._provide(reason)
        return None

    def _standstill(self) -> Standstill:
        state = self._state
        what = f"the clients of service {self._names[int(state['subject'])]} keep sending requests that take no time"
        return Standstill(f"time stands still at {float(state['now']):g} s: {what}")

    def _provide(self, reason: int) -> None:
        """Give the kernel what it ran out of."""
        state = self._state
        if reason == lay.NEED_ARRIVALS:
            chunk = self._source()
            if chunk is None:
                state["exhausted"] = 1
            else:
                for name in ("time", "service", "demand", "u1", "u2"):
                    self.a.put(f"arrival_{name}", getattr(chunk, name))
                state["arrival"], state["arrivals"] = 0, len(chunk.time)
        elif reason == lay.NEED_ROOM:
            self._room(int(state["room"]), -1)
        elif reason == lay.NEED_SLOTS:
            n = len(self.a.requests)
            self.a.grow(requests=2 * n)
            self._do(lay.FREE_SLOTS, i=n, j=2 * n)
            if self._width:
                self._room_for_acts()
        elif reason == lay.NEED_ALARMS:
            self.a.grow(alarms=2 * len(self.a.alarms))
        elif reason == lay.NEED_FLOWS:
            self._more_flows(int(state["subject"]))
        else:
            self._refill(int(state["subject"]))

    def _room(self, rows: int, service: int) -> None:
        """Make room for `rows` finished requests (and, for a closed loop, for its clients' next thoughts)."""
        if int(self._state["out"]) + rows > len(self.a.out):
            self.flush()
            self.a.grow(out=2 * rows)
        if service >= 0:
            first = int(self.a.services[service]["loops"])
            for loop in range(first, first + int(self.a.services[service]["n_loops"])):
                self._refill(loop)

    def flush(self) -> None:
        """Hand all rows of ended requests to the sink."""
        state = self._state
        n = int(state["out"])
        if n:
            self._sink(self.a.out[:n])
            state["out"] = 0

    def work(self, service: int) -> tuple[float, float, float]:
        """This host's CPU given to a service up to the last `book`: requests, boots, application starts (core-s)."""
        service_row = self.a.services[service]
        return float(service_row["work_request"]), float(service_row["work_boot"]), float(service_row["work_start"])

    def parts(self, service: int) -> tuple[int, dict[str, float]]:
        """Completed requests with programs of the measured span, and where their responses' seconds went, summed.

        By `steps.PARTS`, and `waiting` for the start of service.
        """
        n = lay.CALLS + 3
        row = self.a.service_spent[service * n : (service + 1) * n]
        if len(row) < n:
            return 0, {}
        return int(row[-1]), dict(zip((*PARTS, "waiting"), row[:-1].tolist(), strict=True))

    def calls(self, service: int) -> int:
        """Requests of the measured span that other services made."""
        return int(self.a.services[service]["measured_calls"])

    def lacked(self, service: int) -> float:
        """Core-s that a service's guests could have used up to the last `book` and were not given."""
        return float(self.a.services[service]["lacked"])

    def stillness(self, service: int) -> tuple[int, int, float]:
        """Of a service's guests with a quota, up to the last `book`: periods ended, those at a standstill, s of it."""
        row = self.a.services[service]
        return int(row["periods"]), int(row["still_periods"]), float(row["still_time"])

    def work_away(self, service: int) -> float:
        """CPU for requests given to a service's guests on another host up to the last `book` (core-s)."""
        return float(self.a.services[service]["work_away"])

    def work_by_service(self) -> npt.NDArray[np.float64]:
        """CPU of this host given to the guests of each service up to the last `book`, core-s, shape (services,)."""
        rows = self.a.services[: self.services]
        total: npt.NDArray[np.float64] = rows["work_request"] + rows["work_boot"] + rows["work_start"]
        return total if self._flows is None else np.delete(total, self._flows)  # transfers are a service of their own

    @property
    def memory_used(self) -> float:
        """Bytes in use on the host."""
        return float(self._state["memory"])

    def memory_peak(self) -> float:
        """Most bytes in use at once since this was last asked."""
        peak = float(self._state["memory_peak"])
        self._state["memory_peak"] = self._state["memory"]
        return peak

    def pool_memory(self, pool: int) -> float:
        """Bytes in use of a pool (index 1 and up)."""
        return float(self.a.pools[pool]["memory"])

    @property
    def memory_integral(self) -> float:
        """Byte-seconds up to the last `book`."""
        return float(self._state["memory_integral"])

    def serving(self) -> npt.NDArray[np.int32]:
        """Requests in service of each guest slot."""
        column: npt.NDArray[np.int32] = self.a.guests["serving"]
        return column

    def busy(self) -> npt.NDArray[np.int32]:
        """Jobs of each guest slot that have CPU work to do: requests, their branches, threads of a start."""
        column: npt.NDArray[np.int32] = self.a.guests["busy"]
        return column

    def arrived(self, service: int) -> int:
        """Requests of a service that have arrived so far."""
        return int(self.a.services[service]["arrived"])

    def measured(self, service: int) -> int:
        """Requests of a service that arrived in the measured span, as the kernel counted them."""
        return int(self.a.services[service]["measured"])

    def ready(self, service: int) -> int:
        """Guests of a service that are ready."""
        return int(self.a.services[service]["n_ready"])

    def backlog(self, service: int) -> int:
        """Requests that wait at a service, and at none of its guests."""
        return int(self.a.services[service]["waiting"])

    def in_flight(self, service: int) -> int:
        """Requests of a service that have arrived and not ended."""
        return int(self.a.services[service]["in_flight"])

    def idle_since(self, guest: int) -> float | None:
        """When the guest had its last request (or became ready), s; None while it has one."""
        guest_row = self.a.guests[guest]
        return float(guest_row["idle_since"]) if guest_row["idle"] else None

    def watch(self, guest: int) -> None:
        """A BECAME_IDLE stop comes when the guest, which has requests now, has none any more."""
        self.a.guests[guest]["watched"] = 1

    def book(self) -> None:
        """Bring the sums of work and memory up to `now`."""
        self._do(lay.BOOK_WORK)

    def sample(self) -> Totals:
        """Bring the sums of work and memory up to `now`, and add up what the timeline shows."""
        self.a.grow(sample_work=self.services)
        self._do(lay.TAKE_SAMPLE, 0, i=self.guests, j=self.services)
        return Totals(*self.a.sample[0].tolist()[: len(Totals._fields)])

    def end(self) -> None:
        """End of the run: every request still in the house is written as in flight (or timed out)."""
        self.book()
        rows = int(self._state["in_flight"])
        if rows + int(self._state["out"]) + 2 > len(self.a.out):
            self.flush()
            self.a.grow(out=rows + 2)
        self._do(lay.END_RUN, i=self.guests, j=self.services)
        self.flush()
