"""What was measured on real kernels, beside the simulator and beside the rule that the kernel's source describes."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from period_bucket import Bucket

from sim.calibration.recordings import DATA, Case, Measurements, folders
from validation.compare import STATISTICS, Line, compare
from validation.predict import RULES
from validation.report import page

RECORDED = Measurements(DATA / "real-scheduler")


@cache
def lines() -> list[Line]:
    return compare(RECORDED)


def of(kind: str, cpus: int | None = None) -> list[Line]:
    return [line for line in lines() if line.case.kind == kind and cpus in (None, line.case.cpus)]


def errors(chosen: list[Line], what: str, rule: str = RULES[0]) -> np.ndarray:
    return np.array([pair.error(what, rule) for line in chosen for pair in line.pairs])


def share_within(values: np.ndarray, bound: float) -> float:
    return float(np.mean(np.abs(values) <= bound))


# the data itself


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_what_ships_is_whole_and_possible(folder) -> None:
    measured = Measurements(folder)
    assert {"date", "kernel", "cpu", "cpus", "cgroup", "licence"} <= set(measured.host)
    frame = measured.requests
    assert set(frame["case"]) == {case.name for case in measured.cases}
    ended = frame[frame["finish"].notna()]
    assert len(ended) > 0.5 * len(frame)
    tolerance = 5e-6  # whole microseconds, and the thread's clock is read a little after the wall's
    assert (ended["start"] >= ended["arrival"] - tolerance).all()
    assert (ended["finish"] - ended["start"] >= ended["demand"] - tolerance).all()
    for case in measured.cases:
        for number in range(len(case.repetitions)):
            own = measured.of(case, number).groupby("group", observed=True)
            assert set(own.groups) == {group.name for group in case.groups}
            assert own["arrival"].is_monotonic_increasing.all()


def test_no_group_was_given_more_than_its_limit() -> None:
    """0.5 cores of each 100 ms: in no window more than a budget for each period that it touches, and a tick of debt."""
    for case in RECORDED.cases:
        if case.kind != "quota":
            continue
        for number in range(len(case.repetitions)):
            frame = RECORDED.of(case, number)
            work = frame.sort_values("finish")["demand"].cumsum().iloc[-1]
            span = frame["finish"].max() - frame["arrival"].min()
            assert work <= 0.05 * (span / 0.1 + 2) + 0.004 * case.cpus


# weights


@pytest.mark.slow
def test_on_one_cpu_weights_are_what_the_model_says() -> None:
    found = errors(of("weights", 1), "mean")
    assert found.size == 8
    assert np.abs(found).max() < 0.06
    assert abs(np.median(found)) < 0.02
    assert np.abs(errors(of("weights", 1), "p99")).max() < 0.06


@pytest.mark.slow
def test_two_busy_cpus_are_slower_than_one_pool_of_cores() -> None:
    """A thread stays on the queue of its CPU while the other CPU works for somebody else; the model has one pool."""
    found = errors(of("weights", 2), "mean")
    assert found.size == 20
    assert -0.30 < np.median(found) < -0.10


# limits


@pytest.mark.slow
def test_a_plain_cap_is_no_model_of_a_limit() -> None:
    found = errors(of("quota"), "mean", "fluid")
    assert found.size == 21
    assert 0.6 < found.mean() < 0.8
    assert found.max() > 1.5
    assert found.min() > 0, "a cap is always too slow"


@pytest.mark.slow
@pytest.mark.skipif("period" not in RULES, reason="the engine has no limits by period")
def test_limits_by_period_are_within_a_tenth() -> None:
    chosen = of("quota")
    for what in ("mean", "p99"):
        assert share_within(errors(chosen, what), 0.10) >= 0.9
    pairs = [pair for line in chosen for pair in line.pairs]
    for pair in pairs:
        measured, said = pair.measured, pair.predicted["period"]
        assert said.ratio == pytest.approx(measured.ratio, rel=0.10, abs=0.02)
    alone = [pair for line in chosen if line.case.cpus == 1 for pair in line.pairs]
    assert abs(np.median([pair.predicted["period"].time / pair.measured.time - 1 for pair in alone])) < 0.10


@pytest.mark.slow
def test_the_page_is_what_this_code_finds() -> None:
    """If not: `python -m validation report`."""
    kept = (DATA.parents[1] / "docs" / "validation.md").read_text("utf-8")
    made, _ = page([Measurements(folder) for folder in folders()], "validation.png")
    number = re.compile(r"[+-]?\d+(?:\.\d+)?")
    assert number.sub("#", made) == number.sub("#", kept)
    found, told = (np.array([float(each) for each in number.findall(text)]) for text in (made, kept))
    np.testing.assert_allclose(found, told, rtol=1e-3, atol=0.11)  # the last digit


# the rule itself, as far as the data can tell, without the engine


def served(case: Case, number: int, phase: float) -> tuple[Bucket, np.ndarray, np.ndarray]:
    """The bucket on measured requests, and the response times in it and in reality."""
    frame, group = RECORDED.of(case, number), case.groups[0]
    arrival = frame["arrival"].to_numpy()
    bucket = Bucket(group.threads, case.cpus, group.limit * 0.1, 0.1, phase)
    bucket.serve(arrival.tolist(), frame["demand"].tolist())
    return bucket, np.array(bucket.finish) - arrival, (frame["finish"] - frame["arrival"]).to_numpy()


def quota_runs() -> list[tuple[Case, int]]:
    return [
        (case, number) for case in RECORDED.cases if case.kind == "quota" for number in range(len(case.repetitions))
    ]


def test_the_kernel_counts_periods_with_one_more_after_the_work() -> None:
    runs = quota_runs()
    assert len(runs) == 21
    for case, number in runs:
        counted = case.repetitions[number].throttling["limited"]
        buckets = [served(case, number, (k + 0.5) / 80)[0] for k in range(8)]
        periods, throttled, stood_still = (
            np.mean([getattr(bucket, name) for bucket in buckets]) for name in ("periods", "throttled", "stood_still")
        )
        assert periods == pytest.approx(counted["periods"], rel=0.025)
        # a little more in the bucket: the kernel sees at a tick (4 ms here) that a budget is gone, and work that ends
        # before the tick is not throttled
        assert throttled == pytest.approx(counted["throttled"], rel=0.10, abs=6)
        if counted["throttled"] > 20:
            assert 0.95 < stood_still / counted["time"] < (1.15 if case.cpus == 1 else 1.5)


def test_a_bucket_by_period_is_within_a_tenth() -> None:
    means, tails = [], []
    for case, number in quota_runs():
        phases = [served(case, number, phase)[1:] for phase in (0.0125, 0.0375, 0.0625, 0.0875)]
        for into, what in ((means, "mean"), (tails, "p99")):
            of = STATISTICS[what]
            into.append(np.mean([of(response) for response, _ in phases]) / of(phases[0][1]) - 1)
    assert share_within(np.array(means), 0.10) >= 0.9
    assert share_within(np.array(tails), 0.10) >= 0.85
    assert abs(np.median(means)) < 0.03


def test_periods_lie_on_one_grid_also_after_idle_times() -> None:
    """A phase chosen once, for 30 s with many idle stretches, explains single requests: other phases are far worse."""
    case = next(case for case in RECORDED.cases if case.name == "40 ms, load 0.6, 1 thread")
    off = []
    for phase in np.arange(20) * 0.005 + 0.0025:
        _, response, measured = served(case, 0, phase)
        off.append(np.abs(response - measured).mean())
    assert min(off) < 0.004
    assert max(off) > 4 * min(off)


def test_the_bucket_by_hand() -> None:
    # budget 50 ms a period of 100 ms, boundaries at 10, 110, 210 ms; one thread
    # work of 120 ms from 0: 10 ms until the boundary, 50 until 60, stands still to 110, 50 until 160, to 210, 10 more
    bucket = Bucket(1, 1, 0.05, 0.1, 0.01).serve([0.0], [0.12])
    assert bucket.finish == pytest.approx([0.22])
    assert (bucket.throttled, bucket.stood_still) == (2, pytest.approx(0.1))
    # four threads on two CPUs: a budget of 50 ms lasts 25 ms
    bucket = Bucket(4, 2, 0.05, 0.1, 0.0).serve([0.0] * 4, [0.02] * 4)
    assert bucket.finish == pytest.approx([0.115] * 4)
    assert bucket.stood_still == pytest.approx(0.15)
