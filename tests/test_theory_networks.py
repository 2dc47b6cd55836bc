"""Networks of queues against closed forms: within the run's own 99 % interval, and within 3 %.

A service `edge` with a place for everybody and no work of its own calls stations: services of one replica with a core
each. Stations of concurrency 1 and exponential work are M/M/1 first come first served, whatever calls them (Jackson
1957; with several kinds of requests: Kelly 1975; Baskett, Chandy, Muntz and Palacios 1975). Times in s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.scorecard import theory

pytestmark = pytest.mark.slow

LEVEL, CLOSE = 0.99, 0.03
EDGE_PLACES = 5000

SCENARIO = """\
name: network
seed: {seed}
duration: {duration}s
warmup: {warmup}s
host: {{cores: 8, memory: 64GiB, disk: {{read: 1GB/s, write: 1GB/s}}, network: 10Gbit/s}}
platforms: [native]
quota: fluid
services:
  edge:
    image: 1MB
    concurrency: {places}
    size: {{cpu: 1, memory: 1GiB}}
    {edge}
    traffic: {traffic}
"""
STATION = """\
  {name}:
    image: 1MB
    concurrency: {places}
    {cores}
    {more}
"""


def run(
    folder: Path,
    edge: str,
    stations: Mapping[str, str],
    traffic: str,
    *,
    duration: float,
    places: int = 1,
    seed: int = 1,
    cores: str = "size: {cpu: 1, memory: 1GiB}",
    wide: str = "",
) -> pd.DataFrame:
    """All requests that arrived after a twentieth of the run, in the order of arrival.

    `places`: of each station but `wide`, which has one for everybody.
    """
    warmup = duration / 20
    text = SCENARIO.format(
        seed=seed, duration=duration, warmup=warmup, places=EDGE_PLACES, edge=edge, traffic=traffic
    ) + "".join(
        STATION.format(name=name, places=EDGE_PLACES if name == wide else places, cores=cores, more=more)
        for name, more in stations.items()
    )
    file = folder / "network.yaml"
    file.write_text(text, "utf-8")
    sim.run(sim.load_scenario(file), replications=1, out=folder / "out", plots=False, keep_requests=True)
    requests = pd.read_parquet(folder / "out" / "requests.parquet").sort_values(["arrival", "request"])
    return requests[requests.arrival >= warmup]


def responses(requests: pd.DataFrame, service: str) -> np.ndarray:
    """Response times of a service's completed requests, in the order of arrival."""
    own = requests[(requests.service == service) & (requests.status == "completed")]
    return (own.finish - own.arrival).to_numpy()


def assert_mean(values: np.ndarray, exact: float) -> None:
    """The run's own interval holds the closed form, and the mean is close to it."""
    low, high = theory.batch_interval(values, LEVEL)
    assert low <= exact <= high, f"{low:.6g} … {high:.6g}, theory says {exact:.6g}"
    assert values.mean() == pytest.approx(exact, rel=CLOSE)


def work(seconds: float) -> str:
    return f"request_cpu: {{exponential: {seconds}s}}"


def test_a_tandem_is_the_sum_of_its_queues(tmp_path: Path) -> None:
    rate, means = 600.0, {"first": 0.001, "second": 0.0012, "third": 0.0005}
    edge = f"request: [{', '.join(f'call: {name}' for name in means)}]"
    stations = {name: work(mean) for name, mean in means.items()}
    requests = run(tmp_path, edge, stations, f"{{rate: {rate}/s}}", duration=1000)
    exact = {name: theory.mm1_response(rate, mean) for name, mean in means.items()}
    for name, response in exact.items():
        assert_mean(responses(requests, name), response)
    assert_mean(responses(requests, "edge"), sum(exact.values()))


def test_feedback_makes_a_geometric_number_of_visits(tmp_path: Path) -> None:
    """After a and b a request comes back with probability 0.3: kinds of k rounds have that share, none more than 8."""
    rate, again, most = 400.0, 0.3, 8
    shares = [(1 - again) * again ** (k - 1) for k in range(1, most)] + [again ** (most - 1)]
    rounds = sum(k * share for k, share in enumerate(shares, 1))
    kinds = [
        f"k{k}: {{share: {share:.17g}, request: [{', '.join(['call: a, call: b'] * k)}]}}"
        for k, share in enumerate(shares, 1)
    ]
    stations = {"a": work(0.001), "b": work(0.0012)}
    requests = run(tmp_path, f"mix: {{{', '.join(kinds)}}}", stations, f"{{rate: {rate}/s}}", duration=1200)
    a, b = theory.mm1_response(rate * rounds, 0.001), theory.mm1_response(rate * rounds, 0.0012)
    assert_mean(responses(requests, "a"), a)
    assert_mean(responses(requests, "b"), b)
    assert_mean(responses(requests, "edge"), rounds * (a + b))


