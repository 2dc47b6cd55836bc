"""All guests of a run, whichever service they are of."""

from __future__ import annotations

from collections.abc import Sequence

from sim.model.guests import programs
from sim.model.guests.guest import Guest
from sim.model.guests.service import ServiceRun
from sim.model.guests.waiting import WaitingRoom
from sim.model.guests.whole import Whole
from sim.model.host.machine import Host
from sim.model.world import World
from sim.scenario import Service


class Fleet:
    """The services on a host, by their number in the data plane, and the waiting room for what does not fit."""

    def __init__(self, world: World, host: Host) -> None:
        waiting, stops = WaitingRoom(), world.stream("stop")
        self.services: Sequence[ServiceRun] = [
            ServiceRun(world, host, name, _this_run(world, name, spec), stops, waiting.wait)
            for name, spec in world.scenario.expanded()
        ]
        programs.begin(world, self.services, host.links.shared)
        named = {service.name: service for service in self.services}
        self.wholes = [
            Whole(world, host, [named[name] for name in names], waiting.wait) for names in world.scenario.placed_whole()
        ]
        world.signals.room_freed.connect(waiting.retry)

    def of(self, guest: Guest) -> ServiceRun:
        """The service that a guest is a replica of."""
        return self.services[guest.recipe.index]

    def at(self, slot: int) -> Guest | None:
        """The guest that has this slot of the data plane now, if one has."""
        return next((guest for service in self.services if (guest := service.roster.at(slot)) is not None), None)

    def called(self, name: str | None) -> list[ServiceRun]:
        """The services that `name` means (see `ServiceRun.is_called`)."""
        return [service for service in self.services if service.is_called(name)]

    def present(self) -> list[Guest]:
        """All guests on the host, also those that drain."""
        return [guest for service in self.services for guest in service.roster.present()]


def _this_run(world: World, name: str, spec: Service) -> Service:
    """The service with the memory that it needs in this run: `spread` is drawn once for all its replicas."""
    memory = spec.memory
    if memory.spread == 0.0:
        return spec
    whole = next((each for each in world.scenario.services if name in world.scenario.names_of(each)), name)
    factor = 1.0 + memory.spread * (2.0 * float(world.stream(f"memory/{whole}").random()) - 1.0)
    here = {"base": factor * memory.base, "per_request": factor * memory.per_request}
    return spec.model_copy(update={"memory": memory.model_copy(update=here)})
