"""Metrics of hand-made records, against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sim.report.metrics.measures import SummaryRow, measure
from sim.terms.records import RunRecords

from .fixtures import FakeScenario, FakeService, FakeSlo, burst, exact, histogram, tally


def tiny(**changes: object) -> RunRecords:
    """Span [10, 20], two services, two starts in the span and one before it."""
    nan = np.nan
    records = replace(
        burst("vm"),
        services=("a", "b"),
        warmup=10.0,
        duration=20.0,
        cores=4.0,
        memory=100.0,
        requests={"a": tally(exact([1.0, 2.0, 3.0]), rejected=1), "b": tally(exact([5.0]), timed_out=2, in_flight=1)},
        guests={
            "service": np.array(["a", "a", "b", "b"], dtype=object),
            "guest": np.array(["a-0", "a-1", "b-0", "b-1"], dtype=object),
            "requested": np.array([0.0, 8.0, 12.0, 19.0]),
            "ready": np.array([9.0, 10.0, 16.0, nan]),
            "stopped": np.full(4, nan),
            "stop_reason": np.full(4, "", dtype=object),
            "startup_pull": np.array([5.0, nan, 1.0, nan]),
            "startup_app": np.array([4.0, 2.0, 3.0, nan]),
        },
        integrals={
            "cpu_request": 12.0, "cpu_start": 8.0, "cpu_boot": 2.0, "cpu_tax": 1.0, "cpu_idle": 1.0,
            "cpu_allocated": 30.0, "memory_used": 250.0, "memory_allocated": 500.0, "memory_stranded": 300.0,
            "guests": 25.0,
        },
        service_integrals={"a": {"cpu_request": 12.0, "memory_used": 100.0, "guests": 15.0}},
        peaks={"guests": 3.0},
        counters={"refused": 2.0, "oom_kills": 0.0, "something_new": 5.0},
        scale_out={"a": 4.0, "b": 7.0},
    )  # fmt: skip
    return replace(records, **changes)


def by_name(records: RunRecords, service: str = "all", scenario: FakeScenario | None = None) -> dict[str, float]:
    rows = measure(records, scenario or FakeScenario(services={"a": FakeService(), "b": FakeService()}))
    return {row.metric: row.value for row in rows if row.service == service}


def test_what_the_host_was_doing_while_requests_were_lost() -> None:
    # starts: 0-9 and 8-10 s, 12-16 s, from 19 s on; a sample's lost = arrived - completed - more in flight
    time = np.arange(0.0, 21.0)
    lost = np.zeros(21)
    lost[[5, 11, 12, 13, 18, 20]] = [99, 1, 2, 4, 8, 16]  # 99 of them in the transient; 11 to 12 s: before a start
    in_flight = np.where(time < 15, 3.0, 5.0)
    completed = np.full(21, 7.0) - np.diff(in_flight, prepend=in_flight[0])
    line = {"time": time, "arrivals": 7.0 + lost, "completed": completed, "in_flight": in_flight,
            "ready": np.where(time < 17, 3.0, 4.0)}  # fmt: skip
    found = by_name(tiny(timeline=line, density_max=4))
    assert found["lost.starting"] == pytest.approx((2 + 4 + 16) / 31)  # the sample to 12 s holds the start at 12 s
    assert found["lost.full"] == pytest.approx(8 / 31)
    assert by_name(tiny(timeline=line, density_max=None))["lost.full"] == 0.0
    assert "lost.full" not in by_name(tiny(timeline=line | {"arrivals": np.full(21, 7.0)}))


def test_request_counts_add_up_over_services() -> None:
    found = by_name(tiny())
    assert (found["requests.arrived"], found["requests.completed"]) == (8, 4)
    parts = ("completed", "rejected", "timed_out", "failed", "in_flight")
    assert sum(found[f"requests.{part}"] for part in parts) == found["requests.arrived"]
    assert found["goodput"] == pytest.approx(4 / 10)


def test_response_over_all_services_is_of_the_joined_sample() -> None:
    found = by_name(tiny())
    assert found["response.mean"] == pytest.approx(11 / 4)
    assert found["response.p50"] == pytest.approx(2.5)
    assert found["response.p99"] == pytest.approx(np.quantile([1, 2, 3, 5], 0.99))
    assert by_name(tiny(), "b")["response.p50"] == 5.0


def test_waiting_mean_is_of_the_requests_that_were_started() -> None:
    served = replace(tally(exact([1.0, 3.0])), waiting_sum=6.0, waiting_count=4)
    assert by_name(tiny(requests={"a": served}))["waiting.mean"] == pytest.approx(1.5)


def test_time_weighted_ratios_have_span_times_capacity_as_denominator() -> None:
    found = by_name(tiny())
    assert found["cpu.utilization"] == pytest.approx((12 + 8) / (4 * 10))
    assert found["cpu.overhead"] == pytest.approx((2 + 1 + 1) / (4 * 10))
    assert found["cpu.allocated"] == pytest.approx(30 / 40)
    assert found["memory.used"] == pytest.approx(0.25)
    assert found["memory.allocated"] == pytest.approx(0.5)
    assert found["memory.stranded"] == pytest.approx(0.3)
    assert found["guests.mean"] == pytest.approx(2.5)


def test_a_service_has_only_the_ratios_whose_parts_are_all_known() -> None:
    found = by_name(tiny(), "a")
    assert found["memory.used"] == pytest.approx(0.1)
    assert found["guests.mean"] == pytest.approx(1.5)
    assert not {"cpu.utilization", "cpu.overhead", "guests.peak"} & set(found)


def test_a_start_counts_when_it_became_ready_in_the_span() -> None:
    found = by_name(tiny())
    assert found["startup.max"] == pytest.approx(4.0)  # not the 9 s of the start before the span
    assert found["startup.mean"] == pytest.approx((2 + 4) / 2)
    assert found["startup.p50"] == pytest.approx(3.0)
    assert found["startup.pull.max"] == pytest.approx(1.0)  # the guest that did not pull has no value
    assert found["startup.app.mean"] == pytest.approx(2.5)


def test_metrics_that_cannot_exist_are_absent() -> None:
    nothing = tiny(requests={"a": tally(exact([]), rejected=3)}, scale_out={}, counters={})
    found = by_name(nothing)
    assert found["requests.rejected"] == 3
    assert not any(
        name.startswith(("response", "scale_out", "guests.refused", "oom", "density", "slo")) for name in found
    )
    late = by_name(tiny(warmup=18.0))
    assert not any(name.startswith("startup") for name in late)


def test_counters_become_metrics_under_their_documented_names() -> None:
    found = by_name(tiny(density_max=17.0))
    assert (found["guests.refused"], found["oom.kills"], found["density.max"]) == (2, 0, 17)
    assert not any("something" in name for name in found)


def test_scale_out_of_the_host_is_the_longest() -> None:
    assert by_name(tiny())["scale_out.time"] == 7.0
    assert by_name(tiny(), "a")["scale_out.time"] == 4.0


@pytest.mark.parametrize(
    ("slo", "held"),
    [
        (FakeSlo(p50=2.4), 1.0),  # the rejected one never came back: p50 of four is p67 of the three, 2.33 s
        (FakeSlo(p50=2.3), 0.0),
        (FakeSlo(p99=3.0), 0.0),  # a quarter was rejected
        (FakeSlo(availability=0.75), 1.0),
        (FakeSlo(availability=0.76), 0.0),
        (FakeSlo(p50=2.0, p95=0.1), 0.0),
    ],
)
def test_slo_holds_when_every_objective_holds(slo: FakeSlo, held: float) -> None:
    scenario = FakeScenario(services={"a": FakeService(slo), "b": FakeService()})
    assert by_name(tiny(), "a", scenario)["slo.met"] == held
    assert by_name(tiny(), "all", scenario)["slo.met"] == held
    assert "slo.met" not in by_name(tiny(), "b", scenario)


def test_requests_in_flight_are_not_held_against_the_availability() -> None:
    scenario = FakeScenario(services={"a": FakeService(FakeSlo(availability=1.0)), "b": FakeService()})
    undecided = tiny(requests={"a": tally(exact([1.0]), in_flight=5)})
    assert by_name(undecided, "a", scenario)["slo.met"] == 1.0
    unserved = tiny(requests={"a": tally(exact([]), in_flight=5)})
    assert by_name(unserved, "a", scenario)["slo.met"] == 0.0


@pytest.mark.parametrize(("in_flight", "held"), [(11, 1.0), (13, 0.0), (100, 0.0)])
def test_requests_in_flight_for_longer_than_the_objective_are_late(in_flight: int, held: float) -> None:
    # 100 + n requests in 10 s: in the last second, the objective, about a tenth of them arrive
    scenario = FakeScenario(services={"a": FakeService(FakeSlo(p99=1.0)), "b": FakeService()})
    found = tiny(requests={"a": tally(exact([0.5] * 100), in_flight=in_flight)})
    assert by_name(found, "a", scenario)["slo.met"] == held


def test_an_objective_is_missed_when_nothing_completed() -> None:
    scenario = FakeScenario(services={"a": FakeService(FakeSlo(p99=1.0)), "b": FakeService()})
    assert by_name(tiny(requests={"a": tally(exact([]), rejected=2)}), "a", scenario)["slo.met"] == 0.0
    assert "slo.met" not in by_name(tiny(requests={"a": tally(exact([]))}), "a", scenario)  # nothing asked


def test_an_objective_is_missed_without_a_ready_replica_unless_none_was_to_be() -> None:
    nobody = {**tiny().guests, "ready": np.full(4, np.nan)}
    quiet = {"a": tally(exact([]))}
    for least, held in ((1, 0.0), (0, None)):
        scenario = FakeScenario(services={"a": FakeService(FakeSlo(p99=1.0), least), "b": FakeService()})
        assert by_name(tiny(requests=quiet, guests=nobody), "a", scenario).get("slo.met") == held


def test_histogram_gives_nearly_the_same_metrics_as_the_values() -> None:
    values, binned = by_name(burst("vm")), by_name(burst("vm", kept="histogram"))
    assert values["response.mean"] == pytest.approx(binned["response.mean"], rel=1e-12)
    for tail in ("p50", "p95", "p99", "p999"):
        assert binned[f"response.{tail}"] == pytest.approx(values[f"response.{tail}"], rel=0.012)


def test_exact_and_binned_services_can_be_taken_together() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.exponential(0.1, 4000), rng.exponential(0.3, 4000)
    mixed = tiny(requests={"a": tally(exact(first)), "b": tally(histogram(second))})
    together = np.concatenate((first, second))
    found = by_name(mixed)
    assert found["response.mean"] == pytest.approx(together.mean())
    assert found["response.p99"] == pytest.approx(np.quantile(together, 0.99), rel=0.02)


def test_rows_are_in_the_order_of_the_services_and_name_their_run() -> None:
    rows = measure(tiny(), FakeScenario(services={"a": FakeService(), "b": FakeService()}))
    assert list(dict.fromkeys(row.service for row in rows)) == ["all", "a", "b"]
    assert rows[0] == SummaryRow("vm", 0, "all", "requests.arrived", "1", 8.0)


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to measure"):
        measure(tiny(warmup=20.0), FakeScenario())