def test_visits_by_probability_and_times(tmp_path: Path) -> None:
    """Every call has its own luck: 3 times with probability 0.4 are 1.2 visits on the mean."""
    rate = 500.0
    edge = "request: [call: {service: a, times: 3, probability: 40%}, call: {service: b, probability: 25%}]"
    requests = run(tmp_path, edge, {"a": work(0.001), "b": work(0.004)}, f"{{rate: {rate}/s}}", duration=2000)
    a, b = theory.mm1_response(1.2 * rate, 0.001), theory.mm1_response(0.25 * rate, 0.004)
    visits = len(requests[requests.service == "a"]) / len(requests[requests.service == "edge"])
    assert visits == pytest.approx(1.2, rel=0.01)
    assert_mean(responses(requests, "edge"), 1.2 * a + 0.25 * b)


@pytest.mark.parametrize("users", [1, 3, 10, 30])
def test_a_closed_network_is_what_mean_value_analysis_says(users: int, tmp_path: Path) -> None:
    edge = "request: [call: a, call: {service: b, times: 2}, call: c]"
    stations = {"a": work(0.005), "b": work(0.004), "c": work(0.002)}
    traffic = f"{{constant-vus: {{vus: {users}, think_time: {{exponential: 20ms}}}}}}"
    requests = run(tmp_path, edge, stations, traffic, duration=max(1500.0, 9000.0 / users))
    assert_mean(responses(requests, "edge"), theory.closed_network_response(users, 0.020, [0.005, 0.008, 0.002]))


CLASSES = "{constant-vus: {vus: VUS, think_time: {exponential: THINK}}}"


@pytest.mark.parametrize(("users", "law"), [((3, 5), None), ((4, 6), "{gamma: {mean: MEAN, cv: 2}}")], ids=str)
def test_closed_networks_of_two_classes_are_what_mean_value_analysis_says(
    users: tuple[int, int], law: str | None, tmp_path: Path
) -> None:
    """Queues with the same exponential work for both; or shared stations, whatever the law (BCMP, types 1 and 2)."""
    means = {"a": "5ms", "b": "4ms", "c": "2ms"}
    stations = {
        name: f"request: [cpu: {(law or '{exponential: MEAN}').replace('MEAN', m)}]" for name, m in means.items()
    }
    first, second = (
        CLASSES.replace("VUS", str(n)).replace("THINK", z) for n, z in zip(users, ("20ms", "50ms"), strict=True)
    )
    stations["other"] = f"request: [call: b, call: {{service: c, times: 3}}]\n    traffic: {second}"
    edge, places = "request: [call: a, call: {service: b, times: 2}, call: c]", 1 if law is None else EDGE_PLACES
    requests = run(tmp_path, edge, stations, first, duration=900, places=places, wide="other")
    demands = [[0.005, 0.008, 0.002], [0.0, 0.004, 0.006]]
    for number, service in enumerate(("edge", "other")):
        assert_mean(
            responses(requests, service), theory.closed_classes_response(users, [0.020, 0.050], demands, number)
        )


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_fork_and_join_of_two_queues(load: float, tmp_path: Path) -> None:
    """The mean of the later of two: (12 - rho) / 8 x 1 / (mu - lambda): Nelson and Tantawi, IEEE ToC 37, 1988."""
    rate, mean = load * 1000.0, 0.001
    stations = {"a": work(mean), "b": work(mean)}
    edge, traffic = "request: [parallel: [call: a, [call: b]]]", f"{{rate: {rate}/s}}"
    requests = run(tmp_path, edge, stations, traffic, duration=600_000 / rate)
    assert_mean(responses(requests, "a"), theory.mm1_response(rate, mean))
    assert_mean(responses(requests, "edge"), theory.fork_join_response(rate, mean))


