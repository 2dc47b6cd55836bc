"""The shape of a platform: frozen models, every number in SI (bytes, seconds, cores, ratios).

What a field means to the running model is said here, in its docstring, and nowhere else; how it behaves is
none of this room's business.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from sim import registry
from sim.platforms.memory import MemoryCost
from sim.platforms.parts import Bytes, Cores, CoreSeconds, Count, Delay, Factor, Part, Ratio, Seconds
from sim.reading.distribution import Distribution

# Fields that a phase of each kind must and may have, beside name and kind.
PHASE_FIELDS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "pull": (frozenset({"bytes"}), frozenset({"fraction", "rate", "duration", "unpack", "unpacks", "lazy"})),
    "clone": (frozenset({"bytes"}), frozenset({"fraction", "rate"})),
    "read": (frozenset({"bytes"}), frozenset({"fraction", "rate", "duration", "shared"})),
    "install": (frozenset({"duration"}), frozenset({"work", "bytes", "fraction"})),
    "cpu": (frozenset({"work"}), frozenset()),
    "lock": (frozenset({"lock", "hold"}), frozenset({"workers", "per_layer", "syncs"})),
    "fault": (frozenset({"bytes", "latency"}), frozenset({"fraction", "rate", "shared"})),
    "delay": (frozenset({"duration"}), frozenset()),
    "calls": (frozenset({"client", "calls", "rate_limit"}), frozenset({"burst"})),
}


IMAGE_KINDS: Final = ("install", "pull", "clone", "read")
"""Kinds of phases that bring the image; a node's kubelet comes after the first of them."""


class CpuCost(Part):
    """CPU that the platform itself costs.

    `overhead`: factor (>= 1) on the CPU work of requests. `idle_per_guest`: cores that a guest burns while
    it does nothing. `host`: cores that hypervisor or daemons burn. `request_per_guest`: cores that
    admission adds to each guest's CPU request (Kubernetes pod overhead); they are promised, not used.
    `quota: period`: a guest's CPU limit is a budget every `period` s; `fluid`: a cap on its rate.
    `oversubscription`: core-s on top of each job of a request of a service with `threads` more than such a limit, times
    (threads - limit) / limit. `per_syscall`: core-s of a system call (step `syscalls`; no overhead on top).
    """

    overhead: Factor
    idle_per_guest: Cores
    host: Cores
    request_per_guest: Cores
    quota: Literal["period", "fluid"] = "fluid"
    period: Annotated[float | None, "duration"] = None
    oversubscription: Annotated[float, "work"] = 0.0
    per_syscall: Annotated[float, "work"] = 0.0


class DiskCost(Part):
    """`per_guest`: bytes on the host's disk that each guest adds beyond its (shared or cloned) image.

    `cpu_per_op`: core-seconds of one operation of a request, of the guest's CPU; `latency`: seconds of it without CPU,
    and `latency_per_byte` of each of its bytes (copies of the emulation).
    """

    per_guest: Bytes
    cpu_per_op: CoreSeconds = 0.0
    latency: Seconds = 0.0
    latency_per_byte: Seconds = 0.0


class Net(Part):
    """The network path of requests.

    `cpu_per_packet`: core-seconds of one packet, of the guest's CPU, or of the `batch` packets of one step that pass
    through the stack together (offloads of segmentation and reassembly); `cpu_per_byte`: core-seconds of one byte;
    `latency`: seconds without CPU, once for all that one step sends or receives.
    """

    cpu_per_packet: CoreSeconds = 0.0
    batch: Count = 1
    cpu_per_byte: CoreSeconds = 0.0
    latency: Seconds = 0.0


