"""Overrides, `based_on`, and what is refused."""

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from sim.platforms import PlatformError, describe, load_platform


def phases(name: str, overrides: dict[str, Any]) -> list[str]:
    return [phase.name for phase in load_platform(name, overrides).startup]


def test_a_plain_value_overrides_one_number_and_nothing_else() -> None:
    before, after = load_platform("container"), load_platform("container", {"cpu": {"overhead": 1.02}})
    assert after.cpu.overhead == 1.02
    assert after.model_copy(update={"cpu": before.cpu}) == before
    assert load_platform("container") == before  # the catalogue itself is untouched
    row = next(row for row in describe("container", {"cpu": {"overhead": 1.02}}) if row.path == "cpu.overhead")
    assert (row.si, row.trust) == (1.02, "override")


def test_an_override_may_bring_its_own_source() -> None:
    own = {"memory": {"per_guest": {"value": "7MB", "source": "smem on our host", "trust": "raw data"}}}
    row = next(row for row in describe("container", own) if row.path == "memory.per_guest")
    assert (row.si, row.source, row.trust) == (7e6, "smem on our host", "raw data")


def test_a_phase_is_changed_by_name() -> None:
    changed = load_platform("container", {"startup": {"netns": {"hold": "20ms"}}})
    hold = changed.phases["netns"].hold
    assert hold is not None
    assert (hold.kind, hold.mean) == ("constant", 0.02)
    assert [p.name for p in changed.startup] == phases("container", {})


def test_a_constant_becomes_a_distribution_and_back() -> None:
    drawn = load_platform("vm-cloud", {"startup": {"launch": {"duration": {"exponential": {"mean": "2s"}}}}})
    duration = drawn.phases["launch"].duration
    assert duration is not None
    assert (duration.kind, duration.mean) == ("exponential", 2.0)
    fixed = load_platform("vm-cloud", {"startup": {"attach": {"duration": "1s"}}}).phases["attach"].duration
    assert fixed is not None
    assert (fixed.kind, fixed.mean) == ("constant", 1.0)


def test_a_full_clone_is_one_word() -> None:
    full = load_platform("vm", {"startup": {"clone": {"bytes": "image"}}}).phases["clone"]
    assert full.amount(2e9) == 2e9
    assert load_platform("vm").phases["clone"].amount(2e9) < 1e6


def test_a_phase_is_added_dropped_or_given_another_kind() -> None:
    cni = {"cni": {"kind": "delay", "duration": "50ms", "after": "netns"}}
    names = phases("container", {"startup": cni})
    assert names[names.index("netns") + 1] == "cni"
    assert phases("container", {"startup": {"warm": {"kind": "cpu", "work": "1s"}}})[-1] == "warm"
    assert "network" not in phases(
        "container", {"startup": {"network": None}, "isolation": {"panic_phases": ["create", "run"]}}
    )
    recast = load_platform("container", {"startup": {"netns": {"kind": "delay", "duration": "1s"}}}).phases["netns"]
    assert (recast.kind, recast.lock, recast.hold) == ("delay", None, None)


def test_a_list_replaces_all_phases() -> None:
    only = {
        "startup": [{"name": "go", "kind": "cpu", "work": "1s"}],
        "restart": {"phases": ["go"]},
        "isolation": {"panic_phases": ["go"]},
    }
    assert phases("container", only) == ["go"]


def test_ones_own_platform_is_based_on_one_of_the_catalogue() -> None:
    mine = load_platform("mine", {"based_on": "microvm", "title": "Ours", "memory": {"per_guest": "5MB"}})
    assert (mine.name, mine.title, mine.based_on) == ("mine", "Ours", "microvm")
    assert mine.lineage == ("mine", "microvm")
    assert mine.size_lineage == ("mine", "microvm", "vm", "container")
    assert mine.startup == load_platform("microvm").startup
    assert load_platform("ours", {"based_on": "kata"}).lineage == ("ours", "kata", "container")


def test_a_removed_part_is_gone() -> None:
    bare = load_platform("vm", {"memory": {"guest_kernel": None}})
    assert bare.guest_os_bytes(8e9) == bare.memory.guest_os


def test_platforms_are_frozen_and_travel_between_processes() -> None:
    platform = load_platform("vm")
    with pytest.raises(ValidationError):
        platform.name = "other"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(platform)) == platform


