"""What a Prometheus recorded, as a scenario that replays it: counters by hand, labels, laws, and broken files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.cli import main
from sim.imports.prometheus import counting, labels
from sim.imports.prometheus.files import Series, read_files
from sim.imports.prometheus.law import Histogram, demand, fit, stretch
from sim.imports.prometheus.replay import read_replay
from sim.imports.prometheus.writing import stages_of
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import Scenario
from sim.scenario.loader import scenario_from_text

CPU = "container_cpu_usage_seconds_total"
BEGIN, STEP, COUNT = 1_700_000_000, 15, 41


def row(name: str, values: list[float] | Callable[[int], float], **more: str) -> dict[str, Any]:
    numbers = values if isinstance(values, list) else [values(index) for index in range(COUNT)]
    pairs = [[BEGIN + STEP * index, repr(value)] for index, value in enumerate(numbers)]
    return {"metric": {**({"__name__": name} if name else {}), **more}, "values": pairs}


def answer(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(rows)}}


def saved(folder: Path, name: str, tree: Any) -> str:
    path = folder / name
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree), "utf-8")
    return str(path)


def scenario(text: str) -> Scenario:
    return scenario_from_text(text, checks=CHECKS)


def series(values: list[float], times: list[float] | None = None, **more: str) -> Series:
    at = np.array(times if times is not None else [float(STEP * index) for index in range(len(values))])
    return Series(dict(more), at, np.array(values), "f", "data.result.0")


# counters


def test_a_counter_that_falls_has_begun_again_at_zero() -> None:
    grid = np.array([0.0, 15.0, 30.0, 45.0])
    total = counting.counted([series([100.0, 130.0, 20.0, 50.0])], grid)
    assert total.added.tolist() == [30.0, 20.0, 30.0]  # the fall to 20 is 20 since the restart, not −110
    assert (total.resets, total.gaps) == (1, 0)


def test_what_came_over_a_gap_is_kept_and_spread_over_it() -> None:
    one = series([0.0, 10.0, 20.0, 80.0, 90.0], [0.0, 10.0, 20.0, 80.0, 90.0])
    total = counting.counted([one], np.arange(0.0, 91.0, 10.0))
    assert total.added.tolist() == [10.0] * 9
    assert total.gaps == 1


def test_each_series_is_reset_by_itself() -> None:
    grid = np.array([0.0, 15.0, 30.0])
    total = counting.counted([series([50.0, 60.0, 70.0]), series([50.0, 1.0, 2.0])], grid)
    assert total.added.tolist() == [11.0, 11.0]  # the sum fell from 100 to 61, which is no reset of all


def test_rates_add_up_to_what_came() -> None:
    total = counting.flowed([series([2.0, 4.0, 4.0])], np.array([0.0, 15.0, 30.0]))
    assert total.added.tolist() == [45.0, 60.0]


def test_samples_that_are_seen_four_times_are_one_scrape() -> None:
    seen = [60.0 * (index // 4) for index in range(COUNT)]
    grid = np.arange(COUNT) * float(STEP)
    assert counting.scraped_every(counting.counted([series(seen)], grid)) == 4
    assert counting.scraped_every(counting.counted([series([15.0 * i for i in range(COUNT)])], grid)) == 1


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("web-7d9f8b6c5-x2x4z", "web"), ("checkout-api-54b7c4c9d7-p6rtk", "checkout-api"), ("db-0", "db"),
        ("node-exporter-bq9tl", "node-exporter"), ("web", "web"), ("my-web-house", "my-web-house"),
    ],
)  # fmt: skip
def test_workloads_by_the_names_of_pods(pod: str, workload: str) -> None:
    assert labels.workload_of(pod) == workload


# laws


def test_the_demand_is_the_ratio_of_sums_and_its_interval_holds_it_in_most_of_many_recordings() -> None:
    chance = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        requests = chance.poisson(chance.uniform(100, 900, 30)).astype(float)
        cpu = np.array([chance.exponential(0.02, int(n)).sum() for n in requests])
        found = demand(cpu, requests, np.full(30, 15.0))
        held += found.low <= 0.02 <= found.high
        assert found.idle == 0.0 or found.mean == pytest.approx(0.02, rel=0.2)
    assert 178 <= held <= 198  # of 200 at 95 %: 190 ± 3.9 standard deviations of 3.1


def test_cpu_that_is_used_without_requests_is_told_from_theirs() -> None:
    requests = np.linspace(50, 900, 40)
    cpu = 0.4 * 15.0 + 0.02 * requests + 0.01 * np.sin(np.arange(40))
    found = demand(cpu, requests, np.full(40, 15.0))
    assert found.mean == pytest.approx(0.02, rel=1e-3)
    assert found.idle == pytest.approx(0.4, rel=1e-2)


def test_sharing_stretches_work_as_erlang_says() -> None:
    assert stretch(0.5, 1.0) == pytest.approx(2.0)  # M/G/1 with sharing: 1 / (1 − ρ)
    assert stretch(1.0, 2.0) == pytest.approx(1.0 + (1 / 3) / 1.0)  # Erlang's C of 2 servers at ρ = 1/2 is 1/3
    assert stretch(0.1, 16.0) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("family", "cv"), [("gamma", 0.5), ("lognormal", 1.5)])
def test_a_law_is_found_again_in_its_own_histogram(family: str, cv: float) -> None:
    chance = np.random.default_rng(5)
    if family == "gamma":
        work = chance.gamma(1 / cv**2, 0.02 * cv**2, 20_000)
    else:
        width = math.sqrt(math.log1p(cv**2))
        work = chance.lognormal(math.log(0.02) - width**2 / 2, width, 20_000)
    bounds = np.array([0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2])
    counts = np.histogram(work, np.concatenate([[0.0], bounds, [np.inf]]))[0].astype(float)
    law = fit(0.02, 1.0, Histogram(bounds, counts), float(work.mean()))
    assert law.family == family
    assert law.cv == pytest.approx(cv, rel=0.12)
    assert law.wait == 0.0


def test_percentiles_are_those_of_histogram_quantile() -> None:
    histogram = Histogram(np.array([0.1, 0.2, 0.4]), np.array([50.0, 40.0, 10.0, 0.0]))
    assert histogram.quantile(0.5) == (0.1, 0.0, 0.1)
    assert histogram.quantile(0.7) == pytest.approx((0.15, 0.1, 0.2))
    assert histogram.quantile(0.95) == pytest.approx((0.3, 0.2, 0.4))


def test_windows_of_one_rate_become_one_stage_and_keep_the_count() -> None:
    grid = np.arange(7) * 60.0
    found = stages_of(counting.Total(grid, np.array([600.0, 610.0, 590.0, 3000.0, 3010.0, 0.0])))
    assert [length for length, _ in found] == [180.0, 120.0, 60.0]
    assert sum(length * rate for length, rate in found) == pytest.approx(7810.0)


# whole recordings


def cluster() -> dict[str, Any]:
    """Two pods of web at 20 ms a request, one db without requests at 5 ms a request of web; and what does not count."""
    rows = []
    for pod, share in (("web-7d9f8b6c5-x2x4z", 6), ("web-7d9f8b6c5-q8w2r", 4)):
        of = {"namespace": "shop", "pod": pod}
        rows += [
            row(CPU, lambda i, s=share: s * 0.3 * i, cpu="total", container="web", **of),
            row(CPU, lambda i, s=share: s * 0.3 * i + i, id="/kubepods/x", **of),
            row("container_cpu_usage_seconds_total", lambda i: float(i), container="POD", **of),
            row("container_memory_working_set_bytes", lambda i: 100.0 * 2**20, container="web", **of),
            row("http_requests_total", lambda i, s=share: float(s * 15 * i), container="web", code="200", **of),
            row("http_requests_total", lambda i: float(i), container="web", handler="/metrics", **of),
            row("kube_pod_container_resource_requests", lambda i: 0.5, resource="cpu", container="web", **of),
            row("kube_pod_container_resource_limits", lambda i: 2.0, resource="cpu", container="web", **of),
            row("kube_pod_container_resource_requests", lambda i: 2.0**28, resource="memory", container="web", **of),
        ]  # fmt: skip
    of = {"namespace": "shop", "pod": "db-0", "container": "db"}
    rows += [row("container_cpu_usage_seconds_total", lambda i: 0.05 * 15 * i, **of),
             row("container_memory_working_set_bytes", lambda i: 300.0 * 2**20, **of),
             row("container_cpu_usage_seconds_total", lambda i: 9.0 * i, id="/kubepods"),
             row("go_goroutines", lambda i: 9.0, pod="web-7d9f8b6c5-x2x4z")]  # fmt: skip
    return answer(*rows)


def test_services_of_a_cluster_by_hand(tmp_path: Path) -> None:
    text = read_replay([saved(tmp_path, "all.json", cluster())])
    found = scenario(text)
    assert list(found.services) == ["web", "db"]
    web, db = found.services["web"], found.services["db"]
    assert (web.replicas, db.replicas) == (2, 1)
    assert web.request is not None
    assert db.plain is not None
    assert web.request[0].cpu.mean == pytest.approx(0.02, rel=1e-3)  # type: ignore[union-attr]
    assert db.plain.mean == pytest.approx(0.005, rel=1e-3)
    assert web.request[-1].call.service == "db"  # type: ignore[union-attr]
    assert web.memory.base == pytest.approx(100 * 2**20)
    size = web.size["container"]
    assert (size.cpu_request, size.cpu_limit, size.memory_request) == (0.5, 2.0, 2.0**28)
    assert web.observed is not None
    assert (web.observed.rate, web.observed.cpu) == (pytest.approx(10.0), pytest.approx(0.2))
    assert web.observed.memory == pytest.approx(200 * 2**20)
    assert [line for line in text.splitlines() if line.startswith("#  - ")]
    for word in ("pause containers", "probes and scrapes", "no container", "go_goroutines"):
        assert word in text


def test_rates_without_names_are_what_their_files_are_called_or_said_to_be(tmp_path: Path) -> None:
    rates = saved(tmp_path, "request-rate.json", [row("", lambda i: 20.0, pod="a-0")])
    cores = saved(tmp_path, "x.json", answer(row("", lambda i: 0.5, pod="a-0")))
    web = scenario(read_replay([rates, f"{cores}:cpu-rate"])).services["a"]
    assert web.plain is not None
    assert web.plain.mean == pytest.approx(0.025)
    with pytest.raises(ScenarioError) as refused:
        read_replay([rates, cores])
    assert refused.value.problems[0].path == "data.result.0"
    assert "its role" in refused.value.problems[0].allowed


def test_a_histogram_in_ms_alone_is_enough_beside_cpu(tmp_path: Path) -> None:
    edges = {"10": 0.2, "20": 0.6, "50": 0.95, "+Inf": 1.0}
    rows = [row("rpc_duration_milliseconds_bucket", lambda i, s=share: 150.0 * s * i, job="shop/web", le=bound)
            for bound, share in edges.items()]  # fmt: skip
    rows.append(row("process_cpu_seconds_total", lambda i: 0.15 * i, job="web", instance="a:1"))
    observed = scenario(read_replay([saved(tmp_path, "a.json", answer(*rows))])).services["web"].observed
    assert observed is not None
    assert observed.rate == pytest.approx(10.0)
    assert (observed.p50, observed.p95) == (pytest.approx(0.0175), pytest.approx(0.05))


def broken(change: Callable[[dict[str, Any]], Any]) -> Any:
    tree = answer(row("http_requests_total", lambda i: 150.0 * i, job="web"),
                  row("process_cpu_seconds_total", lambda i: 3.0 * i, job="web"))  # fmt: skip
    told = change(tree)
    return tree if told is None else told


def samples(tree: dict[str, Any]) -> list[Any]:
    found: list[Any] = tree["data"]["result"][0]["values"]
    return found


BROKEN: list[tuple[str, Callable[[dict[str, Any]], Any], str, str]] = [
    ("not-json", lambda t: "{", "", "no JSON"),
    ("empty", lambda t: "", "", "no JSON"),
    ("deep", lambda t: "[" * 100_000, "", "nested too deeply"),
    ("a-number", lambda t: "3", "", "3"),
    ("another", lambda t: {"rows": []}, "", "a mapping (rows)"),
    ("failed", lambda t: {"status": "error", "errorType": "bad_data", "error": "parse error"}, "status", "parse error"),
    ("vector", lambda t: t["data"].update(resultType="vector"), "data.resultType", "an instant query's"),
    ("no-type", lambda t: t["data"].pop("resultType") and None, "data.resultType", "nothing"),
    ("no-list", lambda t: t["data"].update(result={}), "data.result", "an empty mapping"),
    ("nothing", lambda t: t["data"].update(result=[]), "data.result", "matched nothing"),
    ("no-labels", lambda t: t["data"]["result"][1].pop("metric") and None, "data.result.1.metric", "nothing"),
    ("number-label", lambda t: t["data"]["result"][1]["metric"].update(job=3), "data.result.1.metric", "mapping"),
    ("no-values", lambda t: t["data"]["result"][0].pop("values") and None, "data.result.0.values", "nothing"),
    ("native", lambda t: t["data"]["result"][0].update(histograms=[[1, {}]]), "data.result.0.histograms", "native"),
    ("text", lambda t: samples(t).__setitem__(3, [1, "fast"]), "data.result.0.values.3", "a list of 2"),
    ("short", lambda t: samples(t).__setitem__(3, [1]), "data.result.0.values.3", "a list of 1"),
    ("infinite", lambda t: samples(t)[4].__setitem__(1, "+Inf"), "data.result.0.values.4", "+Inf"),
    ("backwards", lambda t: samples(t)[5].__setitem__(0, 5), "data.result.0.values.5", "the time 5.000"),
    ("twice", lambda t: samples(t)[5].__setitem__(0, samples(t)[4][0]), "data.result.0.values.5", "after"),
    ("no-cpu", lambda t: t["data"]["result"].pop(1) and None, "data.result.0", "CPU of none; requests of web"),
    ("no-requests", lambda t: t["data"]["result"].pop(0) and None, "data.result.0", "CPU of web; requests of none"),
    ("one-sample", lambda t: samples(t).__delitem__(slice(1, None)), "data.result.0", "one sample"),
    ("idle", lambda t: [pair.__setitem__(1, "7") for pair in samples(t)] and None, "data.result.0", "no requests"),
    ("apart", lambda t: [pair.__setitem__(0, pair[0] + 9e6) for pair in samples(t)] and None, "data.result.1", "share"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "path", "found"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_files_are_refused_with_file_and_path(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], path: str, found: str
) -> None:
    file = saved(tmp_path, "broken.json", broken(change))
    with pytest.raises(ScenarioError) as refused:
        read_replay([file])
    problem = refused.value.problems[0]
    assert (problem.file, problem.path) == (file, path)
    assert found in problem.found


def test_all_mistakes_of_all_files_at_once_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = saved(tmp_path, "a.json", broken(lambda t: samples(t)[4].__setitem__(1, "-Inf")))
    second = saved(tmp_path, "b.json", broken(lambda t: t["data"].update(resultType="scalar")))
    out = tmp_path / "replay.yaml"
    assert main(["init", "prometheus", first, second, str(tmp_path / "c.json"), "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert all(each in told for each in ("a.json", "-Inf", "b.json", "scalar", "c.json", "3 mistakes"))
    assert not out.exists()


@pytest.mark.parametrize("words", [["--traffic", "x"], ["--entry", "x"], ["--images", "x"], ["--window", "9s"]])
def test_options_of_other_sources_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "prometheus", "a.json", *words]) == 2
    before, told, _ = capsys.readouterr().err.partition(" are of `init compose` and `init kube`")
    assert told
    assert words[0] in before


def test_a_line_break_in_a_metric_s_name_stays_in_the_comment(tmp_path: Path) -> None:
    odd = row("odd\nduration: 1s\nx", lambda i: 9.0, job="web")
    told = scenario(read_replay([saved(tmp_path, "a.json", broken(lambda t: t["data"]["result"].append(odd)))]))
    assert told.duration == 60.0 + STEP * (COUNT - 1)


def test_nan_is_a_sample_that_is_not_there(tmp_path: Path) -> None:
    def stale(tree: dict[str, Any]) -> None:
        for index in (3, 4, 5):
            samples(tree)[index][1] = "NaN"

    text = read_replay([saved(tmp_path, "a.json", broken(stale))])
    observed = scenario(text).services["web"].observed
    assert observed is not None
    assert observed.rate == pytest.approx(10.0)
    assert "3 samples are NaN" in text
    assert read_files([saved(tmp_path, "b.json", broken(stale))])[0].dropped == 3
