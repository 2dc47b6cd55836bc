"""The random cases are reproducible and reach everything that they are there to compare."""

import math
from collections import Counter

import pytest

from .cases import ROUTINGS, Shape, random_case

FLAGS = ("unequal", "bounded", "timeouts", "late", "boots", "drains", "deaths", "memory", "cut")


def shape(**more: object) -> Shape:
    return Shape(**{"services": 2, "guests": 5, "arrivals": 60, "load": 1.2, "cores": 2.0, **more})


def test_same_arguments_same_case():
    full = shape(routing="random", concurrency=3, **dict.fromkeys(FLAGS, True))
    case = random_case(full, 5)
    assert random_case(full, 5) == case
    assert random_case(full, 6).arrivals != case.arrivals
    assert eval(repr(case), {"random_case": random_case, "Shape": Shape}) == case


@pytest.mark.parametrize("routing", ROUTINGS)
def test_cases_with_every_feature_meet_every_fate(routing: str):
    fates, booted, killed_by_memory, served_late = Counter[str](), 0, 0, 0
    for seed in range(30):
        case = random_case(shape(routing=routing, concurrency=3, **dict.fromkeys(FLAGS, True)), seed)
        outcomes, boots = case.expected()
        fates.update(o.status for o in outcomes)
        booted += sum(not math.isnan(done) for done in boots)
        served_late += sum(o.status == "timed-out" and not math.isnan(o.start) for o in outcomes)
        deaths = {o.finish for o in outcomes if o.status == "failed"}
        killed_by_memory += len(deaths - {guest.dies for guest in case.guests})
    assert set(fates) == {"completed", "rejected", "timed-out", "failed", "in-flight", "not-arrived"}
    assert min(fates.values()) >= 20
    assert min(booted, killed_by_memory, served_late) >= 10


def test_load_goes_from_idle_to_overload():
    """With all features off, the share of requests that had to wait grows with the load, from few to most."""

    def waited(load: float) -> float:
        cases = [random_case(shape(load=load, routing="random", concurrency=1), seed) for seed in range(20)]
        pairs = [(a, o) for case in cases for a, o in zip(case.arrivals, case.expected()[0], strict=True)]
        return sum(o.start != a.time for a, o in pairs) / len(pairs)

    assert waited(0.1) < 0.2
    assert waited(3.0) > 0.6
