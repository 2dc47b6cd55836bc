"""Each rule from both sides: what it refuses, at the path the user typed, and its nearest neighbour that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.reading.errors import ScenarioError
from sim.scenario import (
    Concurrency,
    ConstantUsers,
    Diurnal,
    Mmpp,
    PerRequest,
    Ramp,
    Scenario,
    Trace,
    Until,
    scenario_from_text,
)

Load = Callable[..., Scenario]
Problems = Callable[..., list[tuple[str, str]]]

W = "services.web."
T = W + "traffic"
BOTH_SIDES = [
    # override that is refused, the path it names, override that is allowed
    ("host.cores=0", "host.cores", "host.cores=1m"),
    ("host.cores=-4", "host.cores", "host.cores=4"),
    ("host.cores=.inf", "host.cores", "host.cores=1e3"),
    ("host.cores=.nan", "host.cores", "host.cores='4'"),
    ("host.cores=true", "host.cores", "host.cores=2.5"),
    ("host.memory=8", "host.memory", "host.memory=8B"),
    ("host.memory=0GiB", "host.memory", "host.memory=1GiB"),
    ("host.disk=1GB/s", "host.disk", "host.disk={read: 1GB/s, write: 1MB/s, capacity: 1TB}"),
    ("host.disk.capacity=1", "host.disk.capacity", "host.disk.capacity=none"),
    ("host.registry=100MB", "host.registry", "host.registry=100MB/s"),
    ("duration=0s", "duration", "duration=1ms"),
    ("warmup=10min", "warmup", "warmup=9min"),
    ("warmup=-1s", "warmup", "warmup=0s"),
    ("warmup=outo", "warmup", "warmup=auto"),
    ("seed=1.5", "seed", "seed=123456789012345678901234567890"),
    ("seed=-1", "seed", "seed=0"),
    ("name=a/b", "name", "name=a-b_1.2"),
    ("name=.hidden", "name", "name=7"),
    ("name=''", "name", "name=x"),
    ("replications=0", "replications", "replications=1"),
    ("replications={until: x within 5, max: 9}", "replications.until", "replications={until: x within 5%, max: 9}"),
    ("replications={until: x within 0%, max: 9}", "replications.until", "replications={until: x within 1%, max: 9}"),
    ("replications={until: x within -1, max: 9}", "replications.until", "replications={until: x within 1, max: 9}"),
    ("replications={until: x within 5%, max: 1}", "replications.max", "replications={until: x within 5%, max: 2}"),
    ("replications={until: soon, max: 9}", "replications.until", "replications={until: a.b within 0.1, max: 9}"),
    ("replications={until: x within 5%}", "replications.max", "replications={until: x within 5%, max: 2}"),
    ("replications={until: x within 5%, mex: 3}", "replications.mex", "replications={until: x within 1%, max: 3}"),
    ("platforms=vm", "platforms", "platforms=[vm]"),
    ("platforms=[]", "platforms", "platforms={vm: }"),
    ("platforms=[vm, vm]", "platforms.1", "platforms=[vm, microvm]"),
    ("platforms={a/b: {}}", "platforms.a/b", "platforms={mine: {based_on: container}}"),
    ("platforms.vm=3", "platforms.vm", "platforms.vm={}"),
    ("platforms.vm={x: [1, .inf]}", "platforms.vm.x.1", "platforms.vm={x: [1, 2]}"),
    ("cpu_overcommit=0", "cpu_overcommit", "cpu_overcommit=1.5"),
    ("memory_overcommit=-1", "memory_overcommit", "memory_overcommit=150%"),
    ("services={}", "services", "seed=1"),
    ("services.all={}", "services.all", "seed=1"),
    (W + "image=190", W + "image", W + "image=190MB"),
    (W + "image={}", W + "image", W + "image={vm: 2GB}"),
    (W + "image={cached: true}", W + "image", W + "image={cached: true, vm: 1GB}"),
    (W + "image={vm: {cached: true}}", W + "image.vm", W + "image={vm: {size: 1GB, cached: true, ready_made: false}}"),
    (W + "image={size: 1GB, layers: [a 1MB]}", W + "image", W + "image={layers: [a 1MB]}"),
    (W + "image={layers: [a 1MB, a 2MB]}", W + "image.layers.1", W + "image={layers: [a 1MB, b 2MB]}"),
    (W + "image={layers: [a]}", W + "image.layers.0", W + "image={layers: [{name: a, size: 1MB}]}"),
    (W + "image={layers: [{name: a, size: 1}]}", W + "image.layers.0.size", W + "image={layers: [a 80 MB]}"),
    (W + "image={size: 1GB, cashed: true}", W + "image.cashed", W + "image={size: 1GB, cached: true}"),
    (W + "memory.base=64", W + "memory.base", W + "memory.base=0B"),
    (W + "memory.per_reqest=1MB", W + "memory.per_reqest", W + "memory.per_request=1MB"),
    (W + "start_cpu=2", W + "start_cpu", W + "start_cpu=2s"),
    (W + "request_cpu=0ms", W + "request_cpu", W + "request_cpu=1us"),
    (W + "request_cpu=25", W + "request_cpu", W + "request_cpu={constant: 25ms}"),
    (W + "request_cpu={lognormal: 25ms}", W + "request_cpu.lognormal", W + "request_cpu={exponential: 25ms}"),
    (W + "request_cpu={lognormal: {mean: 1s, cv: 0}}", W + "request_cpu.lognormal.cv",
     W + "request_cpu={lognormal: {mean: 1s, cv: 10%}}"),
    (W + "request_cpu={gama: {mean: 1s, cv: 1}}", W + "request_cpu.gama", W + "request_cpu={gamma: {mean: 1s, cv: 1}}"),
    (W + "request_cpu={gamma: {mean: 1s}}", W + "request_cpu.gamma.cv",
     W + "request_cpu={weibull: {mean: 1s, shape: 0.5}}"),
    (W + "request_cpu={pareto: {mean: 1s, shape: 1}}", W + "request_cpu.pareto.shape",
     W + "request_cpu={pareto: {mean: 1s, shape: 1.1}}"),
    (W + "request_cpu={uniform: {min: 3s, max: 2s}}", W + "request_cpu.uniform.min",
     W + "request_cpu={uniform: {min: 2s, max: 2s}}"),
    (W + "concurrency=0", W + "concurrency", W + "concurrency=1"),
    (W + "concurrency=1.5", W + "concurrency", W + "concurrency=2.0"),
    (W + "queue=-1", W + "queue", W + "queue=0"),
    (W + "backlog=x", W + "backlog", W + "backlog=none"),
    (W + "timeout=0s", W + "timeout", W + "timeout=none"),
    (W + "slo.p99=400", W + "slo.p99", W + "slo.p99=400ms"),
    (W + "slo.availability=99.9", W + "slo.availability", W + "slo.availability=99.9%"),
    (W + "slo.availability=101%", W + "slo.availability", W + "slo.availability=100%"),
    (W + "slo.p90=1s", W + "slo.p90", W + "slo.p95=1s"),
    (W + "routing=least_outstanding", W + "routing", W + "routing=power-of-two"),
    (W + "size={cpu: 1}", W + "size.memory", W + "size={cpu: 1, memory: 1GiB}"),
    (W + "size={vm: {cpu: 0, memory: 1GiB}}", W + "size.vm.cpu", W + "size={vm: {cpu: 100m, memory: 1GiB}}"),
    (W + "size={vm: 3}", W + "size.vm", W + "size={'*': {cpu: 1, memory: 1GiB}}"),
    (W + "size={}", W + "size", W + "size={cpu: {request: 1}, memory: {limit: 1GiB}}"),
    (W + "size={cpu: {}, memory: 1GiB}", W + "size.cpu", W + "size={cpu: {limit: 1}, memory: 1GiB}"),
    (W + "size={cpu: {request: 2, limit: 1}, memory: 1GiB}", W + "size.cpu.request",
     W + "size={cpu: {request: 1, limit: 1}, memory: 1GiB}"),
    (W + "size={cpu: 1, memory: {request: 2GB, limit: 1.9GB}}", W + "size.memory.request",
     W + "size={cpu: 1, memory: {request: 2GB, limit: none}}"),
    (W + "autoscale={rule: hpa, min: 3, max: 2, target_cpu: 50%}", W + "autoscale.min",
     W + "autoscale={rule: hpa, min: 2, max: 2, target_cpu: 50%}"),
    (W + "autoscale={rule: hpa, min: 0, max: 2, target_cpu: 50%}", W + "autoscale.min",
     W + "autoscale={rule: concurrency, min: 0, max: 2, target: 1}"),
    (W + "autoscale={rule: hpa, max: 2, target_cpu: 60}", W + "autoscale.target_cpu",
     W + "autoscale={rule: hpa, max: 2, target_cpu: 0.6}"),
    (W + "autoscale={rule: hpa, max: 2, target: 60%}", W + "autoscale.target",
     W + "autoscale={rule: hpa, max: 2, target_cpu: 200%, tolerance: 0}"),
    (W + "autoscale={rule: per_request, keep_alive: 1min, max: 2}", W + "autoscale.rule",
     W + "autoscale={rule: per-request, keep_alive: 1min, max: 2}"),
    (W + "autoscale={max: 2}", W + "autoscale.rule", W + "autoscale=null"),
    (W + "replicas=-1", W + "replicas", W + "replicas=0"),
    (W + "replicas={add: 0, every: 1s}", W + "replicas.add", W + "replicas={add: 1, every: 1s}"),
    (W + "replicas={add: 1}", W + "replicas.every", W + "replicas={every: 1s}"),
    (W + "tenants=0", W + "tenants", W + "tenants=1"),
    (T + "=5/s", T, T + "=null"),
    (T + "={constant-rate: {rate: 5/s}}", T + ".constant-rate", T + "={constant-arrival-rate: {rate: 5/s}}"),
    (T + "=[{constant-arrival-rate: {rate: 5}}]", T + ".0.constant-arrival-rate.rate",
     T + "=[{constant-arrival-rate: {rate: 5/s}}]"),
    (T + "=[{constant-arrival-rate: {rate: 5/s, arrivals: odd}}]", T + ".0.constant-arrival-rate.arrivals",
     T + "=[{constant-arrival-rate: {rate: 5/s, arrivals: even}}]"),
    (T + "={ramping-arrival-rate: {stages: []}}", T + ".ramping-arrival-rate.stages",
     T + "={ramping-arrival-rate: {stages: [{duration: 0s, target: 0/s}]}}"),
    (T + "={ramping-arrival-rate: {stages: {duration: 1s}}}", T + ".ramping-arrival-rate.stages", T + "=[]"),
    (T + "={constant-vus: {vus: 0}}", T + ".constant-vus.vus", T + "={constant-vus: {vus: 1}}"),
    (T + "={constant-vus: {vus: 1, think_time: 1}}", T + ".constant-vus.think_time",
     T + "={constant-vus: {vus: 1, think_time: 0s}}"),
    (T + "={mmpp: {states: [{rate: 1/s, mean_duration: 1s}]}}", T + ".mmpp.states",
     T + "={mmpp: {states: [{rate: 1/s, mean_duration: 1s}, {rate: 0/s, mean_duration: 1s}]}}"),
    (T + "={diurnal: {mean: 1/s, peak: 3/s}}", T + ".diurnal.peak", T + "={diurnal: {mean: 1/s, peak: 2/s}}"),
    (T + "={diurnal: {mean: 1/s, peak: 0.5/s}}", T + ".diurnal.peak",
     T + "={diurnal: {mean: 1/s, peak: 1/s, period: 1h, phase: -5min}}"),
    ("faults=[{kind: app-crash}]", "faults.0", "faults=[{kind: app-crash, rate: 0.1/h}]"),
    ("faults=[{kind: app-crash, at: 1s, rate: 1/h}]", "faults.0", "faults=[{kind: app-crash, at: 1s}]"),
    ("faults=[{kind: app-crsh, at: 1s}]", "faults.0.kind", "faults=[{kind: compromise, at: 1s, service: web}]"),
    ("faults=[{kind: app-crash, at: 1s, service: wbe}]", "faults.0.service",
     "faults=[{kind: app-crash, at: 1s, service: web, replica: 0}]"),
    ("faults=[{kind: app-crash, at: 10min}]", "faults.0.at", "faults=[{kind: app-crash, at: 599s}]"),
    ("faults=[{kind: host-patch, at: 1s, service: web}]", "faults.0.service",
     "faults=[{kind: host-patch, at: 1s, move_first: true, outage: 2min}]"),
    ("faults=[{kind: app-crash, at: 1s, move_first: true}]", "faults.0.move_first", "faults=null"),
    ("moves=[{at: 1s, service: shop}]", "moves.0.service", "moves=[{at: 1s, service: web}]"),
    ("moves=[{at: 1s, service: web, link: 10GB}]", "moves.0.link",
     "moves=[{at: 1s, service: web, link: 10Gbit/s, dirty_rate: 40MB/s, on_no_convergence: force}]"),
    ("moves=[{at: 1s, service: web, on_no_convergence: wait}]", "moves.0.on_no_convergence", "moves=[]"),
    ("moves={at: 1s}", "moves", "moves=[{at: 1s, service: web, downtime: 300ms, max_rounds: 5}]"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "path", "right"), BOTH_SIDES, ids=[wrong for wrong, _, _ in BOTH_SIDES])
def test_rule(problems: Problems, wrong: str, path: str, right: str) -> None:
    found = problems(wrong)
    assert path in [where for where, _ in found], found
    if not path.startswith("services.all"):
        assert len(found) == 1, "one mistake is one problem"
    assert not problems(right)


@pytest.mark.parametrize("name", ["Shop", "a.b", "-a", "a_b", "x" * 53, ""])
def test_service_names_are_labels(minimal: str, name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(minimal.replace("  web:", f"  '{name}':"))
    assert len(caught.value.problems) == 1
    assert scenario_from_text(minimal.replace("  web:", "  7-web:")).services.keys() == {"7-web"}


def test_replicas_and_autoscale_exclude_each_other(problems: Problems) -> None:
    scaled = W + "autoscale={rule: concurrency, target: 2, max: 3}"
    assert [path for path, _ in problems(scaled, W + "replicas=2")] == [W + "replicas"]
    assert not problems(scaled)
    assert not problems(W + "replicas=2")


def test_defaults(load: Load) -> None:
    scenario = load()
    web = scenario.services["web"]
    assert (scenario.seed, scenario.warmup, scenario.replications) == (0, 0.0, 5)
    assert (scenario.cpu_overcommit, scenario.memory_overcommit) == (1.0, 1.0)
    assert (web.queue, web.backlog, web.concurrency, web.timeout, web.start_cpu) == (None, None, 1, None, 0.0)
    assert (web.routing, web.replicas, web.autoscale, web.slo) == ("least-outstanding", 1, None, None)
    assert not load(T + "=null").services["web"].traffic


def test_backlog_follows_queue_unless_given(load: Load) -> None:
    assert load(W + "queue=7").services["web"].backlog == 7
    assert load(W + "queue=7", W + "backlog=0").services["web"].backlog == 0
    assert load(W + "queue=7", W + "backlog=none").services["web"].backlog is None


def test_the_forms_that_come_later(load: Load) -> None:
    scenario = load(
        "warmup=auto",
        "replications={until: response.p99 within 5%, max: 100}",
        W + "autoscale={rule: per-request, keep_alive: 10min, max: 1000}",
        T + "=[{constant-vus: {vus: 3, think_time: {exponential: 2s}}}, {mmpp: {states: "
        "[{rate: 1/s, mean_duration: 1min}, {rate: 9/s, mean_duration: 5s}]}}, {diurnal: {mean: 6/min, peak: 9/min}}]",
    )
    web = scenario.services["web"]
    assert scenario.warmup == "auto"
    assert scenario.replications == Until(metric="response.p99", within=0.05, max=100)
    assert isinstance(web.autoscale, PerRequest)
    assert (web.autoscale.keep_alive, web.autoscale.max) == (600.0, 1000)
    users, bursts, daily = web.traffic
    assert isinstance(users, ConstantUsers)
    assert (users.vus, users.think_time.kind, users.think_time.mean) == (3, "exponential", 2.0)
    assert isinstance(bursts, Mmpp)
    assert [(state.rate, state.mean_duration) for state in bursts.states] == [(1.0, 60.0), (9.0, 5.0)]
    assert isinstance(daily, Diurnal)
    assert (daily.mean, daily.peak, daily.period, daily.phase) == (0.1, 0.15, 86400.0, 0.0)
    knative = load(W + "autoscale={rule: concurrency, target: 10, max: 30}").services["web"].autoscale
    assert isinstance(knative, Concurrency)
    assert (knative.min, knative.window, knative.sync) == (0, 60.0, 2.0)
    assert load(W + "replicas={add: 2, every: 3s}").services["web"].replicas == Ramp(add=2, every="3s")


def test_images_and_layers(load: Load) -> None:
    web = load(W + "image={cached: true, vm: {size: 2GB, cached: false}, container: {layers: [base 80MB, app 110MB]}}")
    images = web.services["web"].image
    assert (images["vm"].bytes, images["vm"].cached, [layer.name for layer in images["vm"].layers]) == (
        2e9,
        False,
        ["web"],
    )
    assert (images["container"].bytes, images["container"].cached) == (190e6, True)
    assert [(layer.name, layer.bytes) for layer in images["container"].layers] == [("base", 80e6), ("app", 110e6)]
    assert web.services["web"].image_on(["native", "container"]) == images["container"]


def test_a_layer_shared_by_name_has_one_size(minimal: str) -> None:
    two = minimal.replace("image: 100MB", "image: {layers: [base 80MB, web 1MB]}") + (
        "  api:\n    image: {layers: [base SIZE, api 1MB]}\n    memory: {base: 1MB}\n    request_cpu: 1ms\n"
        "    size: {cpu: 1, memory: 1GB}\n"
    )
    assert scenario_from_text(two.replace("SIZE", "80MB"))
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(two.replace("SIZE", "90MB"))
    assert [problem.path for problem in caught.value.problems] == ["services.api.image.layers.0"]


def test_tenants_keep_their_names(load: Load, problems: Problems) -> None:
    names = [name for name, _ in load(W + "tenants=3").expanded()]
    assert names == ["web-00", "web-01", "web-02"]
    assert [name for name, _ in load(W + "tenants=101").expanded()][:3] == names
    assert [name for name, _ in load(W + "tenants=1").expanded()] == ["web-00"]
    assert [name for name, _ in load().expanded()] == ["web"]
    twin = "services.web-01={image: 1MB, memory: {base: 1MB}, request_cpu: 1ms, size: {cpu: 1, memory: 1MB}}"
    assert [path for path, _ in problems(W + "tenants=2", twin)] == ["services.web-01"]
    assert not problems(W + "tenants=1", twin)
    assert not problems(W + "tenants=3", "faults=[{kind: app-crash, at: 1s, service: web-02}]")
    assert problems(W + "tenants=3", "faults=[{kind: app-crash, at: 1s, service: web-03}]")


def test_a_trace_must_be_there_with_its_columns(load: Load, problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "arrivals.csv").write_text("time,cpu\n0.5,0.01\n")
    set_trace = T + "={trace: {file: arrivals.csv, demand: cpu}}"
    source = load(set_trace).services["web"].traffic[0]
    assert isinstance(source, Trace)
    assert source.path == tmp_path / "arrivals.csv"
    assert (source.file, source.time, source.demand) == ("arrivals.csv", "time", "cpu")
    before = load(set_trace).digest
    (tmp_path / "arrivals.csv").write_text("time,cpu\n0.5,0.02123\n")
    assert load(set_trace).digest != before, "the content belongs to the question"
    assert str(tmp_path) not in str(load(set_trace).to_dict())
    for wrong, path in [
        ("{file: none.csv}", "file"),
        ("{file: arrivals.txt}", "file"),
        ("{file: arrivals.csv, time: tme}", "time"),
        ("{file: arrivals.csv, demand: work}", "demand"),
        ("{file: arrivals.csv, sha256: abc}", "sha256"),
        ("{time: time}", "file"),
    ]:
        assert [where for where, _ in problems(T + f"={{trace: {wrong}}}")] == [f"{T}.trace.{path}"]
