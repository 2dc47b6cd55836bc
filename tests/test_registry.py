"""The registry: names of every kind, what they mean, and what is told of a plug-in that is broken."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest

from sim import registry
from sim.registry import PluginError
from sim.scenario import Hpa, Mmpp, Rule, Source


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds is gone after it."""
    monkeypatch.setattr(registry, "_ENTRIES", {kind: dict(known) for kind, known in registry._ENTRIES.items()})
    yield
    registry._find.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, kind: str, **points: str) -> list[str]:
    """Pretend that packages have these entry points; each look-up is noted in the list given back."""
    asked: list[str] = []

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        asked.append(group)
        found = points.items() if group == f"hostsim.{kind}" else ()
        return [metadata.EntryPoint(name.replace("_", "-"), value, group) for name, value in found]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    registry._find.cache_clear()
    return asked


def test_the_projects_own_are_there() -> None:
    assert registry.names("autoscalers")[:3] == ("hpa", "concurrency", "per-request")
    assert registry.spec("autoscalers", "hpa") is Hpa
    assert registry.spec("traffic", "mmpp") is Mmpp
    assert {"pull", "delay"} <= set(registry.names("phases"))
    assert "host-patch" in registry.names("faults")
    assert {"container", "container-in-vm", "vm"} <= set(registry.names("platforms"))


def test_the_nearest_name_is_found() -> None:
    assert registry.nearest("traffic", "Constant_VU") == "constant-vus"
    assert registry.nearest("traffic", "xyzzy") is None


def test_an_unknown_name_has_no_spec() -> None:
    with pytest.raises(KeyError):
        registry.spec("traffic", "xyzzy")


class Steady:
    class Spec(Rule):
        extra: int = 3

    def decide(self, state: Any) -> int:
        return 2


class Wrong:
    Spec = dict

    def decide(self, state: Any) -> int:
        return 2


def test_an_entry_point_is_found_once_and_loaded_when_used(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = installed(monkeypatch, "autoscalers", steady=f"{__name__}:Steady", gone="no.such.module")
    assert registry.names("autoscalers")[-2:] == ("gone", "steady")
    assert registry.spec("autoscalers", "steady") is Steady.Spec
    assert registry.behaviour("autoscalers", "steady") is Steady
    assert asked == ["hostsim.autoscalers"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no.such.module", "ModuleNotFoundError: No module named 'no'"),
        (f"{__name__}:nothing", "AttributeError"),
        (f"{__name__}:Wrong", "its Spec must be a subclass of Rule"),
        (f"{__name__}:installed", "it has no function decide"),
    ],
)
def test_a_broken_plugin_is_named(fresh: None, monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    installed(monkeypatch, "autoscalers", mine=value)
    with pytest.raises(PluginError) as error:
        registry.spec("autoscalers", "mine")
    assert f"entry point mine = {value} in hostsim.autoscalers" in str(error.value)
    assert why in str(error.value)


def test_a_plugin_cannot_take_a_name_that_is_taken(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "autoscalers", hpa=f"{__name__}:Steady")
    with pytest.raises(PluginError, match=r"entry point hpa .* the name is taken"):
        registry.names("autoscalers")


def test_a_script_registers_with_decorators(fresh: None) -> None:
    for number in (1, 2):  # a cell that is run again

        @registry.arrivals("every-ten")
        def every_ten(rng: Any, duration: float, step: float = 10.0 * number) -> list[float]:
            return [0.0, step]

    assert registry.spec("traffic", "every-ten") is Source
    assert registry.behaviour("traffic", "every-ten")(None, 20.0, None) == [0.0, 20.0]
    registry.autoscaler("steady")(Steady)
    assert registry.spec("autoscalers", "steady") is Steady.Spec
    with pytest.raises(ValueError, match="the name 'hpa' is taken"):
        registry.autoscaler("hpa")(Steady)


def test_a_worker_unpacks_what_a_script_registered(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.luggage() == b""
    registry.autoscaler("steady")(Steady)
    packed = registry.luggage()
    registry._ENTRIES["autoscalers"].pop("steady")
    registry.unpack(packed)
    assert registry.behaviour("autoscalers", "steady") is Steady
    registry.unpack(b"")


def test_what_cannot_be_sent_to_a_worker_says_so(fresh: None) -> None:
    import threading

    lock = threading.Lock()
    registry.add("traffic", "locked", spec=Source, behaviour=lambda rng, duration, source: lock)
    with pytest.raises(PluginError, match=r"locked \(traffic\): .*use one worker"):
        registry.luggage()
