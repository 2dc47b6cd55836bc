"""The traffic of a scenario: rates, exact times, merging, and independence from blocks and from other services."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.model.chance.sampling import sampler
from sim.model.chance.streams import generator
from sim.model.traffic import arrivals as module
from sim.model.traffic.arrivals import ArrivalStream, closed_sources
from sim.reading.distribution import parse_distribution
from sim.scenario import ConstantRate, ConstantUsers, Diurnal, Mmpp, RampingRate, Service, Trace

WORK = parse_distribution({"exponential": "50ms"})
COLUMNS = ("time", "service", "demand", "u1", "u2")


def constant(rate, arrivals="poisson"):
    return ConstantRate(rate=f"{rate}/s", arrivals=arrivals)


def ramping(start, *stages, arrivals="poisson"):
    steps = [{"duration": f"{duration}s", "target": f"{target}/s"} for duration, target in stages]
    return RampingRate(start=f"{start}/s", stages=steps, arrivals=arrivals)


def diurnal():
    return Diurnal(mean="40/s", peak="80/s", period="10s")


def mmpp():
    states = [{"rate": "200/s", "mean_duration": "1s"}, {"rate": "5/s", "mean_duration": "2s"}]
    return Mmpp(states=states)


def recorded(path, text, **columns):
    path.write_text(text)
    trace = Trace.model_construct(file=path.name, **{"time": "time", "demand": None, **columns})
    object.__setattr__(trace, "__pydantic_private__", {"_path": path})
    return trace


def service(*traffic, routing="least-outstanding"):
    return Service.model_construct(request_cpu=WORK, routing=routing, traffic=list(traffic))


def drawn(services, duration, seed=7, replication=0, rows=(16_384,)):
    """Return all columns of a stream that is asked for ``rows`` in turn, the last one again and again."""
    stream = ArrivalStream(services, seed, replication, duration)
    chunks, asked = [], iter(rows)
    target = next(asked)
    while (chunk := stream.next_chunk(target)) is not None:
        assert 1 <= len(chunk) <= target
        chunks.append(chunk)
        target = next(asked, target)
    assert stream.next_chunk() is None
    empty = [np.empty(0)] if not chunks else []
    return {name: np.concatenate(empty + [getattr(chunk, name) for chunk in chunks]) for name in COLUMNS}


def times(*traffic, duration):
    return drawn([("shop", service(*traffic))], duration)["time"]


def assert_count(count, mean, variance=None):
    """Two-sided: the count of a Poisson process, or of one of a larger variance, around its mean."""
    assert abs(count - mean) < 4 * math.sqrt(mean if variance is None else variance)


# ---------------------------------------------------------------- rates


def test_poisson_gaps_are_exponential_and_counts_fit_the_rate():
    found = times(constant(100), duration=200.0)
    assert_count(found.size, 20_000)
    assert found.max() < 200.0
    assert stats.kstest(np.diff(found, prepend=0.0), stats.expon(scale=0.01).cdf).pvalue > 1e-3
    per_second = np.bincount(found.astype(int), minlength=200)
    assert 0.7 < per_second.var(ddof=1) / 100 < 1.35  # 199 degrees of freedom: P(beyond) < 0.1 % on either side


def test_ramping_counts_fit_each_stage():
    found = times(ramping(50, (100, 50), (10, 500), (0, 20), (100, 20), (50, 0)), duration=300.0)
    edges, means = [0, 100, 110, 210, 260, 300], [5000, 2750, 2000, 500]
    counts = np.histogram(found, edges)[0]
    for count, mean in zip(counts, means, strict=False):
        assert_count(count, mean)
    assert counts[-1] == 0  # nothing after the last stage
    up = found[(found >= 100) & (found < 110)] - 100  # the density of a ramp from 50/s to 500/s in 10 s
    assert stats.kstest(up, lambda t: (50 * t + 22.5 * t**2) / 2750).pvalue > 1e-3


def test_diurnal_counts_fit_the_sine():
    found = times(diurnal(), duration=400.0)
    assert_count(found.size, 16_000)
    up = (found % 10.0) < 5.0
    assert_count(np.count_nonzero(up), 40 * (200 + 400 / math.pi))  # the integral of 1 + sin over half a turn
    assert_count(np.count_nonzero(~up), 40 * (200 - 400 / math.pi))


def test_mmpp_counts_fit_the_stationary_rate_and_its_dispersion():
    # mean rate 200/3 + 10/3 = 70/s; the rate's covariance is v exp(-1.5 t), v = 195² (1/3) (2/3), so that the
    # count's variance is mean + 2 v T / 1.5 (Fischer and Meier-Hellstern 1993)
    duration, mean = 2000.0, 140_000.0
    variance = mean + 2 * (195**2 * 2 / 9) * duration / 1.5
    counts = [drawn([("shop", service(mmpp()))], duration, replication=r)["time"].size for r in range(12)]
    assert_count(np.mean(counts), mean, variance / 12)
    # chi-squared of 11 degrees of freedom, 0.05 % on either side; a Poisson process would give 0.01
    assert 1.8 / 11 < np.var(counts, ddof=1) / variance < 33.1 / 11


# ---------------------------------------------------------------- exact times


def test_even_arrivals_start_at_zero_and_keep_their_distance_as_in_k6():
    assert times(constant(4, "even"), duration=1.0).tolist() == [0.0, 0.25, 0.5, 0.75]
    many = times(constant(3, "even"), duration=10_000.0)
    assert np.array_equal(many, np.arange(30_000) / 3.0)


# k6's own expectations, by rate: lib/executor/ramping_arrival_rate_test.go, TestRampingArrivalRateCal
K6_MILLISECONDS = {
    1: "3162 4472 5500 6527 7837 11000",
    3: "1825 2581 3162 3651 4082 4472 4830 5166 5499 5833 6169 6527 6917 7348 7837 8418 9174 11000",
}


@pytest.mark.parametrize("rate", K6_MILLISECONDS)
def test_even_ramping_arrivals_come_when_k6_starts_them(rate):
    expected = np.array(K6_MILLISECONDS[rate].split(), dtype=float) / 1e3
    found = times(ramping(0, (5, rate), (1, rate), (5, 0), arrivals="even"), duration=12.0)
    assert found.size == expected.size
    assert found == pytest.approx(expected, abs=1.1e-3)  # given in whole milliseconds


def test_even_ramping_arrivals_in_closed_form():
    found = times(ramping(0, (10, 20), arrivals="even"), duration=20.0)  # the integral t² reaches k at sqrt(k)
    assert found == pytest.approx(np.sqrt(np.arange(1, 101)), rel=1e-15)


def test_no_arrival_at_the_end_or_later():
    assert times(constant(2, "even"), duration=1.0).tolist() == [0.0, 0.5]
    assert times(ramping(2, (1, 2), arrivals="even"), duration=1.0).tolist() == [0.5]


def test_sources_of_a_service_add_up_in_the_order_of_time():
    both = times(constant(4, "even"), ramping(3, (1, 3), arrivals="even"), duration=2.0)
    assert both.tolist() == sorted([k / 4 for k in range(8)] + [k / 3 for k in (1, 2, 3)])
    mixed = times(constant(90), constant(10, "even"), diurnal(), duration=50.0)
    alone = times(constant(90), duration=50.0)
    even = np.arange(500) / 10.0
    assert np.all(np.diff(mixed) >= 0)
    assert set(mixed) >= set(alone) | set(even)
    assert_count(mixed.size - alone.size - even.size, 2000)


def test_no_traffic_is_no_arrival():
    assert times(duration=10.0).size == 0
    assert times(constant(0), constant(0, "even"), ramping(0, (5, 0)), duration=10.0).size == 0


# ---------------------------------------------------------------- blocks and merging


def mixture(folder):
    rows = "".join(f"{0.05 * k:.2f},{'' if k % 3 else 0.01 * k}\n" for k in range(400))
    trace = recorded(folder / "trace.csv", "time,demand\n" + rows, demand="demand")
    return [
        ("a", service(constant(40), routing="random")),
        ("b", service(constant(20, "even"), constant(20, "even"), mmpp(), routing="power-of-two")),
        ("c", service(ramping(0, (10, 100), (5, 0)))),
        ("d", service(trace, constant(3), diurnal(), routing="random")),
        ("e", service(constant(20, "even"))),
        ("f", service()),
        ("g", service(constant(0.01))),
    ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return mixture(tmp_path_factory.mktemp("traces"))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.one_of(st.integers(1, 50), st.integers(1, 3000)), min_size=1, max_size=8),
    one=st.booleans(),
)
def test_chunks_of_any_size_give_the_same_requests(mixed, rows, one):
    services = mixed[1:2] if one else mixed
    whole, parts = drawn(services, 30.0), drawn(services, 30.0, rows=[*rows, max(rows) + 100])
    for name in COLUMNS:
        assert np.array_equal(whole[name], parts[name]), name


@pytest.mark.parametrize(("window", "share", "least"), [(1, 1, 1), (50, 3, 2), (5000, 100, 32)])
def test_windows_of_any_size_give_the_same_requests(mixed, monkeypatch, window, share, least):
    whole = drawn(mixed, 30.0)
    monkeypatch.setattr(module, "_WINDOW_ROWS", window)
    monkeypatch.setattr(module, "_ROWS_A_SERVICE", share)
    monkeypatch.setattr("sim.model.traffic.merging._LEAST_AHEAD", least)
    monkeypatch.setattr("sim.model.traffic.merging._START", window)
    parts = drawn(mixed, 30.0, rows=(77,))
    for name in COLUMNS:
        assert np.array_equal(whole[name], parts[name]), name


def test_merged_services_are_what_each_is_alone(mixed):
    together = drawn(mixed, 30.0)
    assert together["service"].dtype == np.int32
    order = np.lexsort((together["service"], together["time"]))  # by time, then by service
    assert np.array_equal(order, np.arange(order.size))
    assert np.any(np.diff(together["time"]) == 0.0)  # b and e tie
    for index, pair in enumerate(mixed):
        alone, mine = drawn([pair], 30.0), together["service"] == index
        for name in ("time", "demand", "u1", "u2"):
            assert np.array_equal(together[name][mine], alone[name]), (pair[0], name)


def test_demands_and_routing_numbers_come_in_the_order_of_arrival(mixed):
    found = drawn(mixed[1:2], 30.0, seed=3, replication=2)
    n = found["time"].size
    assert np.array_equal(found["demand"], sampler(WORK)(generator(3, 2, "demand/b"), n))
    assert np.array_equal(found["u1"], generator(3, 2, "routing/b").random(n))
    assert np.array_equal(found["u2"], generator(3, 2, "routing/b/second").random(n))


@pytest.mark.parametrize(
    ("routing", "first", "second"),
    [
        ("random", True, False),
        ("power-of-two", True, True),
        ("round-robin", False, False),
        ("least-outstanding", False, False),
    ],
)
def test_routing_numbers_are_drawn_where_needed(routing, first, second):
    found = drawn([("shop", service(constant(50), routing=routing))], 10.0)
    assert found["u1"].any() == first
    assert found["u2"].any() == second
    assert max(found["u1"].max(), found["u2"].max()) < 1.0


def test_seed_and_replication_change_everything():
    base = drawn([("shop", service(constant(50)))], 10.0)
    for other in ({"seed": 8}, {"replication": 1}):
        found = drawn([("shop", service(constant(50)))], 10.0, **other)
        assert not np.intersect1d(base["time"], found["time"]).size
        assert not np.intersect1d(base["demand"], found["demand"]).size


def test_streams_are_named_by_what_they_draw_and_by_nothing_else(monkeypatch):
    names = []

    def noted(seed, replication, name):
        names.append(name)
        return generator(seed, replication, name)

    monkeypatch.setattr(module, "generator", noted)
    users = ConstantUsers(vus=3, think_time={"exponential": "1s"})
    services = [("shop", service(constant(1), constant(1, "even"), mmpp(), users, routing="power-of-two"))]
    ArrivalStream(services, 7, 0, 10.0)
    closed_sources(services, 7, 0)
    opened = ["arrivals/shop/0", "states/shop/2", "arrivals/shop/2"]
    opened += ["demand/shop", "routing/shop", "routing/shop/second"]
    closed = ["think/shop/3", "demand/shop/3", "routing/shop/3", "routing/shop/3/second"]
    assert sorted(names) == sorted(opened + closed)


@pytest.mark.parametrize("count", [1, 300])
def test_memory_does_not_grow_with_requests(count):
    """Quiet services next to one that bursts: buffers follow the shares, and no window is filled by a burst."""
    quiet = [(f"quiet-{i}", service(constant(0.1))) for i in range(count - 1)]
    services = [*quiet, ("hot", service(ramping(0.1, (1000, 0.1), (0, 60_000), (50, 60_000))))]
    stream = ArrivalStream(services, 7, 0, 1050.0)
    stream.next_chunk()
    tracemalloc.start()
    rows = 0
    while (chunk := stream.next_chunk()) is not None:
        rows += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows > 2_900_000
    assert peak < 25e6  # all columns of all requests would take 108 MB


def test_a_chunk_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ArrivalStream([("shop", service(constant(1)))], 7, 0, 1.0).next_chunk(0)


# ---------------------------------------------------------------- traces and closed sources


@pytest.mark.parametrize(
    "text",
    [
        "time,user\n10,a\n10.5,b\n12.25,c\n",
        "time,user\n10.5,b\n12.25,c\n10,a\n",
        "time\n2024-03-01 23:59:58\n2024-03-01 23:59:58.5\n2024-03-02 00:00:00.25\n",
        "time\n2024-03-01T23:59:58Z\n2024-03-01T23:59:58.5Z\n2024-03-02T00:00:00.25Z\n",
    ],
)
def test_traces_count_from_their_first_row(tmp_path, text):
    assert times(recorded(tmp_path / "trace.csv", text), duration=10.0).tolist() == [0.0, 0.5, 2.25]
    assert times(recorded(tmp_path / "trace.csv", text), duration=2.25).tolist() == [0.0, 0.5]


def test_recorded_demands_replace_drawn_ones(tmp_path):
    trace = recorded(tmp_path / "trace.csv", "at,work\n0,0.5\n1,\n1,0.25\n", time="at", demand="work")
    found = drawn([("shop", service(trace, constant(1, "even")))], 2.0)
    assert found["time"].tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]  # at equal times in the order of the sources
    draws = sampler(WORK)(generator(7, 0, "demand/shop"), 5)
    assert found["demand"].tolist() == [0.5, draws[1], draws[2], 0.25, draws[4]]


def test_traces_may_be_parquet(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "trace.parquet"
    trace = recorded(path, "")
    parquet.write_table(pa.table({"time": [3.0, 4.0], "other": ["x", "y"]}), path)
    assert times(trace, duration=10.0).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("when\n1\n", "time"),
        ("time\nsoon\n", "not numbers"),
        ("time\n1\n,\n", "1 columns"),
        ("time,x\n1,1\n,2\n", "empty"),
        ("time\n1\ninf\n", "finite"),
        ("", "Empty"),
    ],
)
def test_a_trace_that_cannot_be_read_is_refused(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        times(recorded(tmp_path / "trace.csv", text), duration=1.0)


@pytest.mark.parametrize(
    ("cell", "said"), [("-1", "is negative"), ("inf", r"is more than 1e\+12 s"), ("1e300", "more")]
)
def test_a_demand_in_a_trace_that_is_none_is_refused(tmp_path, cell, said):
    with pytest.raises(ValueError, match=rf"trace.csv:3: column 'work' .*{said}"):
        times(recorded(tmp_path / "trace.csv", f"time,work\n1,1\n2,{cell}\n", demand="work"), duration=1.0)


def test_closed_sources_draw_from_streams_of_their_own():
    users = ConstantUsers(vus=5, think_time={"exponential": "2s"})
    services = [("api", service(constant(1))), ("shop", service(constant(50), users, routing="random"))]
    alone = drawn([("shop", service(constant(50), routing="random"))], 10.0)
    both = drawn(services[1:], 10.0)
    assert np.array_equal(alone["demand"], both["demand"])
    (source,) = closed_sources(services, 7, 0)
    assert (source.service, source.vus) == (1, 5)
    first, second = source.draw(3), source.draw(5)
    (again,) = closed_sources(services, 7, 0)
    whole = again.draw(8)
    for name in ("think", "demand", "u1", "u2"):
        assert np.array_equal(np.concatenate((getattr(first, name), getattr(second, name))), getattr(whole, name))
    assert not np.intersect1d(whole.demand, both["demand"]).size
    assert whole.u1.any()
    assert not whole.u2.any()
    think = again.draw(20_000).think
    assert abs(think.mean() - 2.0) < 4 * 2.0 / math.sqrt(20_000)
