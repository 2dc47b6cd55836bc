"""Every number of the catalogue has a value with a unit, a source and a trust."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
from ruamel.yaml import YAML

from sim.platforms import describe, load_platform, names
from sim.platforms.reader import TRUST
from sim.reading.units import UnitError, guess

CATALOGUE = (
    "container", "container-hostnet", "container-in-vm", "crun", "docker", "gvisor", "kata", "kata-nested",
    "microvm",     "microvm-snapshot", "native", "runc", "vm", "vm-cloud", "vm-esxi", "vm-snapshot",
)  # fmt: skip
VMS, MICROVMS = ("vm", "vm-cloud", "vm-esxi", "vm-snapshot"), ("microvm", "microvm-snapshot")


def raw(name: str) -> Mapping[str, Any]:
    tree: Mapping[str, Any] = YAML(typ="safe").load(files("sim.platforms").joinpath(f"{name}.yaml").read_text("utf-8"))
    return tree


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf): quantities as whole mappings, all else as scalars."""
    if isinstance(node, Mapping) and "value" not in node:
        for key, below in node.items():
            yield from leaves(below, f"{path}.{key}")
    elif isinstance(node, list):
        for below in node:
            yield from leaves(below, f"{path}[]")
    else:
        yield path, node


def is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        guess(value)
    except UnitError:
        return False
    return True


def test_the_catalogue_is_complete() -> None:
    assert names() == CATALOGUE


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_number_carries_a_source_and_a_trust(name: str) -> None:
    for path, leaf in leaves(raw(name)):
        if isinstance(leaf, Mapping):
            assert set(leaf) - {"range"} == {"value", "source", "trust"}, path
            assert leaf["trust"] in set(TRUST) - {"override"}, path
            assert len(leaf["source"]) >= 8, path
        else:
            assert not is_number(leaf), f"{name}{path}: the number {leaf!r} has no source"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_row_of_describe_is_finite_and_has_a_unit(name: str) -> None:
    rows = describe(name)
    assert len(rows) >= 15
    assert len({row.path for row in rows}) == len(rows)
    for row in rows:
        assert row.unit in {"B", "B/s", "s", "core-s", "cores", "1"}, row
        assert 0 <= row.si < float("inf"), row
        assert row.text, row
        assert row.source, row
        assert row.trust != "override", row


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_assumption_says_why(name: str) -> None:
    for row in describe(name):
        if row.trust == "assumption":
            assert len(row.source.split()) >= 4, row


@pytest.mark.parametrize("name", CATALOGUE)
def test_policies_and_phases_of_each_platform(name: str) -> None:
    platform = load_platform(name)
    assert platform.lineage[0] == name
    assert platform.size_lineage[: len(platform.lineage)] == platform.lineage
    assert (platform.allocation == "reserved") == (name in VMS + MICROVMS)
    assert (platform.kernel == "shared") == (name not in (*VMS, *MICROVMS, "gvisor", "kata", "kata-nested"))
    assert (platform.move.policy == "pre-copy") == (name in VMS)
    assert (platform.nested is not None) == (name == "container-in-vm")
    assert platform.resumes == name.endswith("-snapshot")
    locks = {phase.lock for phase in platform.startup if phase.kind == "lock"}
    assert locks <= {"netns", "network", "containerd", "dockerd", "libvirtd", "kvm"}


def test_the_lineages_by_which_sizes_and_images_are_looked_up() -> None:
    assert load_platform("native").size_lineage == ("native", "container")
    assert load_platform("microvm").size_lineage == ("microvm", "vm", "container")
    assert load_platform("microvm").image_lineage == ("microvm", "container", "vm")
    assert load_platform("kata").size_lineage == ("kata", "container")
    assert load_platform("container-in-vm").image_lineage == ("container-in-vm", "container")


def test_nested_vms_are_declared_with_their_size() -> None:
    nested = load_platform("container-in-vm").nested
    assert nested is not None
    assert (nested.vm_platform, nested.guest) == ("vm", "container")
    assert (nested.vm.cpu, nested.vm.memory) == (4.0, 16 * 2**30)
