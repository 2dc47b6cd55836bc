"""What a machine's bytes go over: the disk's two directions and the NIC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.model.host.bandwidth import Link, PlaneLink, SharedBandwidth
from sim.model.world import World
from sim.scenario.amounts import LinkName, links_used


@dataclass(frozen=True)
class Links:
    """The disk's two directions and the NIC; VMs share the host's. `sync`: s until a small write is safe on disk.

    `shared`: numbers in the data plane of those that requests use, by name.
    """

    read: Link
    write: Link
    nic: Link
    sync: float
    shared: Mapping[LinkName, int]


def links_of(world: World, network: float, at: Mapping[LinkName, int]) -> Links:
    """A disk and a registry like the scenario's host has them, and a NIC of `network` bytes/s.

    `at`: numbers in the data plane of those that requests move bytes over.
    """
    host = world.scenario.host
    groups = {} if host.registry is None else {"registry": host.registry}

    def link(name: LinkName, capacity: float, groups: dict[str, float] | None = None) -> Link:
        if name in at:
            return PlaneLink(world.env, at[name], capacity, groups)
        return SharedBandwidth(world.env, capacity, groups)

    read, write = link("read", host.disk.read), link("write", host.disk.write)
    return Links(read, write, link("network", network, groups), host.disk.sync, at)


def bandwidths(world: World, network: float) -> dict[LinkName, float]:
    """Of the links that requests of the scenario move bytes over, bytes/s."""
    disk = world.scenario.host.disk
    there: dict[LinkName, float] = {"read": disk.read, "write": disk.write, "network": network}
    used = links_used(steps for service in world.scenario.services.values() for _, steps in service.programs)
    return {name: bandwidth for name, bandwidth in there.items() if name in used}
