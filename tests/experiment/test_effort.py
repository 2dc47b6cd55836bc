"""What would take too long is refused before it begins, with the arithmetic and its place; what people ask for runs."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.cli import main
from sim.experiment.effort import limits
from sim.experiment.effort.counting import parts
from sim.experiment.replications.runner import platform_of, platforms_of
from sim.experiment.study import StudyError
from sim.model.run import simulate
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario
from sim.scenario.loader import scenario_from_dict

SIZE = {"cpu": 1, "memory": "1GiB"}
WEB = {"size": SIZE, "image": "100MB", "request_cpu": "5ms", "concurrency": 4, "traffic": {"rate": "50/s"}}
BASE = {"duration": "60s", "replications": 2, "host": {"cores": 8, "memory": "16GiB"}, "platforms": ["container", "vm"],
        "services": {"web": WEB}}  # fmt: skip
DB = {"db": {"size": SIZE, "image": "1MB", "request_cpu": "1ms"}}
HUGE, FAST = 10**12, "1e9/s"


def web(**changes: Any) -> dict[str, Any]:
    tree = copy.deepcopy(BASE)
    tree["services"]["web"] = {**WEB, **changes}
    return tree


def whole(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BASE), **changes}


def scaled(**rule: Any) -> dict[str, Any]:
    return web(autoscale={"min": 1, "max": 10, **rule})


def calling(**call: Any) -> dict[str, Any]:
    tree = web(request=[{"call": {"service": "db", **call}}])
    del tree["services"]["web"]["request_cpu"]
    tree["services"] |= DB
    return tree


def loop(users: int, **source: Any) -> dict[str, Any]:
    return {"constant-vus": {"vus": users, **source}}


def two(rate: str, stay: str, first: str = "1s") -> dict[str, Any]:
    return {"mmpp": {"states": [{"rate": "1/s", "mean_duration": first}, {"rate": rate, "mean_duration": stay}]}}


RAMP = {"ramping-arrival-rate": {"stages": [{"duration": "10s", "target": FAST}, {"duration": "1s", "target": "1/s"}]}}
TOO_MUCH = {
    "tenants": (web(tenants=HUGE), "services.web.tenants"),
    "fewer tenants": (web(tenants=10**6), "services.web.tenants"),
    "tenants of a stack": (
        whole(stacks={"shop": {"services": ["web"], "tenants": HUGE}}), "stacks.shop.tenants",
    ),
    "replicas": (web(replicas=10**9), "services.web.replicas"),
    "least of an hpa": (scaled(rule="hpa", target_cpu="50%", min=10**9, max=HUGE), "services.web.autoscale.max"),
    "concurrency's target": (scaled(rule="concurrency", target=1e-9, max=HUGE), "services.web.autoscale.max"),
    "sync": (scaled(rule="hpa", target_cpu="50%", sync="1ns"), "services.web.autoscale.sync"),
    "window": (scaled(rule="concurrency", target=1, sync="1us", window="1h"), "services.web.autoscale.sync"),
    "looking back": (
        scaled(rule="hpa", target_cpu="50%", sync="1ms", stabilization="365d"), "services.web.autoscale.sync",
    ),
    "rate": (web(traffic={"rate": FAST}), "services.web.traffic.rate"),
    "rate of the long form": (
        web(traffic=[{"rate": "1/s"}, {"constant-arrival-rate": {"rate": "1e300/s"}}]),
        "services.web.traffic.1.constant-arrival-rate.rate",
    ),
    "ramp": (web(traffic=RAMP), "services.web.traffic.ramping-arrival-rate.stages"),
    "short states": (
        web(traffic=two("1/s", "1ns", "1ns")) | {"duration": "1000s"}, "services.web.traffic.mmpp.states",
    ),
    "a state that seldom comes": (web(traffic=two(FAST, "1h")), "services.web.traffic.mmpp.states"),
    "daily": (web(traffic={"diurnal": {"mean": FAST, "peak": FAST}}), "services.web.traffic.diurnal.peak"),
    "users": (web(traffic=loop(HUGE)), "services.web.traffic"),
    "users in no hurry for nothing": (web(traffic=loop(9), request_cpu="1ns"), "services.web.traffic.constant-vus.vus"),
    "users that are refused": (
        web(traffic=loop(9, after_rejection="1ns"), queue=0), "services.web.traffic.constant-vus.vus",
    ),
    "concurrency": (web(concurrency=HUGE), "services.web.concurrency"),
    "threads of a start": (web(start={"cpu": "1s", "threads": HUGE}), "services.web.start"),
    "crashes": (whole(faults=[{"kind": "app-crash", "rate": FAST}]), "faults.0.rate"),
    "reboots": (whole(faults=[{"kind": "host-reboot", "rate": "1000/s"}]), "faults.0.rate"),
    "replications": (whole(replications=HUGE), "replications"),
    "replications until": (
        whole(replications={"until": "response.p99 within 1%", "max": HUGE}), "replications",
    ),
    "duration": (whole(duration="1e9s"), "services.web.traffic.rate"),
    "an endless duration": (whole(duration="1e300s"), "services.web.traffic.rate"),
    "calls": (calling(times=HUGE), "services.web.request"),
    "retries": (calling(retries=HUGE), "services.web.request"),
    "nobody is ever ready": (web(memory="2GiB") | {"duration": "5e6s"}, "services.web.traffic.rate"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_would_take_too_long_is_refused_with_its_arithmetic_and_place(name: str) -> None:
    tree, path = TOO_MUCH[name]
    began = time.process_time()
    with pytest.raises(ScenarioError) as refused:
        scenario_from_dict(tree, checks=limits.checks())
    assert time.process_time() - began < 2.0
    said = {each.path: str(each) for each in refused.value.problems}
    found = next((text for place, text in said.items() if place.startswith(path)), None)
    assert found is not None, said
    assert "--force" in found
    assert any(word in found for word in ("of CPU", "CPU for ever", "of memory", "of tables"))
    assert any(sign in found for sign in (" = ", "1,000,000", "load"))
    scenario_from_dict(tree, checks=limits.checks(force=True))  # right in all else, and read at once


WITHIN = {
    "queue": web(queue=HUGE), "backlog": web(backlog=HUGE), "threads": web(threads=HUGE), "pids": web(pids=HUGE),
    "the most of an hpa": scaled(rule="hpa", target_cpu="50%", max=HUGE),
    "the most of concurrency": scaled(rule="concurrency", target=1, max=HUGE),
    "the most of per-request": scaled(rule="per-request", keep_alive="0s", max=HUGE) | {},
    "a ramp": web(replicas={"add": HUGE, "every": "1ns"}), "probe": web(ready={"probe": "1ns"}),
    "timeout": web(timeout="1ns"), "reads": web(request_cpu="none", request=[{"reads": HUGE}]),
    "cores": whole(host={"cores": HUGE, "memory": "1e300B"}), "start": web(start_cpu="1e12s"),
    "oom loop": web(memory="2GiB"),
    "rounds": whole(moves=[{"at": "5s", "service": "web", "max_rounds": HUGE, "dirty_rate": "1e12B/s"}]),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHIN)
def test_what_is_only_written_large_runs_at_once(name: str) -> None:
    tree = copy.deepcopy(WITHIN[name])
    web = tree["services"]["web"]
    if web["request_cpu"] == "none":
        del web["request_cpu"]
    if web.get("autoscale", {}).get("rule") == "per-request":
        del web["autoscale"]["min"]
    scenario = scenario_from_dict(tree, checks=limits.checks())
    for platform in scenario.platforms:
        began = time.process_time()
        records = simulate(scenario, platform_of(scenario, platform), 0)
        assert sum(each.arrived for each in records.requests.values()) > 1000
        assert time.process_time() - began < 10.0


def test_shipped_scenarios_and_ten_million_requests_are_far_from_the_limits(root: Path) -> None:
    files = [file for file in sorted(root.glob("scenarios/**/*.yaml")) if file.parent.name != "sweeps"]
    assert len(files) > 20
    for file in files:
        scenario = load_scenario(file, checks=limits.checks())
        assert limits.seconds(scenario) < limits.RUN / 50, file
    w = load_scenario(root / "benchmarks/w.yaml", overrides=["duration=45000s"], checks=limits.checks())
    (platform,) = platforms_of(w).values()
    counted = {part.what: part for part in parts(w, platform, None)}
    requests = next(part for what, part in counted.items() if what.startswith("requests of"))
    assert requests.number == pytest.approx(1.008e7)
    assert 3.0 < limits.seconds(w) < 20.0  # it takes 3.4 to 4 s (docs/benchmarks.md)
    assert sum(part.memory for part in counted.values()) < 20e6


def test_the_estimate_is_not_below_what_a_run_takes() -> None:
    for tree in (web(replicas=8, traffic={"rate": "800/s"}) | {"duration": "400s"}, web(replicas=100_000)):
        scenario = scenario_from_dict(tree, checks=limits.checks())
        platform = platform_of(scenario, "container")
        simulate(scenario, platform, 0)
        began = time.process_time()
        simulate(scenario, platform, 0)
        took = time.process_time() - began
        expected = sum(part.seconds for part in parts(scenario, platform, None))
        assert took < 2 * expected < 40 * took


def test_the_command_line_refuses_with_line_and_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "much.yaml"
    file.write_text(
        "duration: 60s\nhost: {cores: 8, memory: 16GiB}\nplatforms: [container, native]\nservices:\n  web:\n"
        "    size: {cpu: 1, memory: 1GiB}\n    image: 1MB\n    request_cpu: 5ms\n    traffic:\n"
        "      constant-arrival-rate:\n        rate: 1e9/s\n",
        "utf-8",
    )
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("base: much.yaml\naxes: {services.web.concurrency: [1, 2]}\n", "utf-8")
    out = ["--out", str(tmp_path / "out"), "--quiet"]
    axis = ["--vary", "services.web.concurrency", "--from", "1"]
    commands = [
        ["validate", str(file)], ["run", str(file), *out], ["why", str(file), *out], ["validate", str(sweep)],
        ["density", str(file), *out], ["fit", str(file), *axis, *out], ["sweep", str(sweep), *out],
        ["crossover", str(file), *axis, "--to", "4", *out],
    ]  # fmt: skip
    for command in commands:
        assert main(command) == 2, command
        said = capsys.readouterr().err
        assert "1e+09/s × 60 s = 6e+10 requests of web" in said
        assert "much.yaml:11:15: services.web.traffic.constant-arrival-rate.rate" in said
    assert not (tmp_path / "out").exists()
    assert main(["validate", str(file), "--force"]) == 0
    assert main(["validate", str(file), "--set", "services.web.traffic.constant-arrival-rate.rate=5/s"]) == 0
    assert main(["run", str(file), "--set", "services.web.traffic.constant-arrival-rate.rate=5/s", "--replications",
                 "1000000000", *out]) == 2  # fmt: skip
    assert "1,000,000,000 replications on 2 platforms" in capsys.readouterr().err


def test_many_points_and_long_searches_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "base.yaml"
    text = "duration: 600s\nhost: {cores: 8, memory: 16GiB}\nplatforms: [container, native]\nservices:\n  web:\n"
    file.write_text(f"{text}    size: {{cpu: 1, memory: 1GiB}}\n    image: 1MB\n    request_cpu: 5ms\n"
                    "    traffic: {rate: 100/s}\n", "utf-8")  # fmt: skip
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("base: base.yaml\nreplications: 100000000\naxes: {services.web.concurrency: [1, 2]}\n", "utf-8")
    assert main(["sweep", str(sweep), "--out", str(tmp_path / "out")]) == 2
    assert "replications" in capsys.readouterr().err
    sweep.write_text("base: base.yaml\nsample:\n  method: lhs\n  points: 60000\n  over: {seed: [1, 9000]}\n", "utf-8")
    assert main(["sweep", str(sweep), "--sensitivity", "morris", "--size", "100000000", "--out", str(tmp_path)]) == 2
    assert "a design of " in capsys.readouterr().err
    axis = ["--vary", "services.web.concurrency", "--from", "1", "--to", "4", "--points", "1000000000"]
    assert main(["crossover", str(file), *axis, "--out", str(tmp_path / "out")]) == 2
    assert "--points: 5,000,000,000 runs" in capsys.readouterr().err
    assert main(["density", str(file), "--replications", "1000000", "--out", str(tmp_path / "out")]) == 2
    assert "replications" in capsys.readouterr().err


def test_python_says_the_same_and_force_lifts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = web(traffic={"rate": FAST})
    with pytest.raises(ScenarioError, match="6e\\+10 requests of web"):
        sim.run(tree)
    monkeypatch.setattr(limits, "RUN", 1e-9)
    with pytest.raises(ScenarioError, match="--force"):
        sim.run(web(), platforms=["container"], replications=1)
    assert sim.run(web(), platforms=["container"], replications=1, force=True).summary.shape[0] > 10


def test_an_attribution_is_refused_where_its_coalitions_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMAND", 0.03)
    with pytest.raises(StudyError, match=r"groups .*runs of about"):
        sim.why(scenario_from_dict(whole(replications=2)), replications=2)