@pytest.mark.parametrize("law", ["50ms", "{exponential: 50ms}", "{lognormal: {mean: 50ms, cv: 2}}",
                                 "{pareto: {mean: 50ms, shape: 2.5}}", "{weibull: {mean: 50ms, shape: 0.7}}",
                                 "{gamma: {mean: 50ms, cv: 1.5}}", "{uniform: {min: 0ms, max: 100ms}}"])  # fmt: skip
def test_waits_are_m_g_infinity(law: str, tmp_path: Path) -> None:
    """Nobody waits for anybody: the number present is Poisson with mean rate x mean, whatever the law."""
    rate, mean, duration = 400.0, 0.050, 1500.0
    requests = run(tmp_path, f"request: [wait: {law}]", {}, f"{{rate: {rate}/s}}", duration=duration)
    if law == "50ms":
        assert responses(requests, "edge") == pytest.approx(mean, abs=1e-9)
    else:
        assert_mean(responses(requests, "edge"), mean)
    times = np.arange(duration / 10, duration - 5, 0.5)
    begun = np.searchsorted(np.sort(requests.arrival), times, side="right")
    ended = np.searchsorted(np.sort(requests.finish.fillna(np.inf)), times, side="right")
    present = begun - ended
    assert present.mean() == pytest.approx(rate * mean, rel=CLOSE)
    assert present.var() == pytest.approx(rate * mean, rel=0.12)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_retries_are_a_geometric_sum(retries: int, tmp_path: Path) -> None:
    """A callee that waits an exponential time with mean 10 ms fails a caller who gives it 10 ms with q = 1/e."""
    mean = limit = 0.010
    callee = {"flaky": f"request: [wait: {{exponential: {mean}s}}]\n    timeout: {limit}s"}
    edge = f"request: [call: {{service: flaky, retries: {retries}}}]"
    requests = run(tmp_path, edge, callee, "{rate: 300/s}", duration=1500, places=EDGE_PLACES)
    edges = requests[requests.service == "edge"]
    tried = retries + 1
    assert_mean((edges.status == "failed").to_numpy(dtype=float), theory.retried_failed(mean, limit, retries))
    assert set(edges.status) <= {"completed", "failed", "in-flight"}
    assert_mean(responses(requests, "edge"), theory.retried_response(mean, limit, retries))
    calls = len(requests[requests.service == "flaky"]) / len(edges)
    assert calls == pytest.approx(theory.retried_calls(mean, limit, retries), rel=0.01)
    failed = edges[edges.status == "failed"]
    assert np.allclose(failed.finish - failed.arrival, tried * limit, rtol=0, atol=1e-9)


@pytest.mark.parametrize("servers", [2, 3])
def test_a_tandem_of_several_servers_each(servers: int, tmp_path: Path) -> None:
    """What leaves an M/M/c is Poisson (Burke 1956), so that Erlang's C holds for the second as for the first."""
    rate, mean = 900.0, 0.8 * servers / 900.0
    stations = {name: work(mean) for name in ("first", "second")}
    more = f"size: {{cpu: {servers}, memory: 1GiB}}"
    edge, traffic = "request: [call: first, call: second]", f"{{rate: {rate}/s}}"
    requests = run(tmp_path, edge, stations, traffic, duration=1200, places=servers, cores=more)
    exact = theory.mmc_response(rate, mean, servers)
    assert_mean(responses(requests, "second"), exact)
    assert_mean(responses(requests, "edge"), 2 * exact)


@pytest.mark.parametrize("law", ["{exponential: 1ms}", "{gamma: {mean: 1ms, cv: 2}}", "1ms"])
def test_shared_stations_do_not_feel_the_law(law: str, tmp_path: Path) -> None:
    """Two stations that share a core among all (BCMP, type 2): mean / (1 - rho) each, whatever the law of the work."""
    rate, mean = 700.0, 0.001
    stations = dict.fromkeys(("a", "b"), f"request: [cpu: {law}]")
    edge = "mix: {one: {share: 50%, request: [call: a]}, both: {share: 50%, request: [call: a, call: b]}}"
    requests = run(tmp_path, edge, stations, f"{{rate: {rate}/s}}", duration=1200, places=EDGE_PLACES)
    a, b = (theory.mg1_ps_response(each, mean) for each in (rate, rate / 2))
    assert_mean(responses(requests, "a"), a)
    assert_mean(responses(requests, "edge"), a + b / 2)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_fork_and_join_of_three_queues_is_within_its_bounds(load: float, tmp_path: Path) -> None:
    """Below H3 / (mu - lambda), above that of two, and within 5 % of Nelson and Tantawi's approximation (1988)."""
    rate, mean = load * 1000.0, 0.001
    edge = "request: [parallel: [call: a, call: b, call: c]]"
    stations = {name: work(mean) for name in ("a", "b", "c")}
    requests = run(tmp_path, edge, stations, f"{{rate: {rate}/s}}", duration=300_000 / rate)
    alone, two, three = 1 / (1 / mean - rate), 1.5, 11 / 6
    found = responses(requests, "edge").mean()
    pair = theory.fork_join_response(rate, mean)
    assert pair < found < three * alone
    close = (three / two + 4 / 11 * (1 - three / two) * load) * pair
    assert found == pytest.approx(close, rel=0.05)


