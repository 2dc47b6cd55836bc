"""Links and other sites: what moves over a disk or a network, for requests and for control."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from sim.engine import layout as lay
from sim.engine.building import NEW_GUEST, Building

UNCAPPED = 2.0  # times a link's bandwidth, the cap of a transfer without one: little enough to be summed with others
FIRST = 1 << 30  # number of the first transfer of control: at one instant they come behind guests, in order


class Linking(Building):
    """The data plane's links, each a pool whose guests are flows."""

    _far: int | None = None
    _flows: int | None = None  # the service that flows are of
    _sites = 0
    _transfers = 0  # of control so far

    def far_pool(self) -> int:
        """The pool of another host, for guests that have moved there: each has min(cap, jobs in service) cores."""
        if self._far is None:
            self._far = self._new_pool(inf, 0.0, inf)
            self.a.pools[self._far]["far"] = 1
        return self._far

    def add_link(self, bandwidth: float) -> int:
        """A disk's direction or a network, of so many bytes/s, for `steps.Move` and `transfer`. Returns its number."""
        link = self._new_pool(bandwidth, 0.0, inf)
        pool_row = self.a.pools[link]
        pool_row["far"], pool_row["link"], pool_row["flow"], pool_row["twin"] = 1, 1, -1, -1
        self._resting[link], self._made[link], self._widest[link] = [], 0, UNCAPPED * bandwidth
        return link

    def add_site(self, links: Mapping[int, float]) -> tuple[int, dict[int, int]]:
        """Another site: its number for `send_away`, and the links that it has for the host's, by their numbers.

        `links`: bandwidth there, bytes/s, of every link of the host.
        """
        self._sites += 1
        twins: dict[int, int] = {}
        for link, bandwidth in links.items():
            last = link
            for _ in range(self._sites - 1):
                last = int(self.a.pools[last]["twin"])
            twins[link] = self.add_link(bandwidth)
            self.a.pools[last]["twin"] = twins[link]
        return self._sites, twins

    def _new_flow(self, link: int, what: int, rate: float) -> int:
        """A guest that is on no list of guests, of a service that is made behind all others there are."""
        if self._flows is None:
            self._flows = self.add_service(routing=lay.RANDOM)
        flow, jobs = self.guests, self._used["job"]
        self.guests += 1
        self._used["job"] += 1
        self.a.grow(guests=self.guests, pending=self.guests, done=self.guests, jobs=jobs + 1)
        self.a.guests[flow] = NEW_GUEST
        guest_row = self.a.guests[flow]
        guest_row["weight"] = 1.0
        guest_row["service"], guest_row["jobs"], guest_row["uid"] = self._flows, jobs, -1
        guest_row["state"], guest_row["flow"], guest_row["levels"] = lay.FREE, what, 1
        guest_row["away"] = 1  # what it is given are no cores of this host
        guest_row["profile"] = self._bands.profile(self.a, link, [rate])
        return flow

    def _more_flows(self, link: int, number: int = 0) -> None:
        """More flows for requests on a link: so many at least, and as many as there are."""
        pool_row = self.a.pools[link]
        for _ in range(max(64, number, int(pool_row["n_flows"]))):
            flow = self._new_flow(link, lay.OF_REQUEST, self._widest[link])
            pool_row = self.a.pools[link]
            self.a.guests[flow]["idle_next"], pool_row["flow"] = pool_row["flow"], flow
            pool_row["n_flows"] += 1
            self._made[link] += 1

    def _room_at_site(self, site: int) -> None:
        """Flows for all that the host's links are moving, on those of another site."""
        for link in [link for link in self._made if self.a.pools[link]["twin"] >= 0]:
            moving = self._made[link] - int(self.a.pools[link]["n_flows"])
            twin = link
            for _ in range(site):
                twin = int(self.a.pools[twin]["twin"])
            if twin >= 0 and int(self.a.pools[twin]["n_flows"]) < moving:
                self._more_flows(twin, moving)

    # transfers of control

    def transfer(self, link: int, size: float, rate: float = inf) -> int:
        """Begin to move `size` bytes over a link at `rate` bytes/s at most; a TRANSFERRED stop of the returned number
        comes at the end. `end_transfer` is due in any case."""
        cap = min(rate, self._widest[link])
        flow = self._resting[link].pop() if self._resting[link] else self._new_flow(link, lay.OF_CONTROL, cap)
        self.a.guests[flow]["uid"] = FIRST + self._transfers
        self._transfers += 1
        self.set_rate(flow, rate)
        self._do(lay.START_FLOW, flow, x=size)
        return flow

    def set_rate(self, flow: int, rate: float) -> None:
        """A transfer moves at most `rate` bytes/s from now on."""
        old = int(self.a.guests[flow]["profile"])
        pool = int(self.a.bands[self.a.profile[old]]["pool"])
        cap = min(rate, self._widest[pool])
        base = self._bands.profile(self.a, pool, [cap])
        if base != old:
            self._do(lay.SET_SHARE, flow, x=1.0, y=cap, i=base, j=1)
        self._bands.forget_member(self.a, old, 1)

    def end_transfer(self, flow: int) -> None:
        """A transfer has ended, or is broken off: its number is free."""
        self._do(lay.STOP_FLOW, flow)
        pool = int(self.a.bands[self.a.profile[int(self.a.guests[flow]["profile"])]]["pool"])
        self._resting[pool].append(flow)
