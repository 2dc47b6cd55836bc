"""The two named policies of allocation: what a guest of a size is promised, and what bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import NamedTuple

from sim.platforms import Platform
from sim.scenario import Scenario, Size
from sim.scenario.node import Node


@dataclass(frozen=True)
class PeriodLimit:
    """A limit of `limit` cores by periods of `period` s; `burst` core-s at most are kept from unused budgets.

    `extra`: core-s on top of each job of a request, for threads that the limit cannot run at once.
    """

    limit: float
    period: float
    burst: float
    extra: float = 0.0


@dataclass(frozen=True)
class Share:
    """One replica's claim. CPU in cores, memory in bytes.

    `weight` and `cap` rule its CPU, and `quota` where its limit is enforced by periods; `cpu` and `memory` are held by
    admission; an application that needs more than `application` bytes is killed; `resident` bytes are in use before the
    application starts, `outside` of them beside its RAM; `ram` is a VM's.
    """

    weight: float
    cap: float
    cpu: float
    memory: float
    application: float
    resident: float
    ram: float
    score: int  # oom_score_adj
    guests: int = 1  # pods and addresses that it takes; 0 for a claim on more of what a guest has
    pids: int = 1
    quota: PeriodLimit | None = None
    outside: float = 0.0


class Claim(NamedTuple):
    """What a replica that is to start asks for: its share, bytes of disk, the parts of its image with their bytes."""

    share: Share
    disk: float
    parts: list[tuple[str, float]]


def together(claims: Sequence[Claim]) -> Claim:
    """Several claims on one machine as one: what admission holds adds up, a part of an image is there once."""
    first = claims[0].share
    cpu, memory = sum(each.share.cpu for each in claims), sum(each.share.memory for each in claims)
    parts = dict(part for each in claims for part in each.parts)
    guests, pids = sum(each.share.guests for each in claims), sum(each.share.pids for each in claims)
    whole = replace(first, cpu=cpu, memory=memory, guests=guests, pids=pids)
    return Claim(whole, sum(each.disk for each in claims), list(parts.items()))


def vm_share(platform: Platform, vcpus: float, ram: float) -> Share:
    """What a VM of a pool holds: it is one of the platform's guests, of `vcpus` cores and `ram` bytes."""
    size = Size(cpu_request=vcpus, cpu_limit=vcpus, memory_request=ram, memory_limit=ram)
    return _reserved(platform, size)


def share_of(
    platform: Platform,
    size: Size,
    host_memory: float,
    wants: float = inf,
    fluid: bool = True,
    threads: int | None = None,
) -> Share:
    """What `size` means on `platform`: vCPUs and RAM held whole, or requests held and limits not.

    `wants`: cores that a replica can use at most. Unless limits are `fluid`, one that is below is a quota where the
    platform has such. `threads`: those that its runtime has, where that is known.
    """
    if platform.allocation == "reserved":
        return _reserved(platform, size)
    share, limit, period = _requested(platform, size, host_memory), size.cpu_limit, platform.cpu.period
    if fluid or platform.cpu.quota == "fluid" or period is None or limit is None or wants <= limit:
        return share
    surplus = 0.0 if threads is None else max(0.0, threads - limit) / limit
    extra = platform.cpu.oversubscription * surplus
    return replace(share, cap=inf, quota=PeriodLimit(limit, period, size.cpu_burst, extra))


def _reserved(platform: Platform, size: Size) -> Share:
    """A VM: whole vCPUs and its RAM; the guest kernel and OS take their part of the RAM first."""
    vcpus = float(max(1, ceil(size.cpu_limit if size.cpu_limit is not None else size.cpu_request)))
    ram = size.memory_limit if size.memory_limit is not None else size.memory_request
    system, outside = platform.guest_os_bytes(ram), platform.memory.outside(vcpus, ram)
    return Share(
        weight=vcpus,
        cap=vcpus,
        cpu=vcpus + platform.cpu.request_per_guest,
        memory=ram + outside,
        application=ram - system,
        resident=outside + system,
        ram=ram,
        score=0,
        outside=outside,
    )


def _requested(platform: Platform, size: Size, host_memory: float) -> Share:
    """A container: its requests; a sandbox with a kernel of its own adds that as Kubernetes' pod overhead."""
    limit = inf if size.memory_limit is None else size.memory_limit
    system = platform.guest_os_bytes(size.memory_request)
    overhead = platform.memory.per_guest + system if platform.kernel == "own" else 0.0
    return Share(
        weight=max(size.cpu_request, 0.002),  # the kubelet's least: 2 shares of 1024 a core
        cap=inf if size.cpu_limit is None else size.cpu_limit,
        cpu=size.cpu_request + platform.cpu.request_per_guest,
        memory=size.memory_request + overhead,
        application=limit,
        resident=platform.memory.per_guest + system,
        ram=0.0,
        score=oom_score_adj(size, host_memory),
        outside=platform.memory.per_guest,
    )


def oom_score_adj(size: Size, host_memory: float) -> int:
    """Kubernetes' oom_score_adj by QoS class (Kubernetes documentation, node out of memory behaviour)."""
    if size.cpu_request == size.cpu_limit and size.memory_request == size.memory_limit:
        return -997  # Guaranteed
    if size.cpu_request == 0 and size.memory_request == 0:
        return 1000  # BestEffort
    return int(min(max(2, 1000 - 1000 * size.memory_request / host_memory), 999))


def admission_limits(scenario: Scenario, platform: Platform) -> tuple[float, float]:
    """Cores and bytes that admission may promise on the host; the platform's own memory is taken off first."""
    cores, memory = scenario.host.hardware_threads, scenario.host.memory - platform.memory.host
    if scenario.node is not None:
        cores, memory = cores - scenario.node.cpu_reserved, memory - scenario.node.memory_reserved
    if platform.allocation == "reserved" or platform.nested is not None:
        return cores * scenario.cpu_overcommit, memory * scenario.memory_overcommit
    return cores, memory


def node_refusal(node: Node | None, guests: int, pids: int, share: Share) -> str | None:
    """Which limit of the node, with so many guests and processes there, has no room for a share; None: all have."""
    if node is None or share.guests == 0:
        return None
    for name, limit, held, asked in (
        ("pods", node.pods, guests, share.guests),
        ("pids", node.pids, pids, share.pids),
        ("addresses", node.addresses, guests, share.guests),
    ):
        if limit is not None and held + asked > limit:
            return f"{name}: {held} of {limit} taken, {asked} asked"
    return None
