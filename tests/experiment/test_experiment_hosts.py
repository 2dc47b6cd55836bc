"""How many hosts that many take, and where single runs end: by hand, from answers made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sim.experiment.density.answer import Capacity, Hosts, Question
from sim.experiment.density.objectives import Verdict
from sim.experiment.density.search import Density, Load
from sim.scenario import scenario_from_text

TEXT = """
name: hosts
duration: 1min
host: {cores: 4, memory: 8GiB}
platforms: [container]
services: {app: {image: 1MB, request_cpu: 1ms, size: {container: {cpu: {request: 1}, memory: {request: 1MiB}}}}}
"""


def answer(most: float | None, safe: float | None = None, high: float | None = None, curve: Any = ()) -> Density:
    loads = tuple(
        Load(value, Verdict(holds=kept == of, replications=of, kept=kept, objectives={}, broke=()))
        for value, kept, of in curve
    )
    return Density("container", most, None, loads, 1, safe=safe, high=high)


def sentence(found: Density, want: float | None, asked: bool = True) -> str:
    question = Question(scenario_from_text(TEXT), "services.app.tenants", want=want, asked=asked)
    return Capacity(question, (found,)).sentences[0]


@pytest.mark.parametrize(
    ("most", "safe", "high", "want", "hosts"),
    [
        (111, 106, 136, 500, (5, 4, 5)),  # 4.50, 3.68 and 4.72 hosts
        (100, 100, None, 500, (5, 5, 5)),  # exactly five, not six by rounding
        (0.3, 0.3, None, 0.9, (3, 3, 3)),  # a factor on the traffic
        (7, None, 7, 8, (2, 2, None)),  # no number is safe
        (50, 50, 50, 20, (1, 1, 1)),
    ],
)
def test_hosts_are_what_is_wanted_by_what_one_carries(most: Any, safe: Any, high: Any, want: Any, hosts: Any) -> None:
    found = Hosts.of(answer(most, safe, high), want)
    assert found is not None
    assert (found.hosts, found.low, found.high) == hosts


def test_it_is_told_with_its_interval() -> None:
    assert "500 take 5 hosts (4 to 5) like this, none spare" in sentence(answer(111, 106, 136), 500)
    assert "20 take 1 host like this" in sentence(answer(50, 50, 50), 20)
    assert "8 take 2 hosts (2 to more) like this" in sentence(answer(7, None, 7), 8)
    assert "no number of such hosts is enough for 3" in sentence(answer(None), 3)
    assert "host" not in sentence(answer(50, 50, 50), None)


def test_the_files_own_tenants_are_told_where_one_host_is_not_enough() -> None:
    assert "the file's 120 take 3 hosts like this" in sentence(answer(50, 50, 50), 120, asked=False)
    assert "take" not in sentence(answer(50, 50, 50), 30, asked=False)


def test_single_runs_end_between_the_last_without_loss_and_the_first_without_any() -> None:
    curve = [(100, 5, 5), (110, 5, 5), (120, 3, 5), (130, 1, 5), (140, 0, 5), (200, 0, 3)]
    assert answer(110, curve=curve).singles == (110, 140)
    assert "single runs end between 110 and 140" in sentence(answer(110, curve=curve), None)
    assert answer(110, curve=[(110, 5, 5), (111, 0, 3)]).singles is None  # nothing between: all end there
    assert answer(110, curve=[(110, 5, 5), (120, 3, 5)]).singles is None  # where the last one ends is not known