def test_classes_that_meet_at_queues_wait_alike(tmp_path: Path) -> None:
    """Each queue sees the sum of all visits, of whatever class and for whatever time (Kelly 1975)."""
    stations = {"a": work(0.0015), "b": work(0.0012)}
    stations["other"] = "request: [call: b, call: {service: a, probability: 40%}]\n    traffic: {rate: 300/s}"
    edge = "request: [call: a, call: b, call: a]"
    requests = run(tmp_path, edge, stations, "{rate: 200/s}", duration=700, wide="other")
    a, b = theory.mm1_response(400 + 120, 0.0015), theory.mm1_response(200 + 300, 0.0012)
    assert_mean(responses(requests, "edge"), 2 * a + b)
    assert_mean(responses(requests, "other"), b + 0.4 * a)


def test_a_lost_call_is_erlangs_whatever_the_law(tmp_path: Path) -> None:
    """Six places and no line, offered 5: Erlang's loss does not feel the law of the holding time (Sevastyanov 1957)."""
    line = {"line": "request: [wait: {pareto: {mean: 10ms, shape: 2.2}}]\n    queue: 0"}
    requests = run(tmp_path, "request: [call: line]", line, "{rate: 500/s}", duration=400, places=6)
    edges = requests[requests.service == "edge"]
    assert_mean((edges.status == "failed").to_numpy(dtype=float), theory.erlang_b(6, 5.0))


def test_retries_end_at_the_callers_deadline(tmp_path: Path) -> None:
    """Exponential waits do not know that they were begun anew: only the caller's 25 ms count, not the callee's 10."""
    mean, deadline = 0.010, 0.025
    callee = {"flaky": f"request: [wait: {{exponential: {mean}s}}]\n    timeout: 10ms"}
    edge = f"request: [call: {{service: flaky, retries: 5}}]\n    timeout: {deadline}s"
    requests = run(tmp_path, edge, callee, "{rate: 300/s}", duration=400, places=EDGE_PLACES)
    edges = requests[requests.service == "edge"]
    assert set(edges.status) <= {"completed", "timed-out", "in-flight"}
    assert_mean((edges.status == "timed-out").to_numpy(dtype=float), np.exp(-deadline / mean))
    assert_mean(responses(requests, "edge"), theory.broken_off_response(mean, deadline))


def test_parts_of_a_response_add_up_to_it(tmp_path: Path) -> None:
    edge = (
        "request: [receive: 3KB, cpu: {exponential: 1ms}, parallel: [[call: a, wait: 2ms], [reads: 3, write: 1MB]], "
        "call: {service: a, probability: 50%, retries: 1}, send: 100KB]\n    queue: 3\n    routing: random"
    )
    text = f"{edge}\n    threads: 2"
    run(tmp_path, text, {"a": work(0.002)}, "{rate: 250/s}", duration=100)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    for service in ("edge", "a", "all"):
        value = summary[summary.service == service].set_index("metric").value
        parts = value[[name for name in value.index if name.startswith("request.")]]
        assert len(parts) == 7
        assert parts.sum() == pytest.approx(value["response.mean"], rel=1e-9)
    table = summary.pivot_table(index="service", columns="metric", values="value")
    assert table.loc["a", "requests.calls"] == table.loc["a", "requests.arrived"]
    assert table.loc["edge", "requests.calls"] == 0
    assert table.loc["all", "requests.arrived"] == table.loc["edge", "requests.arrived"]
