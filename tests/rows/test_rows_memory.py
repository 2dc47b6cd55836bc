"""Memory that a platform can take back: merged pages, balloons, and the page cache of shared images (by hand)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simpy import Environment

from sim.experiment.replications import runner
from sim.model.host.images import ImageStore
from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

from .rows import metrics_of, records_of, scenario_of

GIB = 2.0**30
MIB = 2.0**20
HOST = 100e6  # the vm platform's memory.host
VMM = 21.6e6 + 8 * MIB + 0.002 * GIB  # with one vCPU and 1 GiB
SYSTEM = 64e6 + 13.9e6 + 0.015625 * GIB  # a guest OS in 1 GiB
SAME = 0.67 * (64e6 + 13.9e6)  # of it, what guests of one image have in common
KSM = {"memory": {"sharing": "ksm"}}
BALLOON = {"memory": {"reclaim": "balloon"}}

SCENARIO = """
duration: 10min
host: {cores: 64, memory: 8GiB, disk: {read: 6GB/s, write: 4GB/s}, network: 10Gbit/s}
platforms: [vm]
cpu_overcommit: 4
memory_overcommit: 3
services:
  small: &service
    image: {size: 2GB, cached: true}
    memory: {base: 200MiB}
    request_cpu: 1ms
    size: {cpu: 1, memory: 1GiB}
    replicas: 12
  large:
    <<: *service
    memory: {base: 900MiB}
    replicas: 0
