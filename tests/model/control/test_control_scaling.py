"""What autoscalers decide, from a state written by hand; and when fixed numbers, ramps and rules are carried out."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from model.small_world import FakeFleet, FakeService, Told, at, service, small_world
from sim.model.control import scaling
from sim.model.control.scaling import ConcurrencyRule, HpaRule

HPA = SimpleNamespace(
    target_cpu=0.5,
    sync=10.0,
    metric_delay=0.0,
    stabilization=30.0,
    tolerance=0.1,
    up_pods=4,
    up_ratio=1.0,
    up_period=0.0,
)
KNATIVE = SimpleNamespace(target=2.0, window=60.0, sync=2.0)


def state(rule: Any, now: float = 0.0, **values: Any) -> Any:
    """A service's state; replicas of one core each."""
    defaults = {"wanted": 1, "ready": 1, "in_flight": 0, "work": 0.0, "cpu_each": 1.0}
    return SimpleNamespace(rule=rule, now=now, **(defaults | values))


@pytest.mark.parametrize(
    ("cores", "ready", "wanted", "decided"),
    [
        (1.0, 1, 1, 2),  # twice the target of half a core
        (2.0, 2, 2, 4),
        (0.54, 1, 1, 1),  # within the tolerance of a tenth
        (0.56, 1, 1, 2),
        (5.0, 1, 1, 5),  # ten are desired: at most four more, or twice as many
        (9.0, 6, 6, 12),
        (3.0, 2, 4, 6),  # two are not ready: idle; 3 / (4 x 0.5) = 1.5 of what it should be
        (2.1, 2, 4, 4),  # counted so, nearly enough are wanted
        (0.1, 4, 4, 1),
        (0.0, 4, 4, 0),  # between min and max is not the rule's matter
        (3.0, 0, 3, 3),  # none is ready: nothing is known
    ],
)
def test_hpa_has_kubernetes_arithmetic(cores: float, ready: int, wanted: int, decided: int) -> None:
    assert HpaRule().decide(state(HPA, work=10.0 * cores, ready=ready, wanted=wanted)) == decided


def test_hpa_looks_at_the_work_since_the_last_time() -> None:
    rule = HpaRule()
    assert rule.decide(state(HPA, 10.0, work=10.0)) == 2
    assert rule.decide(state(HPA, 20.0, work=20.0, ready=2, wanted=2)) == 2  # a core for two: as it should be
    assert rule.decide(state(HPA, 30.0, work=60.0, ready=2, wanted=2)) == 6


def test_hpa_acts_on_what_was_used_so_long_ago() -> None:
    """Four cores from 10 s on: seen at 40 s if the metric is 20 s old, half of them if 25 s, at 20 s without delay."""
    for delay, decided in ((20.0, [1, 1, 1, 5]), (25.0, [1, 1, 1, 4]), (0.0, [0, 5, 5, 5])):
        rule = HpaRule()
        slow = SimpleNamespace(**(vars(HPA) | {"metric_delay": delay}))
        works = [(10.0, 0.0), (20.0, 40.0), (30.0, 80.0), (40.0, 120.0)]
        assert [rule.decide(state(slow, now, work=work)) for now, work in works] == decided


def test_hpa_counts_as_idle_those_that_were_not_ready_then() -> None:
    """Three cores by one replica 20 s ago is sixfold; the three that came since use nothing: 3 / (4 × 0.5) = 1.5."""
    rule, slow = HpaRule(), SimpleNamespace(**(vars(HPA) | {"metric_delay": 20.0}))
    seen = [rule.decide(state(slow, 10.0 * i, work=30.0 * i, ready=1 if i < 3 else 4, wanted=4)) for i in range(1, 5)]
    assert seen == [4, 4, 6, 6]


def test_hpa_adds_no_more_than_its_policy_in_a_period() -> None:
    """1 replica, 100 cores: 5 at once, then nothing until the period of 30 s is over."""
    rule, wanted, decided = HpaRule(), 1, []
    slow = SimpleNamespace(**(vars(HPA) | {"up_period": 30.0}))
    for i in range(1, 9):
        wanted = rule.decide(state(slow, 10.0 * i, work=1000.0 * i, ready=wanted, wanted=wanted))
        decided.append(wanted)
    assert decided == [5, 5, 5, 10, 10, 10, 20, 20]


def test_hpa_takes_nobody_away_because_it_has_added_many_lately() -> None:
    """4 are added, then a fault leaves 2: more is wanted, the policy of the period allows no more, and nobody goes."""
    rule = HpaRule()
    slow = SimpleNamespace(**(vars(HPA) | {"up_period": 100.0, "up_pods": 1}))
    assert rule.decide(state(slow, 10.0, work=100.0, ready=4, wanted=4)) == 8
    assert rule.decide(state(slow, 20.0, work=200.0, ready=2, wanted=2)) == 2


def test_hpa_goes_down_to_the_highest_desire_of_its_window() -> None:
    rule, work, decided = HpaRule(), 0.0, []
    for i, cores in enumerate([2.0, 1.0, 0.4, 0.4, 0.4, 0.4]):
        work += 10.0 * cores
        decided.append(rule.decide(state(HPA, 10.0 * i, work=work, ready=4, wanted=4)))
    # desires are 4, 2, 1, 1, 1, 1; each counts for 30 s
    assert decided == [4, 4, 4, 4, 2, 1]


