"""What memory a platform costs, and the kinds of quantities of which a platform's parts are made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from sim.reading.distribution import Distribution

# The second argument names the kind of quantity (quantities.KINDS) by which the catalogue's text is parsed.
Bytes = Annotated[float, "bytes"]
Bandwidth = Annotated[float, "bandwidth"]
Cores = Annotated[float, "cores"]
Seconds = Annotated[float, "duration"]
CoreSeconds = Annotated[float, "work"]
Ratio = Annotated[float, "ratio"]
Factor = Annotated[float, "factor"]
Multiple = Annotated[float, "multiple"]
Count = Annotated[int, "count"]
Delay = Annotated[Distribution, "distribution"]


class Part(BaseModel):
    """A part of a platform: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GuestKernel(Part):
    """Memory that a guest's own kernel takes: `fixed` + `per_ram` x RAM, + `step` from `step_from` RAM on."""

    fixed: Bytes
    per_ram: Ratio
    step: Bytes
    step_from: Bytes

    def bytes(self, ram: float) -> float:
        """Bytes taken from a guest with `ram` bytes of RAM."""
        return self.fixed + self.per_ram * ram + (self.step if ram >= self.step_from else 0.0)


class MemoryCost(Part):
    """Memory that the platform itself costs, and what of it the host takes back.

    `host`: hypervisor or daemons, once. `per_guest`: outside the guest (VMM or shim), with `per_vcpu` for each of
    its vCPUs and `per_ram` for each byte of its RAM (page tables). `growth`: bytes more for each byte of the
    application's own, in use on the host and not counted against the guest's limit (a sandbox's tables of its
    mappings and files, a guest's page cache that no other guest shares), of a service that does not say which files
    it reads. `file_cache`: share of the files that a guest reads which stays in memory of its own, where the host
    cannot take it back: 1 where the guest has a kernel and a page cache of its own, 0 where the page cache is the
    host's. `first_touch`: core-seconds for each page (4096 bytes) of its memory that an application's start is the
    first to touch (faults of a hypervisor that is nested; where it is not, they are in what the start takes).
    `guest_os`: OS services inside each guest. `guest_kernel`: the guest kernel's share of the guest's RAM; None
    where there is none. `sharing: ksm` merges, among guests of one image, `ksm_share` of `guest_os` and of the
    kernel's fixed part. `reclaim: balloon` takes back RAM that a VM does not use when more is promised than there
    is, at most `balloon_limit` of its RAM.
    """

    host: Bytes
    per_guest: Bytes
    guest_os: Bytes
    guest_kernel: GuestKernel | None = None
    sharing: Literal["none", "ksm"] = "none"
    ksm_share: Ratio = 0.0
    reclaim: Literal["none", "balloon"] = "none"
    balloon_limit: Ratio = 0.0
    growth: Multiple = 0.0
    per_vcpu: Bytes = 0.0
    per_ram: Ratio = 0.0
    file_cache: Ratio = 0.0
    first_touch: CoreSeconds = 0.0

    def outside(self, vcpus: float, ram: float) -> float:
        """Bytes that a guest of so many vCPUs and bytes of RAM takes beside its RAM."""
        return self.per_guest + self.per_vcpu * vcpus + self.per_ram * ram
