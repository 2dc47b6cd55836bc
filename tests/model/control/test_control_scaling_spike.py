"""From 1 to 10 pods in about ten minutes, and why: a late metric that shows no more than the limit."""

from __future__ import annotations

from pathlib import Path

from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import load_scenario

SPIKE = Path(__file__).parents[3] / "scenarios" / "questions" / "hpa-spike.yaml"


def test_each_cycle_adds_a_quarter_and_lasts_until_the_new_pods_are_seen() -> None:
    """Spike at 180 s; 60 s of delay and 30 s of window: n to ceil(1.25 n) every 90 s, 10 pods after 630 s."""
    scenario = load_scenario(SPIKE)
    events = simulate(scenario, load_platform("container", scenario.platforms["container"]), 0).events
    grown = [(t, d) for t, e, d in zip(events["time"], events["event"], events["detail"], strict=True) if e == "scale"]
    steps = ["1 to 2", "2 to 3", "3 to 4", "4 to 5", "5 to 7", "7 to 9", "9 to 10"]
    assert [str(detail).partition(": ")[2] for _, detail in grown] == steps
    assert [time for time, _ in grown] == [180.0 + 90.0 * i for i in range(1, 8)]