class Phase(Part):
    """One phase of a start-up; a kind of another package (`sim.registry`) adds fields. What each of ours uses:

    - pull: `bytes` x `fraction` over the NIC and then onto the disk, one pull at most at `rate`, after
      `duration` (round trips); nothing of it when the image (each of its layers) is there already. `unpack`: bytes a
      second that one core unpacks, one core a layer, between network and disk, in the daemon, at most `unpacks`
      layers of an image at once (None: all). `lazy`: what `fraction` leaves comes over the network in the background,
      once the start has gone on.
    - clone: `bytes` x `fraction` copied on the disk, at most at `rate`; a few bytes for a copy-on-write disk,
      "image" for a full copy.
    - read: `bytes` x `fraction` read from the disk, at most at `rate`, after `duration` (seeks). `shared:
      image`: only the first guest of an image on the host reads (and waits `duration`), the others find it
      in the page cache, where a pull leaves it too; `none`: every guest reads.
    - install: `duration`, then `work` core-seconds, then `bytes` x `fraction` written; once per image that
      is not ready made, instead of the pull.
    - cpu: `work` core-seconds in the CPU kernel, with the guest's weight and cap, without `cpu.overhead` on
      top.
    - lock: `hold` seconds + `per_layer` seconds a layer of the image + `syncs` times the disk's `sync`, inside the
      host's lock named `lock`, which `workers` starts (1) can be in at once, first come, first served.
    - fault: `bytes` x `fraction` of a snapshot are touched page by page (4096 bytes): `latency` seconds a page, and
      the bytes read from the disk, at most at `rate`. `shared: image`: only by the first guest of an image.
    - delay: `duration` seconds that nothing shortens.
    - calls: `calls` requests through the host's client named `client`, which makes at most `rate_limit` a second, and
      `burst` at once when it has made none for a while; it ends when the last one is made.
    """

    name: str
    kind: str
    bytes: Annotated[float | Literal["image"] | None, "bytes-or-image"] = None
    fraction: Ratio = 1.0
    rate: Annotated[float | None, "bandwidth"] = None
    work: Annotated[float | None, "work"] = None
    hold: Annotated[Distribution | None, "distribution"] = None
    duration: Annotated[Distribution | None, "distribution"] = None
    lock: str | None = None
    workers: Annotated[int, "count"] = 1
    per_layer: Annotated[float, "duration"] = 0.0
    syncs: Annotated[float, "number"] = 0.0
    latency: Annotated[float | None, "duration"] = None
    unpack: Annotated[float | None, "bandwidth"] = None
    unpacks: Annotated[int | None, "count"] = None
    lazy: bool = False
    client: str | None = None
    calls: Annotated[int, "count"] = 0
    rate_limit: Annotated[float, "number"] = 0.0
    burst: Annotated[int, "count"] = 1
    shared: Literal["image", "none"] = "none"

    def amount(self, image: float) -> float:
        """Bytes that the phase moves for an image of `image` bytes (0 for kinds without bytes)."""
        whole = image if self.bytes == "image" else self.bytes
        return 0.0 if whole is None else whole * self.fraction

    @classmethod
    def used(cls, kind: str) -> tuple[frozenset[str], frozenset[str]]:
        """Fields that a phase of a kind must and may have, beside name and kind: those that its own class declares."""
        if cls is Phase:
            return PHASE_FIELDS[kind]
        classes = cls.__mro__[: cls.__mro__.index(Phase)]
        own = {name for each in classes for name in inspect.get_annotations(each) if name in cls.model_fields}
        needed = frozenset(name for name in own if cls.model_fields[name].is_required())
        return needed, frozenset(own) - needed


for _kind in PHASE_FIELDS:
    registry.builtin("phases", _kind, spec=Phase)


class Pulls(Part):
    """Pulls of one host: `at_once` (None: any number) under way together, the rest first come, first served.

    A pull asks the registry first, which admits `rate` a second, and `burst` at once when nobody has asked for a while.
    """

    at_once: Annotated[int | None, "count"] = None
    rate: Annotated[float | None, "number"] = None
    burst: Annotated[int, "count"] = 1


class Kubelet(Part):
    """What a node's kubelet adds to a pod's start, where the scenario has one (`node`).

    `before`: phases once the image is there, before all others of the platform. `beside`: phases that go on beside the
    application's own start, of which the later end makes the replica ready. `pulls`: how images are pulled where the
    platform itself says nothing of it.
    """

    before: tuple[Phase, ...] = ()
    beside: tuple[Phase, ...] = ()
    pulls: Pulls = Pulls()


class Restart(Part):
    """In-place restart after the application died.

    The k-th restart in a row (k = 1, 2, ...) waits `first` if k = 1, else min(`delay` x `factor`^(k-2),
    `max`); then it repeats `phases` (names of start-up phases) and the application's own start. After
    `reset_after` seconds of service a guest counts afresh. With `burst` and `interval`, the application is
    started `burst` times within `interval` seconds of the first of them; at the next it stays down (systemd's limit).
    """

    phases: tuple[str, ...]
    first: Seconds
    delay: Seconds
    factor: Factor
    max: Seconds
    reset_after: Seconds
    burst: Annotated[int | None, "count"] = None
    interval: Annotated[float | None, "duration"] = None

    def wait(self, k: int) -> float:
        """Seconds before the k-th restart in a row (k >= 1)."""
        if k <= 1:
            return self.first
        try:
            return float(min(self.delay * self.factor ** (k - 2), self.max))
        except OverflowError:  # long past the cap
            return self.max


class Stop(Part):
    """`delay`: seconds from the order to stop until everything that the guest held is given back."""

    delay: Delay


class MovePolicy(Part):
    """How a guest leaves the host.

    pre-copy: live migration, at most at `max_rate`, until the rest fits into `downtime` or for `max_rounds` rounds;
    then it stands still while the rest is sent, and for `blackout` s more (state of its devices, start at the other
    end, the network's redirection). recreate: a new guest at the destination; then this one drains, for at most
    `drain`. none: it cannot leave.
    """

    policy: Literal["pre-copy", "recreate", "none"]
    max_rate: Annotated[float | None, "bandwidth"] = None
    downtime: Annotated[float | None, "duration"] = None
    blackout: Annotated[float, "duration"] = 0.0
    max_rounds: Annotated[int | None, "count"] = None
    drain: Annotated[float | None, "duration"] = None