def decide(counts: Sequence[int], **values: Any) -> list[int]:
    rule = ConcurrencyRule()
    return [rule.decide(state(KNATIVE, 2.0 * i, in_flight=n, **values)) for i, n in enumerate(counts)]


def test_concurrency_is_the_mean_of_the_window_over_the_target() -> None:
    assert decide([4, 4, 4, 1], ready=4, wanted=4) == [2, 2, 2, 2]  # 13 / 4 / 2 = 1.6
    assert decide([4] * 30 + [0] * 30, ready=4, wanted=4)[-1] == 0  # 60 s later nothing is left in the window
    assert decide([4] * 30 + [0] * 29, ready=4, wanted=4)[-1] == 1


def test_concurrency_panics_at_twice_what_the_ready_ones_carry() -> None:
    assert decide([0] * 20 + [11], ready=3, wanted=3) == [0] * 20 + [1]  # 11 over 3 samples is 2: not twice three
    calm = decide([0] * 27 + [36, 36, 36], ready=10, wanted=10)
    assert calm[-1] == 2  # 108 / 30 / 2
    panicking = decide([0] * 27 + [36, 36, 36, 0, 0, 0], ready=3, wanted=3)
    # 36 over 3 samples is twice three at once; from then on it follows the short window up and down
    assert panicking[27:] == [6, 12, 18, 12, 6, 3]


def test_panic_ends_a_window_after_the_last_sign_of_it() -> None:
    decided = decide([12, *[0] * 40], ready=1, wanted=5)
    # the burst leaves the short window at 6 s: the mean of three samples, 2, is still twice one ready; then 60 s
    assert [i for i, n in enumerate(decided) if n >= 5] == list(range(32))  # every 2 s, up to 62 s


class Plane:
    """A service that follows at once, and when it was told what."""

    def __init__(self, spec: str, room: int = 1000) -> None:
        key, value = spec.split("=", 1)
        self.world = small_world(service(**{"replicas": None, key: value}))
        self.told = Told(self.world)
        self.service = FakeService(spec=self.world.scenario.services["app"], room=room)
        self.world.plane.add_service()
        self.counts: list[tuple[float, int]] = []
        self.last = 0

    def run(self, until: float) -> list[tuple[float, int]]:
        fleet: Any = FakeFleet([self.service])
        scaling.begin(self.world, fleet)
        for i in range(int(until * 2)):
            at(self.world, 0.25 + i / 2, self.look)
        self.world.env.run(until=until)
        return self.counts

    def look(self) -> None:
        if self.service.wanted != self.last:
            self.last = self.service.wanted
            self.counts.append((self.world.env.now - 0.25, self.last))


def test_a_fixed_number_is_there_from_the_start() -> None:
    assert Plane("replicas=3").run(5.0) == [(0.0, 3)]


def test_a_ramp_adds_until_there_are_enough() -> None:
    assert Plane("replicas={add: 2, every: 2s, max: 5}").run(20.0) == [(0.0, 2), (2.0, 4), (4.0, 5)]


def test_a_ramp_ends_where_the_host_refuses() -> None:
    assert Plane("replicas={add: 2, every: 2s}", room=3).run(20.0) == [(0.0, 2), (2.0, 3)]


@pytest.mark.parametrize(("down", "ends"), [(False, True), (True, False)])
def test_a_ramp_ends_when_another_is_refused_but_not_because_the_host_was_down(down: bool, ends: bool) -> None:
    plane = Plane("replicas={add: 1, every: 2s, max: 4}")
    at(plane.world, 3.0, lambda: plane.world.signals.start_refused.fire("other", "why", down))
    assert plane.run(20.0) == [(0.0, 1), (2.0, 2), *([] if ends else [(4.0, 3), (6.0, 4)])]


def test_a_ramp_ends_when_memory_has_run_out() -> None:
    plane = Plane("replicas={add: 1, every: 2s, max: 4}")
    at(plane.world, 3.0, plane.world.signals.memory_ran_out.fire)
    assert plane.run(20.0) == [(0.0, 1), (2.0, 2)]


def test_a_rule_is_asked_at_every_sync_and_kept_between_min_and_max(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    answers = [9, 3, 3, 0, 2]

    class Mine:
        def decide(self, state: Any) -> int:
            asked.append(state.now)
            return answers[len(asked) - 1]

    monkeypatch.setattr(scaling.registry, "behaviour", lambda kind, name: Mine)
    plane = Plane("autoscale={rule: hpa, min: 1, max: 5, target_cpu: 50%, sync: 10s}")
    assert plane.run(55.0) == [(0.0, 1), (10.0, 5), (20.0, 3), (40.0, 1), (50.0, 2)]
    assert asked == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert plane.told.rows == [  # nothing is told where nothing changes
        (10.0, "1 to 5", "app"), (20.0, "5 to 3", "app"), (40.0, "3 to 1", "app"), (50.0, "1 to 2", "app"),
    ]  # fmt: skip
