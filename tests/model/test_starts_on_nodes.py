"""Exact timelines of starts on a node that has a kubelet: its phases before and beside, its client's rate."""

from __future__ import annotations

from typing import Any

import pytest

from model.test_lifecycle import FREE, happened, service
from sim.experiment.replications.runner import platform_of
from sim.model.run import simulate
from sim.platforms import PlatformError, load_platform
from sim.scenario import scenario_from_text
from sim.terms.records import RunRecords

DELAY = {"name": "run", "kind": "delay", "duration": "1s"}
PULL = {"name": "pull", "kind": "pull", "bytes": "image"}
SEEN = {"name": "seen", "kind": "delay", "duration": "3s"}
VOLUMES = {"name": "volumes", "kind": "delay", "duration": "2s"}
ASK = {"name": "ask", "kind": "calls", "client": "api", "calls": 2, "rate_limit": 1, "burst": 4}


def run(services: str, kubelet: Any, node: bool = True, **changes: Any) -> RunRecords:
    text = "name: tiny\nduration: 120s\nplatforms: [container]\nhost: {cores: 4, memory: 8GiB, network: 800Mbit/s, "
    text += f"disk: {{read: 100MB/s, write: 100MB/s}}}}\nservices:\n{services}"
    again = {"restart": {"phases": ["run"], "first": "1s"}, "isolation": {"panic_phases": []}}
    platform = load_platform(
        "container", {**FREE, "startup": [PULL, DELAY], **again, "kubelet": kubelet, **changes}
    ).on_node(node)
    return simulate(scenario_from_text(text), platform, 0)


def ready(records: RunRecords) -> list[float]:
    return [round(t, 6) for t, _, _ in happened(records, "ready")]


@pytest.mark.parametrize(("start_cpu", "expected"), [("1s", 2 + 2 + 1 + 3), ("5s", 2 + 2 + 1 + 5)])
def test_a_kubelet_comes_before_all_but_the_image_and_looks_while_the_application_starts(
    start_cpu: str, expected: float
) -> None:
    """2 s of pull, 2 s of volumes, 1 s of run; then 3 s until it is seen beside the application's own start."""
    kubelet = {"before": [VOLUMES], "beside": [SEEN]}
    size = "{cpu: {request: 1}, memory: {request: 10MiB}}"
    records = run(service(start_cpu=start_cpu, size=size), kubelet)
    assert ready(records) == [expected]
    took = {name: records.guests[f"startup_{name}"][0] for name in ("pull", "volumes", "run", "seen", "app")}
    own = float(start_cpu.removesuffix("s"))
    assert took == pytest.approx({"pull": 2.0, "volumes": 2.0, "run": 1.0, "seen": 3.0, "app": own})
    alone = run(service(start_cpu=start_cpu, size=size), kubelet, node=False)
    assert ready(alone) == [2 + 1 + own]


def test_a_client_makes_a_burst_and_then_so_many_a_second() -> None:
    """Two calls each, four at once, then one a second: the third waits until 2 s, the fourth until 4 s."""
    guests = service(replicas=4, image="0MB", size="{cpu: {request: 1}, memory: {request: 10MiB}}")
    assert ready(run(guests, {"before": [ASK], "beside": []})) == [1.0, 1.0, 3.0, 5.0]
    assert ready(run(guests, {"before": [{**ASK, "burst": 1}], "beside": []})) == [2.0, 4.0, 6.0, 8.0]
    two = {"before": [ASK], "beside": [{**ASK, "name": "tell"}]}  # one bucket: the ninth call is made at 5 s
    assert ready(run(guests, two)) == [6.0, 8.0, 10.0, 12.0]


def test_layers_are_unpacked_in_turn_where_only_so_many_go_on_at_once() -> None:
    """1 s over the network, 20, 40 and 40 MB at 50 MB/s a core, 1 s onto the disk."""
    guests = service(size="{cpu: {request: 1}, memory: {request: 10MiB}}", image="{layers: [a 20MB, b 40MB, c 40MB]}")
    for most, unpacking in ((1, 2.0), (2, 0.4 + 0.8), (3, 0.8)):
        pull = {**PULL, "unpack": "50MB/s", "unpacks": most}
        assert ready(run(guests, None, startup=[pull, DELAY])) == [pytest.approx(1 + unpacking + 1 + 1)]


def test_a_host_that_falls_breaks_off_both_and_both_begin_again() -> None:
    """Application and kubelet begin at 5 s; the host falls at 6 s and is back at 16 s, and the later end is 3 s on."""
    kubelet = {"before": [VOLUMES], "beside": [SEEN]}
    isolation = {"panic_phases": [], "host_reboot": "10s"}
    size = "{cpu: {request: 1}, memory: {request: 10MiB}}"
    fallen = service(start_cpu="1s", size=size) + "faults: [{kind: host-reboot, at: 6s}]\n"
    records = run(fallen, kubelet, isolation=isolation)
    assert ready(records) == [16.0 + 3.0]
    assert records.integrals["cpu_start"] == pytest.approx(2.0)  # a second before the fall, and one behind it


@pytest.mark.parametrize(
    ("kubelet", "own", "expected"),
    [
        ({"pulls": {"at_once": 1}}, {}, [2.0, 4.0]),
        ({"pulls": {"at_once": 1}}, {"pulls": {"at_once": 2}}, [4.0, 4.0]),  # the platform has said it
        ({"pulls": {"at_once": None}}, {}, [4.0, 4.0]),
        ({}, {}, [2.0, 4.0]),  # the catalogue's: one after the other
    ],
)
def test_a_kubelet_pulls_one_after_the_other(kubelet: Any, own: Any, expected: list[float]) -> None:
    """Two images of 100 MB: 1 s over the network and 1 s onto the disk each, side by side or in turn."""
    size = "{cpu: {request: 1}, memory: {request: 10MiB}}"
    both = service("a", size=size) + service("b", size=size)
    bare = {"before": [], "beside": []}
    assert ready(run(both, bare | kubelet, startup=[PULL], restart={"phases": []}, **own)) == expected


def test_a_scenario_with_a_node_gets_its_kubelet_and_one_without_does_not() -> None:
    text = """
        name: pod
        duration: 60s
        host: {cores: 4, memory: 8GiB}
        NODE
        platforms: [container, docker, gvisor]
        services: {app: {image: {size: 1MB, cached: true}, request_cpu: 1ms, replicas: 1, size: {cpu: 1, memory: 1GiB}}}
    """
    plain = scenario_from_text(text.replace("NODE", ""))
    for node in ("node: kubernetes", "node: {kubelet: true}"):
        pods = scenario_from_text(text.replace("NODE", node))
        for name in ("container", "gvisor"):
            with_it, without = platform_of(pods, name), platform_of(plain, name)
            more = [each.name for each in with_it.startup if each not in without.startup]
            assert more == ["token", "volumes"]
            assert [each.name for each in with_it.beside] == ["seen", "report"]
            assert without.beside == ()
        assert platform_of(pods, "docker") == platform_of(plain, "docker")


def test_mistakes_in_a_kubelet_have_their_place() -> None:
    with pytest.raises(PlatformError) as error:
        load_platform("container", {"kubelet": {"before": {"volumes": {"duration": "soon"}, "x": {"duration": "1s"}}}})
    assert "platforms.container.kubelet.before.volumes.duration" in str(error.value)
    assert "platforms.container.kubelet.before.x" in str(error.value)
    with pytest.raises(PlatformError, match="calls"):
        load_platform("container", {"kubelet": {"beside": {"report": {"calls": 0}}}})
