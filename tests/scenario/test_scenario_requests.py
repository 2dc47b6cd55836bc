"""What a request takes, as it is written: steps, kinds, calls; each mistake at the path the user typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sim.scenario import Scenario

Load = Callable[..., Scenario]
Problems = Callable[..., list[tuple[str, str]]]

R = "services.web.request"
MIX = "services.web.mix"
NO_CPU = "services.web.request_cpu=null"
DB = "services.db={image: 1MB, size: {cpu: 1, memory: 1GiB}, request_cpu: 1ms}"

BOTH_SIDES = [
    # program that is refused, the path it names, its nearest neighbour that is allowed
    (f"{R}=[]", R, f"{R}=[cpu: 1ms]"),
    (f"{R}=3", R, f"{R}=[cpu: {{exponential: 1ms}}]"),
    (f"{R}=[3]", f"{R}.0", f"{R}=[cpu: 0ms]"),
    (f"{R}=[cpu: -1ms]", f"{R}.0.cpu", f"{R}=[cpu: 1ms]"),
    (f"{R}=[{{cpu: 1ms, wait: 1ms}}]", f"{R}.0", f"{R}=[cpu: 1ms, wait: 1ms]"),
    (f"{R}=[wait: 1s, wait: -1s]", f"{R}.1.wait", f"{R}=[wait: 1s, wait: {{lognormal: {{mean: 1s, cv: 1}}}}]"),
    (f"{R}=[read: 5]", f"{R}.0.read", f"{R}=[read: 5B]"),
    (f"{R}=[write: -5MB]", f"{R}.0.write", f"{R}=[write: 0MB]"),
    (f"{R}=[reads: 0]", f"{R}.0.reads", f"{R}=[reads: 1]"),
    (f"{R}=[writes: 1.5]", f"{R}.0.writes", f"{R}=[writes: 2]"),
    (f"{R}=[send: 1MB/s]", f"{R}.0.send", f"{R}=[send: 1MB]"),
    (f"{R}=[recieve: 1MB]", f"{R}.0.recieve", f"{R}=[receive: 1MB]"),
    (f"{R}=[call: dbs]", f"{R}.0.call", f"{R}=[call: db]"),
    (f"{R}=[call: {{service: dbs}}]", f"{R}.0.call.service", f"{R}=[call: {{service: db}}]"),
    (f"{R}=[call: 3]", f"{R}.0.call", f"{R}=[call: db]"),
    (f"{R}=[call: {{times: 2}}]", f"{R}.0.call.service", f"{R}=[call: {{service: db, times: 2}}]"),
    (f"{R}=[call: {{service: db, times: 0}}]", f"{R}.0.call.times", f"{R}=[call: {{service: db, times: 1}}]"),
    (f"{R}=[call: {{service: db, probability: 101%}}]", f"{R}.0.call.probability",
     f"{R}=[call: {{service: db, probability: 100%}}]"),
    (f"{R}=[call: {{service: db, probability: -1%}}]", f"{R}.0.call.probability",
     f"{R}=[call: {{service: db, probability: 0%}}]"),
    (f"{R}=[call: {{service: db, retries: -1}}]", f"{R}.0.call.retries", f"{R}=[call: {{service: db, retries: 3}}]"),
    (f"{R}=[parallel: []]", f"{R}.0.parallel", f"{R}=[parallel: [cpu: 1ms]]"),
    (f"{R}=[parallel: [[]]]", f"{R}.0.parallel.0", f"{R}=[parallel: [[cpu: 1ms, wait: 1ms], cpu: 1ms]]"),
    (f"{R}=[parallel: [cpu: 1ms, [cpu: 1ms, call: dbs]]]", f"{R}.0.parallel.1.1.call",
     f"{R}=[parallel: [cpu: 1ms, [cpu: 1ms, call: db]]]"),
    (f"{R}=[parallel: [call: dbs]]", f"{R}.0.parallel.0.call", f"{R}=[parallel: [call: db]]"),
    (f"{MIX}={{}}", MIX, f"{MIX}={{a: {{share: 100%, request: [cpu: 1ms]}}}}"),
    (f"{MIX}={{a: {{share: 90%, request: [cpu: 1ms]}}, b: {{share: 9%, request: [cpu: 1ms]}}}}", MIX,
     f"{MIX}={{a: {{share: 90%, request: [cpu: 1ms]}}, b: {{share: 0.1, request: [cpu: 1ms]}}}}"),
    (f"{MIX}={{a: {{share: 1}}}}", f"{MIX}.a.request", f"{MIX}={{a: {{share: 1, request: [call: db]}}}}"),
    (f"{MIX}={{a: {{share: 1, request: [call: dbs]}}}}", f"{MIX}.a.request.0.call",
     f"{MIX}={{a: {{share: 1, request: [call: db]}}}}"),
    # numbers that are none, units that do not fit, steps that are not steps, and mixes that are not whole
    (f"{R}=[cpu: .nan]", f"{R}.0.cpu", f"{R}=[cpu: {{uniform: {{min: 0ms, max: 2ms}}}}]"),
    (f"{R}=[cpu: 5MB]", f"{R}.0.cpu", f"{R}=[cpu: 5us]"),
    (f"{R}=[cpu: {{exponential: -2ms}}]", f"{R}.0.cpu.exponential.mean", f"{R}=[cpu: {{exponential: 2ms}}]"),
    (f"{R}=[cpu: {{lognormal: {{mean: 1ms, cv: -1}}}}]", f"{R}.0.cpu.lognormal.cv",
     f"{R}=[cpu: {{lognormal: {{mean: 1ms, cv: 0.1}}}}]"),
    (f"{R}=[wait: {{pareto: {{mean: 1s, shape: 1}}}}]", f"{R}.0.wait.pareto.shape",
     f"{R}=[wait: {{pareto: {{mean: 1s, shape: 1.01}}}}]"),
    (f"{R}=[wait: {{uniform: {{min: 2s, max: 1s}}}}]", f"{R}.0.wait.uniform.min",
     f"{R}=[wait: {{uniform: {{min: 1s, max: 2s}}}}]"),
    (f"{R}=[null]", f"{R}.0", f"{R}=[wait: 0s]"),
    (f"{R}=[syscalls: 0]", f"{R}.0.syscalls", f"{R}=[syscalls: 1]"),
    (f"{R}=[syscalls: 2us]", f"{R}.0.syscalls", f"{R}=[syscalls: 200]"),
    (f"{R}=[cpu: true]", f"{R}.0.cpu", f"{R}=[cpu: {{constant: 1ms}}]"),
    (f"{R}=[wait: 10000000000001s]", f"{R}.0.wait", f"{R}=[wait: 1000000000000s]"),
    (f"{R}=[call: {{service: db, probability: .nan}}]", f"{R}.0.call.probability",
     f"{R}=[call: {{service: db, probability: 0%}}]"),
    (f"{R}=[call: {{service: db, times: 2.5}}]", f"{R}.0.call.times", f"{R}=[call: {{service: db, times: 2}}]"),
    (f"{MIX}={{a: {{share: 0%, request: [cpu: 1ms]}}, b: {{share: 1, request: [cpu: 1ms]}}}}", f"{MIX}.a.share",
     f"{MIX}={{b: {{share: 1, request: [cpu: 1ms]}}}}"),
    (f"{R}=[[cpu: 1ms]]", f"{R}.0", f"{R}=[parallel: [[cpu: 1ms]]]"),
    (f"{R}=[{{}}]", f"{R}.0", f"{R}=[cpu: 0s]"),
    (f"{R}={{cpu: 1ms}}", R, f"{R}=[{{cpu: 1ms}}]"),
    (f"{R}=[reads: -3]", f"{R}.0.reads", f"{R}=[reads: 3]"),
    (f"{R}=[writes: 4KB]", f"{R}.0.writes", f"{R}=[write: 4KB]"),
    (f"{R}=[wait: {{retries: 1}}]", f"{R}.0.wait.retries", f"{R}=[wait: 1s]"),
    (f"{R}=[cpu: 1ms, {{read: 1MB, retries: 2}}]", f"{R}.1", f"{R}=[call: {{service: db, retries: 2}}]"),
    (f"{R}=[call: {{service: db, probability: 1.5}}]", f"{R}.0.call.probability",
     f"{R}=[call: {{service: db, probability: 0.5}}]"),
    (f"{R}=[call: {{service: db, retires: 1}}]", f"{R}.0.call.retires", f"{R}=[call: {{service: db, retries: 0}}]"),
    (f"{R}=[call: {{service: db, times: many}}]", f"{R}.0.call.times", f"{R}=[call: {{service: db, times: 7}}]"),
    (f"{R}=[call: [db]]", f"{R}.0.call", f"{R}=[call: db, call: db]"),
    (f"{R}=[parallel: null]", f"{R}.0.parallel", f"{R}=[parallel: [wait: 1s]]"),
    (f"{R}=[parallel: [cpu: 1ms, null]]", f"{R}.0.parallel.1", f"{R}=[parallel: [cpu: 1ms, cpu: 1ms]]"),
    (f"{R}=[parallel: [[parallel: [[]]]]]", f"{R}.0.parallel.0.0.parallel.0",
     f"{R}=[parallel: [[parallel: [[cpu: 1ms]]]]]"),
    (f"{MIX}={{a: {{share: 80%, request: [cpu: 1ms]}}, b: {{share: 40%, request: [cpu: 1ms]}}}}", MIX,
     f"{MIX}={{a: {{share: 60%, request: [cpu: 1ms]}}, b: {{share: 40%, request: [cpu: 1ms]}}}}"),
    (f"{MIX}={{a: {{share: -10%, request: [cpu: 1ms]}}}}", f"{MIX}.a.share",
     f"{MIX}={{a: {{share: 100%, request: [cpu: 1ms]}}}}"),
    (f"{MIX}={{a: {{share: 150%, request: [cpu: 1ms]}}}}", f"{MIX}.a.share",
     f"{MIX}={{a: {{share: 1, request: [cpu: 2ms]}}}}"),
    (f"{MIX}=[cpu: 1ms]", MIX, f"{MIX}={{a: {{share: 1, request: [cpu: 3ms]}}}}"),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "path", "allowed"), BOTH_SIDES, ids=[row[0] for row in BOTH_SIDES])
def test_each_rule_from_both_sides(refused: str, path: str, allowed: str, load: Load, problems: Problems) -> None:
    assert [found for found, _ in problems(NO_CPU, DB, refused)] == [path]
    assert problems(NO_CPU, DB, allowed) == []
    scenario = load(NO_CPU, DB, allowed)
    assert Scenario.from_dict(scenario.to_dict()) == scenario


def test_a_service_says_in_exactly_one_way_what_its_requests_take(problems: Problems) -> None:
    assert [path for path, _ in problems(NO_CPU)] == ["services.web.request_cpu"]
    assert [path for path, _ in problems(f"{R}=[cpu: 1ms]")] == [R]
    assert [path for path, _ in problems(f"{MIX}={{a: {{share: 1, request: [cpu: 1ms]}}}}")] == [MIX]


def service(**keys: str) -> str:
    text = ", ".join(f"{key}: {value}" for key, value in keys.items())
    return f"{{image: 1MB, size: {{cpu: 1, memory: 1GiB}}, {text}}}"


def test_circles_are_refused_once_each_where_they_close(problems: Problems) -> None:
    chain = [
        NO_CPU,
        f"{R}=[call: a]",
        "services.a=" + service(request="[call: b, call: c]"),
        "services.b=" + service(request="[call: c]"),
    ]
    assert problems(*chain, "services.c=" + service(request_cpu="1ms")) == []
    (found,) = problems(*chain, "services.c=" + service(request="[wait: 1ms, call: web]"))
    assert found[0] == "services.c.request.1.call"
    assert "web → a → b → c → web" in found[1]
    (found,) = problems(NO_CPU, f"{R}=[parallel: [call: {{service: web, probability: 1%}}]]")
    assert found[0] == f"{R}.0.parallel.0.call.service"


def test_a_tenant_calls_the_tenant_of_its_number(load: Load, problems: Problems) -> None:
    web = [NO_CPU, f"{R}=[parallel: [call: db, [call: {{service: one, times: 2}}]]]"]
    one = "services.one=" + service(request_cpu="1ms")
    scenario = load(*web, one, "services.web.tenants=2", "services.db=" + service(request_cpu="1ms", tenants="3"))
    called = [
        [branch[0].call.service for branch in spec.request[0].parallel]
        for name, spec in scenario.expanded()
        if name.startswith("web")
    ]
    assert called == [["db-00", "one"], ["db-01", "one"]]
    stacked = load(*web, one, DB, "stacks={shop: {services: [web, db], tenants: 2}}")
    assert dict(stacked.expanded())["web-01"].request[0].parallel[0][0].call.service == "db-01"
    few = problems(*web, one, "services.web.tenants=4", "services.db=" + service(request_cpu="1ms", tenants="3"))
    assert [path for path, _ in few] == [f"{R}.0.parallel.0.call"]
    which = problems(*web, one, "services.db=" + service(request_cpu="1ms", tenants="3"))
    assert [path for path, _ in which] == [f"{R}.0.parallel.0.call"]
    assert "db-00" in which[0][1]
    named = [NO_CPU, f"{R}=[call: db-02]", "services.db=" + service(request_cpu="1ms", tenants="3")]
    assert problems(*named) == []


def test_one_step_of_cpu_is_the_short_form(load: Load) -> None:
    short = load("services.web.request_cpu={exponential: 3ms}").services["web"]
    long = load(NO_CPU, f"{R}=[cpu: {{exponential: 3ms}}]").services["web"]
    assert short.plain == long.plain
    assert short.programs == long.programs
    assert load(NO_CPU, f"{R}=[cpu: 3ms, wait: 0s]").services["web"].plain is None
    assert load(NO_CPU, f"{MIX}={{a: {{share: 1, request: [cpu: 3ms]}}}}").services["web"].plain is None


def test_a_step_can_be_set_and_swept_by_its_number(load: Load) -> None:
    web = load(NO_CPU, f"{R}=[cpu: 3ms, send: 1KB]", f"{R}.1.send=2KB").services["web"]
    assert web.request is not None
    assert web.request[1].send == 2000.0