def refused(name: str, overrides: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        load_platform(name, overrides)
    return caught.value


@pytest.mark.parametrize(
    ("name", "overrides", "path", "found", "suggestion"),  # the path without `platforms.<name>.`
    [
        ("contaner", {}, "", "'contaner'", "container"),
        ("mine", {"based_on": "vmm"}, "based_on", "'vmm'", "vm"),
        ("vm", {"cpu": {"overheat": 1}}, "cpu.overheat", "an unknown key", "overhead"),
        ("vm", {"memry": {}}, "memry", "an unknown key", "memory"),
        ("vm", {"startup": {"kernal": {"work": "1s"}}}, "startup.kernal", "an unknown key", "kernel"),
        ("vm", {"startup": {"kernel": {"wrk": "1s"}}}, "startup.kernel.wrk", "an unknown key", "work"),
        ("vm", {"allocation": "reserve"}, "allocation", "'reserve'", "reserved"),
        ("vm", {"isolation": {"panic_phases": ["kernal"]}}, "isolation.panic_phases", "'kernal'", "kernel"),
        ("vm", {"memory": {"host": "1s"}}, "memory.host", "'1s'", None),
        ("vm", {"memory": {"host": 5}}, "memory.host", "5, a number without a unit", None),
        ("vm", {"cpu": {"overhead": 0.9}}, "cpu.overhead", "0.9", None),
        ("vm", {"isolation": {"escape_probability": 1.5}}, "isolation.escape_probability", "1.5", None),
        ("vm", {"memory": 5}, "memory", "5", None),
        ("vm", {"cpu": {"host": None}}, "cpu.host", "nothing", None),
        ("vm", {"layers_shared": "yes"}, "layers_shared", "'yes'", None),
        ("vm", {"startup": {"kernel": {"hold": "1s"}}}, "startup.kernel.hold", "'1s'", None),
        ("vm", {"startup": {"x": {"kind": "lock"}}}, "startup.x.hold", "nothing", None),
        ("vm", {"startup": {"x": {"kind": "wait"}}}, "startup.x.kind", "'wait'", None),
        ("vm", {"startup": 3}, "startup", "3", None),
        ("vm", {"name": "x"}, "name", "an unknown key", None),
        ("vm", None, "", "nothing", None),
        ("vm", {"stop": {"delay": {"lognormal": {"mean": "1s", "cov": 1}}}}, "stop.delay.lognormal.cov",
         "an unknown key", "cv"),
        ("container-in-vm", {"nested": {"vm_platform": "vmm"}}, "nested.vm_platform", "'vmm'",
         "vm"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_path_and_the_nearest_known_name(
    name: str, overrides: Any, path: str, found: str, suggestion: str | None
) -> None:
    error = refused(name, overrides)
    first = error.problems[0]
    path = f"platforms.{name}.{path}".removesuffix(".")
    assert (first.path, first.found) == (path, found)
    assert first.suggestion == suggestion
    assert first.allowed
    assert (error.path, error.found, error.suggestion) == (path, found, suggestion)


def test_all_mistakes_are_told_at_once_and_survive_pickling() -> None:
    error = refused("vm", {"cpu": {"overheat": 1, "host": "2s"}, "memory": {"host": "1Gbit/s"}, "startup": {"z": {}}})
    paths = {problem.path.removeprefix("platforms.vm.") for problem in error.problems}
    assert paths == {"cpu.overheat", "cpu.host", "memory.host", "startup.z"}
    assert str(error).count("\n") == 3
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems


def test_a_range_holds_its_value_and_is_of_the_same_kind() -> None:
    def overhead(**node: Any) -> tuple[str, ...]:
        own = {"cpu": {"overhead": {"source": "our host", "trust": "raw data", **node}}}
        try:
            (row,) = [row for row in describe("vm", own) if row.path == "cpu.overhead"]
        except PlatformError as error:
            return tuple(problem.path for problem in error.problems)
        return (row.range,)

    assert overhead(value=1.1) == ("",)
    assert overhead(value=1.1, range=[1.1, 1.1]) == ("1.1 to 1.1",)
    wrong = ("platforms.vm.cpu.overhead.range",)
    for given in ([1.2, 1.3], [1.0, 1.05], [1.3, 1.0], [1.0], "1 to 2", ["1ms", "2ms"], 3):
        assert overhead(value=1.1, range=given) == wrong, given
