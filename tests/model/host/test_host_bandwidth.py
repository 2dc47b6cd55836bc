"""A link alone: who gets how much of it, and that what is broken off gives its part back. 100 bytes/s."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
import simpy

from sim.model.host.bandwidth import SharedBandwidth


class Ends:
    """Transfers on a link, and when each ended or was broken off."""

    def __init__(self, capacity: float = 100.0, groups: dict[str, float] | None = None) -> None:
        self.env = simpy.Environment()
        self.link = SharedBandwidth(self.env, capacity, groups)
        self.at: dict[str, float] = {}

    def send(self, name: str, size: float, start: float = 0.0, rate: float = inf, group: str = "") -> simpy.Process:
        return self.env.process(self._story(name, size, start, rate, group))

    def _story(self, name: str, size: float, start: float, rate: float, group: str) -> Any:
        yield self.env.timeout(start)
        try:
            yield from self.link.transfer(size, rate, group)
            self.at[name] = round(self.env.now, 9)
        except simpy.Interrupt:
            self.at[f"{name} broken off"] = round(self.env.now, 9)

    def do(self, time: float, what: Any) -> None:
        def story() -> Any:
            yield self.env.timeout(time)
            what()

        self.env.process(story())

    def run(self) -> dict[str, float]:
        self.env.run()
        return self.at


def test_two_share_and_the_one_left_has_all() -> None:
    ends = Ends()
    ends.send("a", 100)
    ends.send("b", 300)
    assert ends.run() == {"a": 2.0, "b": 4.0}  # both at 50 until 2; then 200 are left at 100


def test_what_a_slow_one_leaves_is_for_the_others() -> None:
    ends = Ends()
    ends.send("slow", 40, rate=20)
    ends.send("fast", 160)
    ends.send("late", 100, start=2.0)
    assert ends.run() == {"slow": 2.0, "fast": 2.0, "late": 3.0}


def test_a_group_has_a_bound_of_its_own() -> None:
    ends = Ends(groups={"registry": 40.0})
    for name in "ab":
        ends.send(name, 40, group="registry")  # 20 each
    ends.send("c", 120)  # 60
    assert ends.run() == {"a": 2.0, "b": 2.0, "c": 2.0}


def test_an_interrupted_transfer_gives_its_bandwidth_back() -> None:
    ends = Ends()
    ends.send("a", 200)
    b = ends.send("b", 500)
    ends.do(1.0, b.interrupt)
    assert ends.run() == {"b broken off": 1.0, "a": 2.5}  # 50 in the first second, then 100


@pytest.mark.parametrize("first", [True, False])
def test_broken_off_at_the_very_moment_of_its_end(first: bool) -> None:
    """Whether the interrupt or the end comes first at 2 s, the link is the next one's from then on."""
    ends = Ends()
    a = ends.send("a", 100)
    ends.send("b", 100)
    moment = 2.0 if first else 2.0 + 1e-12
    ends.do(moment, lambda: a.is_alive and a.interrupt())
    ends.send("c", 100, start=2.0)
    assert ends.run() == {"b": 2.0, "c": 3.0, "a broken off" if first else "a": 2.0}


def test_all_interrupted_leave_an_idle_link() -> None:
    ends = Ends()
    both = [ends.send(name, 1000) for name in "ab"]
    for each in both:
        ends.do(3.0, each.interrupt)
    ends.send("c", 100, start=5.0)
    assert ends.run() == {"a broken off": 3.0, "b broken off": 3.0, "c": 6.0}


def test_nothing_to_send_takes_no_time() -> None:
    ends = Ends()
    ends.send("none", 0)
    assert ends.run() == {"none": 0.0}


def test_a_load_slows_transfers_and_leaves_them_a_hundredth() -> None:
    ends = Ends()
    ends.send("a", 101)
    ends.do(1.0, lambda: ends.link.load(1e9))  # 1 byte is left, at 1 byte/s
    assert ends.run() == {"a": 2.0}


@pytest.mark.parametrize("load", [0.0, 50.0])
def test_a_load_that_ends_gives_all_back(load: float) -> None:
    ends = Ends()
    ends.link.load(load)
    ends.send("a", 200)
    ends.do(1.0, lambda: ends.link.load(0.0))
    assert ends.run() == {"a": 1.0 + (100.0 + load) / 100.0}


def test_a_thousand_equal_ones_end_together() -> None:
    ends = Ends()
    for i in range(1000):
        ends.send(str(i), 1)
    assert set(ends.run().values()) == {10.0}