"""


def run(*overrides: str, platform: str = "vm", changes: dict | None = None) -> RunRecords:
    """Guests that keep nothing of what they read: their page cache has tests of its own, and would fill the host."""
    memory = {"file_cache": "0%", **(changes or {}).get("memory", {})}
    own = load_platform(platform, {**(changes or {}), "memory": memory})
    return simulate(scenario_from_text(SCENARIO, overrides=overrides), own, 0)


def killed(records: RunRecords) -> list[str]:
    rows = zip(records.events["guest"], records.events["event"], strict=True)
    return [str(guest) for guest, event in rows if event == "oom-kill"]


# ---------------------------------------------------------------- merged pages


def test_guests_of_one_image_share_pages_of_their_systems() -> None:
    """All but the first of an image have 67 % of 77.9 MB in common with it; other images have nothing in common."""
    each = VMM + SYSTEM + 200 * MIB
    alone, merged = run(), run(changes=KSM)
    assert alone.timeline["memory_used"][-1] == pytest.approx(HOST + 12 * each, rel=1e-12)
    assert merged.timeline["memory_used"][-1] == pytest.approx(HOST + 12 * each - 11 * SAME, rel=1e-12)
    other = ["services.small.replicas=5", "services.large.replicas=2"]
    two = run(*other, changes=KSM).timeline["memory_used"][-1]
    whole = run(*other).timeline["memory_used"][-1]
    assert whole - two == pytest.approx((4 + 1) * SAME, rel=1e-9)
    assert np.array_equal(
        alone.timeline["memory_allocated"], merged.timeline["memory_allocated"]
    )  # nothing is promised


def test_what_was_merged_comes_back_with_the_guest() -> None:
    """Two of twelve leave the host: ten are left, and nine times the common pages are saved."""
    gone = "moves=[{at: 2min, service: small, replica: 0}, {at: 2min, service: small, replica: 7}]"
    left = run(gone, changes=KSM).timeline["memory_used"][-1]
    assert left == pytest.approx(HOST + 10 * (VMM + SYSTEM + 200 * MIB) - 9 * SAME, rel=1e-9)


def test_merging_makes_room_before_anybody_is_killed() -> None:
    """23 of 0.335 GB and one of 1.07 GB do not fit into 8.59 GB; less 22 times the common 52 MB they do."""
    full = ["services.small.replicas=23", "services.large.replicas=1", "memory_overcommit=4"]
    assert 23 * (VMM + SYSTEM + 200 * MIB) + VMM + SYSTEM + 900 * MIB + HOST > 8 * GIB
    assert set(killed(run(*full))) == {"large-0"}
    assert killed(run(*full, changes=KSM)) == []


def test_the_published_density_of_merged_guests() -> None:
    """Arcangeli, Eidus and Wright (OLS 2009, from memory): 52 guests of 1 GB on 16 GB, within 10 %.

    That is 0.7 GB a guest that all have in common; here 0.7 GB of system, all the same, and 0.25 GB of one's own. They
    start one by one, as pages are merged when a guest is up: (16 - 0.1 - 0.7 - 0.7) GB / 0.262 GB are 55; else 16.
    """
    memory = {"guest_os": "700MB", "ksm_share": 1.0, "guest_kernel": {"fixed": "0B"}}
    host = [
        "host.memory=16GB", "services.small.memory.base=215MB", "duration=1h", "memory_overcommit=6",
        "services.small.replicas={add: 1, every: 40s, max: 80}",
    ]  # fmt: skip
    merged = run(*host, changes={"memory": memory | {"sharing": "ksm"}}).density_max
    assert merged == pytest.approx(52, rel=0.1)
    assert run(*host, changes={"memory": memory}).density_max == pytest.approx(16, abs=1)


# ---------------------------------------------------------------- balloons

LARGE = ["services.small.tenants=12", "services.small.replicas=1", "services.large.replicas=5"]  # the small ones first
ROOM = 0.65 * GIB  # of a small one; it does not use 1 GiB - SYSTEM - 200 MiB, which is more
PHYSICAL = 8 * GIB - HOST


def test_balloons_take_back_what_is_promised_and_not_there() -> None:
    """12 x (1 GiB + VMM) are promised on 8 GiB: the balloons hold all that is more, and each VM a twelfth of it."""
    records = run(changes=BALLOON)
    assert records.peaks["guests"] == 12
    assert records.timeline["memory_allocated"][-1] == pytest.approx(PHYSICAL, rel=1e-12)
    assert run().timeline["memory_allocated"][-1] == pytest.approx(12 * (GIB + VMM), rel=1e-12)
    late = run("warmup=5min", changes=BALLOON).integrals["memory_stranded"] / 300
    assert late == pytest.approx(PHYSICAL - 12 * (VMM + SYSTEM + 200 * MIB), rel=1e-9)


def test_admission_refuses_what_balloons_cannot_make_room_for() -> None:
    """12 balloons of 0.698 GB and 3 of 35 MB make room for 3 large VMs of 1.104 GB, not for a 4th; nobody is killed.

    Without them, five are let in, and a large one is killed.
    """
    short = 12 * (GIB + VMM) - PHYSICAL
    rooms = 12 * ROOM + 3 * (GIB - SYSTEM - 900 * MIB)
    assert math.floor((rooms - short) / (GIB + VMM)) == 3
    records = run(*LARGE, changes=BALLOON)
    assert records.peaks["guests"] == 15
    assert killed(records) == []
    assert records.timeline["memory_used"].max() < records.memory
    why = records.events["detail"][records.events["event"] == "refused"]
    assert any("balloons can take back" in str(text) for text in why)
    blind = run(*LARGE)
    assert blind.peaks["guests"] == 17
    assert {name.rpartition("-")[0] for name in killed(blind)} == {"large"}


BUSY = "services.small.memory={base: 200MiB, per_request: 100MiB}"


def hold(requests: int) -> list[str]:
    """So many requests of 100 MiB at once in one of 12 VMs; the others idle."""
    one = "{image: {size: 2GB, cached: true}, request_cpu: 1h, size: {cpu: 1, memory: 1GiB}, replicas: 1, "
    one += f"memory: {{base: 200MiB, per_request: 100MiB}}, concurrency: {requests}, routing: round-robin, "
    one += f"traffic: {{constant-vus: {{vus: {requests}, think_time: 1s}}}}}}"
    return ["services.small.replicas=11", f"services.busy={one}"]


def test_a_balloon_gives_back_what_its_guest_needs() -> None:
    """1 GiB - 94.7 MB - 200 MiB carry 7 requests of 100 MiB, balloon or not; the 8th is more than the RAM."""
    assert math.floor((GIB - SYSTEM - 200 * MIB) / (100 * MIB)) == 7
    for changes in ({}, BALLOON):
        fits, tips = run(*hold(7), changes=changes), run(*hold(8), changes=changes)
        assert killed(fits) == []
        assert set(killed(tips)) == {"busy-0"}
    idle, busy = run(changes=BALLOON), run(*hold(7), changes=BALLOON)
    for records in (idle, busy):  # the others' balloons have taken what this one has given back
        assert records.timeline["memory_allocated"][-1] == pytest.approx(PHYSICAL, rel=1e-9)
    assert busy.timeline["memory_used"][-1] - idle.timeline["memory_used"][-1] == pytest.approx(700 * MIB, rel=1e-9)


def test_when_all_want_it_back_the_hosts_killer_strikes() -> None:
    """12 VMs that have been let in because they were idle take 940 MB each of 8.6 GB: balloons cannot help."""
    all_busy = [
        BUSY, "services.small.concurrency=7", "services.small.request_cpu=1h",
        "services.small.traffic={ramping-arrival-rate: {start: 0/s, arrivals: even, stages: "
        "[{duration: 3min, target: 0/s}, {duration: 1min, target: 2/s}, {duration: 4min, target: 2/s}]}}",
    ]  # fmt: skip
    records = run(*all_busy, changes=BALLOON)
    assert records.peaks["guests"] == 12
    details = records.events["detail"][records.events["event"] == "oom-kill"]
    assert "host: memory has run out" in {str(text) for text in details}
    assert records.timeline["memory_used"].max() <= records.memory


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    small=st.integers(0, 20), large=st.integers(0, 8), base=st.integers(0, 900), ksm=st.booleans(), leaves=st.booleans()
)
def test_books_of_memory_balance(small: int, large: int, base: int, ksm: bool, leaves: bool) -> None:
    """Nobody is killed; allocated is never more than there is (and merged), nor less than what guests use."""
    changes = {"memory": {"reclaim": "balloon", "sharing": "ksm" if ksm else "none"}}
    moves = ["moves=[{at: 3min, service: small, replica: 0}]"] if leaves and small else []
    records = run(
        f"services.small.replicas={small}", f"services.small.memory.base={base}MiB",
        f"services.large.replicas={large}", *moves, changes=changes,
    )  # fmt: skip
    timeline = records.timeline
    kinds = [("small", base * MIB), ("large", 900 * MIB)]
    alive = {name: sum(np.isnan(records.guests["stopped"][records.guests["service"] == name])) for name, _ in kinds}
    saved = sum(max(0, n - 1) for n in alive.values()) * SAME * ksm
    used = sum(alive[name] * (VMM + SYSTEM + needs) for name, needs in kinds)
    assert killed(records) == []
    assert timeline["memory_used"][-1] == pytest.approx(HOST + used - saved, rel=1e-9)
    whole = sum(alive.values()) * (GIB + VMM)
    assert timeline["memory_allocated"][-1] == pytest.approx(min(whole, PHYSICAL + saved), rel=1e-9)
    most = PHYSICAL + saved + (SAME if ksm and moves else 0)  # before one has left, more was merged
    assert (timeline["memory_allocated"] <= most + 1).all()


def test_nothing_is_taken_back_unless_it_is_switched_on() -> None:
    plain = load_platform("vm").memory
    assert (plain.sharing, plain.reclaim) == ("none", "none")
    small, same = run(), run(changes={"memory": {"ksm_share": 0.9, "balloon_limit": 0.1}})
    assert np.array_equal(small.timeline["memory_used"], same.timeline["memory_used"])
    assert np.array_equal(small.timeline["memory_allocated"], same.timeline["memory_allocated"])


# ---------------------------------------------------------------- page cache of images


def test_containers_of_an_image_have_its_pages_once() -> None:
    """1000 of 190 MB, of which a start reads 6.4 %: 12.16 MB in all; each VM has its own, in its RAM."""
    cache = records_of("operating-system", "container").timeline["memory_cache"]
    assert cache[-1] == pytest.approx(0.064 * 190e6)
    assert cache.max() == cache[-1]
    share = metrics_of("operating-system", "container")["memory.cache"]
    assert share * scenario_of("operating-system").host.memory == pytest.approx(0.064 * 190e6)
    assert "memory.cache" not in metrics_of("operating-system", "vm")


CONTAINERS = """
duration: 6min
host: {cores: 8, memory: 2GB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [container]
services:
  early: &service
    image: {size: 500MB, cached: true}
    memory: {base: 10MB}
    request_cpu: 1ms
    size: {cpu: 100m, memory: {request: 10MB}}
    replicas: {add: 1, every: 3min, max: 2}
  eater:
    <<: *service
    image: {size: 250MB, cached: true}
    memory: {base: EATS}
    start_cpu: 60s
    replicas: 1
"""


def eaten(eats: str) -> RunRecords:
    return runner.run_one(scenario_from_text(CONTAINERS.replace("EATS", eats)), "container", 0)


def test_the_page_cache_gives_way_before_anybody_is_killed() -> None:
    """2 GB less daemons (216 MB), 3 shims (14.4 MB) and 2 early ones (20 MB) leave 1.75 GB; 48 MB of images are extra.

    An eater of 1.2 GB leaves them be, and the second start of its image reads nothing. One of 1.74 GB drives them out:
    the second start waits for the disk again (0.282 s + 32 MB at 1 GB/s). One of 1.76 GB is too much by itself.
    """
    roomy, tight, full = eaten("1.2GB"), eaten("1.74GB"), eaten("1.76GB")
    assert roomy.timeline["memory_cache"][-1] == pytest.approx(0.064 * 750e6)
    assert tight.timeline["memory_cache"][-1] < 0.064 * 250e6
    reads = [records.guests["startup_read"][records.guests["service"] == "early"] for records in (roomy, tight)]
    assert reads[0][1] == 0.0
    assert reads[1] == pytest.approx([0.282 + 0.032] * 2, rel=0.06)  # the first two read the disk together
    assert (killed(roomy), killed(tight)) == ([], [])
    assert len(killed(full)) > 0
    assert (roomy.timeline["memory_used"] + roomy.timeline["memory_cache"] <= roomy.memory).all()
    assert (tight.timeline["memory_used"] + tight.timeline["memory_cache"] <= tight.memory).all()


@given(
    reads=st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 100)), max_size=20),
    rooms=st.lists(st.floats(-10, 400), min_size=1, max_size=5),
)
def test_the_page_cache_never_holds_more_than_its_room(reads: list, rooms: list) -> None:
    env = Environment()
    store = ImageStore(env, None, None, load_platform("container"))  # type: ignore[arg-type]
    for i, (key, size) in enumerate(reads):
        store.note_pages(key, size)
        store.trim_pages(rooms[i % len(rooms)])
        assert store.pages <= max(0.0, rooms[i % len(rooms)])
        if size <= rooms[i % len(rooms)]:
            assert key in store._pages  # the last one read goes last
