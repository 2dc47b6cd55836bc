"""What services are offered, calls included: by hand, and what `validate` doubts because of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.experiment import offered
from sim.experiment.foresight import foresee
from sim.experiment.loads import load, takes
from sim.experiment.replications.runner import platform_of
from sim.platforms.checks import CHECKS
from sim.scenario import Scenario, load_scenario


def service(request: list[Any], **more: Any) -> dict[str, Any]:
    size = {"cpu": 2, "memory": "1GiB"}
    return {"image": {"size": "1MB", "cached": True}, "memory": "10MiB", "size": size, "request": request, **more}


def scenario_of(folder: Path, services: dict[str, Any], platform: Any = "native", **more: Any) -> Scenario:
    host = {"cores": 8, "memory": "64GiB", "disk": {"read": "1GB/s", "write": "500MB/s"}, "network": "8Gbit/s"}
    tree = {
        "duration": "100s",
        "warmup": "10s",
        "host": host,
        "platforms": [platform] if isinstance(platform, str) else platform,
        "services": services,
        **more,
    }
    (folder / "case.yaml").write_text(json.dumps(tree), encoding="utf-8")
    return load_scenario(folder / "case.yaml", checks=CHECKS)


def overloads(scenario: Scenario) -> dict[str, float]:
    found = foresee(scenario, {name: platform_of(scenario, name) for name in scenario.platforms})
    return {each.service: each.numbers["load"] for each in found if each.code == "overload"}


def test_calls_and_parts_add_up_by_hand(tmp_path: Path) -> None:
    web = service(
        [{"cpu": "2ms"}, {"wait": "5ms"}, {"call": {"service": "db", "times": 3, "probability": "50%"}},
         {"parallel": [[{"wait": "7ms"}, {"cpu": "1ms"}], {"call": "log"}]}, {"send": "8MB"}],
        traffic={"rate": "20/s"}, concurrency=8,
    )  # fmt: skip
    db = service([{"cpu": "4ms"}, {"reads": 2}, {"call": "log"}], traffic={"rate": "5/s"}, concurrency=8)
    log = service([{"write": "1MB"}, {"cpu": "1ms"}], concurrency=8)
    scenario = scenario_of(tmp_path, {"log": log, "web": web, "db": db})
    platform = platform_of(scenario, "native")
    found = load(scenario, platform)
    assert list(found) == ["log", "web", "db"]
    assert {name: each.rate for name, each in found.items()} == pytest.approx({"web": 20, "db": 35, "log": 55})
    write, reads, send = (
        platform.io_costs(*each) for each in (("write", 8, 1e6), ("read", 2, 8192.0), ("network", 5525, 8e6))
    )
    log_seconds = sum(write) + 1e6 / 500e6 + 1e-3
    db_seconds = 4e-3 + sum(reads) + 8192 / 1e9 + log_seconds
    web_seconds = 2e-3 + 5e-3 + 1.5 * db_seconds + max(8e-3, log_seconds) + sum(send) + 8e6 / 1e9
    assert found["log"].each.seconds == pytest.approx(log_seconds)
    assert found["db"].each.seconds == pytest.approx(db_seconds)
    assert found["web"].places == pytest.approx(20 * web_seconds)
    assert found["web"].work == pytest.approx(20 * (3e-3 + send[0]))
    assert found["db"].each.moved == {"read": 8192.0}
    assert found["web"].each.moved == {"network": 8e6}
    assert all(each.known for each in found.values())


def test_a_caller_waits_no_longer_than_the_timeout_of_what_it_calls(tmp_path: Path) -> None:
    web = service([{"cpu": "1ms"}, {"call": "db"}], traffic={"rate": "1/s"})
    for timeout, expected in (("100ms", 0.101), ("1s", 0.301)):
        scenario = scenario_of(tmp_path, {"web": web, "db": service([{"wait": "300ms"}], timeout=timeout)})
        assert takes(scenario, platform_of(scenario, "native"))["web"].seconds == pytest.approx(expected)


def test_the_phases_of_a_start_by_hand(tmp_path: Path) -> None:
    """Network 1 GB/s, disk 1 GB/s to read and 0.5 to write; what a host has already is not pulled."""
    startup = [
        {"name": "pull", "kind": "pull", "bytes": "image", "rate": "100MB/s"},
        {"name": "clone", "kind": "clone", "bytes": "image"},
        {"name": "lock", "kind": "lock", "lock": "one", "workers": 1, "hold": "2s"},
        {"name": "read", "kind": "read", "bytes": "500MB"},
        {"name": "boot", "kind": "cpu", "work": "3s"},
    ]
    for cached, pulled in ((False, {"pull": {"rate": 10.0}}), (True, {})):
        own = service([{"cpu": "1ms"}], image={"size": "1GB", "cached": cached}, start_cpu="500ms")
        scenario = scenario_of(tmp_path, {"web": own}, {"mine": {"based_on": "native", "startup": startup}})
        how = platform_of(scenario, "mine"), scenario.services["web"], scenario
        found = {phase.name: spent for phase, spent in offered.phases(*how)}
        rest = {"clone": {"bytes": 2.0}, "lock": {"hold": 2.0}, "read": {"bytes": 0.5}, "boot": {"work": 3.0}}
        assert found == pulled | rest
        assert offered.start_up(*how) == pytest.approx(8.0 + (0.0 if cached else 10.0))


def test_a_caller_passes_on_what_it_can_serve(tmp_path: Path) -> None:
    web = service([{"cpu": "1ms"}, {"call": "db"}], traffic={"rate": "500/s"})
    scenario = scenario_of(tmp_path, {"web": web, "db": service([{"cpu": "1ms"}], concurrency=4)})
    found = load(scenario, platform_of(scenario, "native"), lambda name, each: 40.0 if name == "web" else 1e9)
    assert (found["web"].rate, found["web"].served, found["db"].rate) == (500.0, 40.0, 40.0)


def test_tenants_call_their_own_and_users_make_it_unknown(tmp_path: Path) -> None:
    call = [{"cpu": "1ms"}, {"call": "db"}, {"call": "auth"}]
    services = {
        "web": service(call, tenants=3, traffic={"rate": "10/s"}),
        "db": service([{"cpu": "1ms"}], tenants=4, traffic={"rate": "1/s"}),
        "auth": service([{"cpu": "1ms"}]),
        "users": service([{"cpu": "1ms"}, {"call": "auth"}, {"call": "db-03"}],
                         traffic={"constant-vus": {"vus": 2, "think_time": "1s"}}),
    }  # fmt: skip
    scenario = scenario_of(tmp_path, services)
    found = load(scenario, platform_of(scenario, "native"))
    assert found["db"].rate == pytest.approx(11.0)
    assert found["db"].served == pytest.approx(3 * 11 + 1)
    assert found["auth"].rate == pytest.approx(30.0)
    assert [name for name, each in found.items() if not each.known] == ["db", "auth", "users"]


DB: dict[str, Any] = {"concurrency": 64, "timeout": "1s"}
BOTH_SIDES = [
    # what is overloaded, a load just above, the factor on it that is just below
    ("db", [{"cpu": "1ms"}, {"call": {"service": "db", "times": 20}}], [{"cpu": "1ms"}], 101.0, 0.97),
    ("db", [{"cpu": "1ms"}, {"call": "db"}], [{"wait": "640ms"}], 101.0, 0.97),
    ("", [{"read": "10MB"}], [{"cpu": "1ms"}], 101.0, 0.97),
    ("", [{"call": "db"}], [{"write": "5MB"}], 101.0, 0.97),
    ("", [{"send": "4MB"}, {"call": "db"}], [{"receive": "6MB"}], 101.0, 0.97),
]


@pytest.mark.parametrize(("where", "web", "db", "rate", "factor"), BOTH_SIDES)
def test_overload_is_seen_before_the_run(
    where: str, web: list[Any], db: list[Any], rate: float, factor: float, tmp_path: Path
) -> None:
    for value, expected in ((rate, {where}), (rate * factor, set())):
        front = service(web, concurrency=1000, traffic={"rate": f"{value}/s"})
        found = overloads(scenario_of(tmp_path, {"web": front, "db": service(db, **DB)}))
        assert set(found) == expected, value
        assert all(1.0 <= each < 1.03 for each in found.values())


def test_who_is_called_by_an_overloaded_caller_is_not_blamed(tmp_path: Path) -> None:
    web = service([{"cpu": "10ms"}, {"call": "db"}], concurrency=1, traffic={"rate": "300/s"}, timeout="1s")
    db = service([{"cpu": "8ms"}], concurrency=1)
    assert set(overloads(scenario_of(tmp_path, {"web": web, "db": db}))) == {"web"}


def test_threads_bound_what_a_service_can_do(tmp_path: Path) -> None:
    for rate, expected in ((110, {"web"}), (90, set())):
        web = service([{"cpu": "10ms"}, {"wait": "1ms"}], concurrency=8, threads=1, traffic={"rate": f"{rate}/s"})
        assert set(overloads(scenario_of(tmp_path, {"web": web}))) == expected


def test_threads_that_a_limit_cannot_run_are_work_too(tmp_path: Path) -> None:
    """12 threads under a limit of 2: 4.1 us x 10 / 2 on each job; none without a limit by period."""
    size = {"cpu": {"request": 2, "limit": 2}, "memory": "1GiB"}
    web = service([{"cpu": "30us"}, {"cpu": "10us"}], traffic={"rate": "1000/s"}, concurrency=24, threads=12, size=size)
    for more, extra in (({}, 2 * 5 * 4.1e-6), ({"quota": "fluid"}, 0.0)):
        scenario = scenario_of(tmp_path, {"web": web}, **more)
        assert load(scenario, platform_of(scenario, "native"))["web"].each.work == pytest.approx(40e-6 + extra)