class ResizePolicy(Part):
    """How a guest is given another size while it runs.

    in-place: to any that fits, at once. hotplug: from the size it was started with up to `maximum` x that, at once.
    none: never.
    """

    policy: Literal["in-place", "hotplug", "none"]
    maximum: Annotated[float | None, "factor"] = None


class Isolation(Part):
    """Who falls together.

    `escape_probability`: that a compromised guest reaches its neighbours (those under the same kernel or
    hypervisor), after `escape_delay`. `panic_scope`: who dies of a kernel panic: the guest, all guests of
    its VM, or all on the host. `panic_phases`: the start-up phases that each of them repeats once its
    kernel can start. `host_reboot`: seconds until the host's own kernel is back (host patch; panic of a
    kernel shared by the host).
    """

    escape_probability: Ratio
    escape_delay: Delay
    panic_scope: Literal["guest", "vm", "host"]
    panic_phases: tuple[str, ...]
    host_reboot: Seconds


class PoolVm(Part):
    """Size of the VMs that hold nested guests: `cpu` vCPUs, `memory` bytes of RAM."""

    cpu: Cores
    memory: Bytes


class Nested(Part):
    """Guests inside VMs of size `vm`, each of which is started as the platform `vm_platform`.

    A VM joins the pool when none has room for the next guest. Each VM is the host of its guests: CPU,
    memory, page cache, locks and kernel. `guest` names the platform whose `memory.host` and `cpu.host` each
    VM carries.
    """

    vm: PoolVm
    vm_platform: str
    guest: str


class Platform(Part):
    """One platform, resolved. `lineage`: its name, then what it is based on, nearest first.

    `size_lineage` and `image_lineage` are the names under which a service's size and image are looked up,
    in order. `allocation`: what admission holds ("reserved": vCPUs and RAM; "used": requests). `oom`: who
    kills a guest that needs more than its limit (its own kernel, or the host's for its cgroup).
    `layers_shared`: image layers are kept once on the disk and in the page cache. `resumes`: a guest comes from a
    snapshot in which the application runs already, so that its own start is not repeated. `beside`: phases that go on
    beside each start of the application, which ends when they have ended, too. `kubelet`: what a node's kubelet adds.
    """

    name: str
    title: str
    based_on: str | None = None
    lineage: tuple[str, ...]
    size_lineage: tuple[str, ...]
    image_lineage: tuple[str, ...]
    allocation: Literal["reserved", "used"]
    kernel: Literal["own", "shared"]
    oom: Literal["guest", "cgroup"]
    layers_shared: bool
    resumes: bool = False
    pulls: Pulls = Pulls()
    cpu: CpuCost
    memory: MemoryCost
    disk: DiskCost
    net: Net = Net()
    startup: tuple[Phase, ...]
    beside: tuple[Phase, ...] = ()
    kubelet: Kubelet | None = None
    restart: Restart
    stop: Stop
    move: MovePolicy
    isolation: Isolation
    resize: ResizePolicy = ResizePolicy(policy="none")
    nested: Nested | None = None

    def on_node(self, kubelet: bool) -> Platform:
        """The platform as it starts guests on a node that has a kubelet, or none: its phases are where they belong."""
        if self.kubelet is None:
            return self
        if not kubelet:
            return self.model_copy(update={"kubelet": None})
        first = next((n for n, each in enumerate(self.startup) if each.kind not in IMAGE_KINDS), len(self.startup))
        startup = self.startup[:first] + self.kubelet.before + self.startup[first:]
        pulls = self.kubelet.pulls if self.pulls == Pulls() else self.pulls
        beside = self.beside + self.kubelet.beside
        return self.model_copy(update={"startup": startup, "beside": beside, "pulls": pulls, "kubelet": None})

    @property
    def uses_images(self) -> bool:
        """Whether a start-up moves, builds or reads anything of an image."""
        kinds = ("pull", "install")
        return self.nested is not None or any(x.kind in kinds or x.bytes == "image" for x in self.startup)

    def guest_os_bytes(self, ram: float) -> float:
        """Bytes of a guest's `ram` bytes that its own kernel and OS services use; 0 where there are none."""
        kernel = self.memory.guest_kernel
        return self.memory.guest_os + (kernel.bytes(ram) if kernel else 0.0)

    def io_costs(self, link: str, units: int, size: float) -> tuple[float, float]:
        """Core-seconds and seconds that a step of a request takes before its `size` bytes move over a link.

        `link`: read, write or network; `units`: operations of the disk, or packets of the network.
        """
        if link == "network":
            passes = math.ceil(units / self.net.batch)
            return passes * self.net.cpu_per_packet + size * self.net.cpu_per_byte, self.net.latency
        waits = units * self.disk.latency + size * self.disk.latency_per_byte
        return units * self.disk.cpu_per_op, waits

    @property
    def phases(self) -> Mapping[str, Phase]:
        """The start-up phases by name, in order."""
        return MappingProxyType({phase.name: phase for phase in self.startup})
