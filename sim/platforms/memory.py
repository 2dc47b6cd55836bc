"""What memory a platform costs."""

from __future__ import annotations

from typing import Literal

from sim.platforms.parts import Bytes, CoreSeconds, Multiple, Part, Ratio


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
