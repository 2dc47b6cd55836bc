"""One tenant of a stack: services whose replicas are admitted together or not at all (docs/model.md, Stacks)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.model.guests.service import ServiceRun
from sim.model.guests.waiting import Again, Attempt
from sim.model.host.machine import Host
from sim.model.world import World


class Whole:
    """Services that wait until there is room for the replicas that each of them is to begin with.

    One refusal is told for all of them, with the limit that binds. What their autoscalers add later is admitted one
    by one, as for any other service.
    """

    def __init__(self, world: World, host: Host, services: Sequence[ServiceRun], wait: Callable[[Again], None]) -> None:
        self._world, self._host, self.services, self._wait = world, host, services, wait
        self._told = False
        for service in services:
            service.hold_back()

    def ask(self) -> None:
        """Be placed now, or wait."""
        if not self.place().started:
            self._wait(self.place)

    def place(self) -> Attempt:
        """Start all, if there is room for all."""
        wanted = [(service, min(service.pending, max(service.spec.least, 1))) for service in self.services]
        claims = [service.claim for service, number in wanted for _ in range(number)]
        why = self._host.refusal_of_all(claims) if claims else None
        if why is not None:
            self._tell(why)
            return Attempt(False, True)
        for service in self.services:
            service.let_go()
        rounds = max((number for _, number in wanted), default=0)
        for turn in range(rounds):
            for service, number in wanted:
                if turn < number:
                    service.start_pending()
        for service in self.services:
            if service.pending:  # asked for meanwhile, beyond what it begins with
                self._wait(service.start_pending)
        return Attempt(True, False)

    def _tell(self, why: str) -> None:
        """The first refusal is told, as that of a replica is."""
        if self._told:
            return
        self._told = True
        names = " + ".join(service.name for service in self.services)
        self._world.signals.start_refused.fire(names, why, self._host.down)
