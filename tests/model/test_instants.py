"""What happens at one instant: nothing is lost when events meet, and time never stands still. Times in s."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.cli import main
from sim.engine import building, environment
from sim.engine.layout import STATUS_NAMES
from sim.engine.plane import Standstill
from sim.model.run import simulate
from sim.platforms import load_platform
from sim.scenario import load_scenario, scenario_from_text
from sim.terms.records import RunRecords

HOST = "{cores: 16, memory: 64GiB, disk: {read: 100MB/s, write: 100MB/s}, network: 800Mbit/s}"
FREE = {
    "cpu": {"overhead": 1.0, "idle_per_guest": 0, "host": 0},
    "memory": {"host": "0B", "per_guest": "0B"},
    "stop": {"delay": "0s"},
}
SIZE = "{cpu: {request: 1, limit: 1}, memory: {request: 1GiB, limit: 1GiB}}"


class Requests:
    """The rows of a run's requests, as the sink is given them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def __call__(self, columns: dict[str, Any], services: Any, guests: Any) -> None:
        status = [STATUS_NAMES[code] for code in columns.pop("status").tolist()]
        names = [*columns, "status"]
        values = zip(*(column.tolist() for column in columns.values()), status, strict=True)
        self.rows += [dict(zip(names, row, strict=True)) for row in values]


def run(services: str, startup: str = "1s", duration: str = "12s", extra: str = "") -> tuple[RunRecords, Requests]:
    phases = [{"name": "boot", "kind": "delay", "duration": startup}] if startup != "0s" else []
    names = [phase["name"] for phase in phases]
    parts = {"startup": phases, "restart": {"phases": names}, "isolation": {"panic_phases": names}}
    text = f"name: tiny\nduration: {duration}\nhost: {HOST}\nplatforms: [container]\n{extra}\nservices:\n{services}"
    requests = Requests()
    records = simulate(scenario_from_text(text), load_platform("container", FREE | parts), 0, sink=requests)
    return records, requests


def service(name: str, **keys: object) -> str:
    defaults = {"image": "{container: 1MB, cached: true}", "memory": "{base: 1MiB}", "request_cpu": "500ms"}
    return f"  {name}:\n" + "".join(f"    {k}: {v}\n" for k, v in (defaults | {"size": SIZE} | keys).items())


def check_all_accounted_for(records: RunRecords, requests: Requests) -> None:
    """Every request that arrived has one row of its own, with what was drawn for it, by a guest of its service."""
    seen = Counter((row["service"], row["request"]) for row in requests.rows)
    for index, name in enumerate(records.services):
        tally = records.requests.get(name)
        if tally is not None:
            assert sorted(number for own, number in seen if own == index) == list(range(tally.arrived))
    assert set(seen.values()) <= {1}
    for row in requests.rows:
        assert row["demand"] > 0.0
        if row["guest"] >= 0:
            assert records.guests["service"][row["guest"]] == records.services[row["service"]]


def test_requests_of_one_instant_to_several_serverless_services_are_all_there() -> None:
    rule = "{rule: per-request, keep_alive: 10s, max: 5}"
    even = "{constant-arrival-rate: {rate: 1/s, arrivals: even}}"
    records, requests = run("".join(service(n, autoscale=rule, traffic=even) for n in "abc"), duration="3500ms")
    for name in "abc":
        assert (records.requests[name].arrived, records.requests[name].completed) == (4, 4)
    assert len(requests.rows) == 12
    check_all_accounted_for(records, requests)
    # each first request waits a second for its guest, which is idle when the second one comes at 1 (not ready: a new
    # guest, ready at 2); from then on two are idle
    assert sorted(row["start"] for row in requests.rows) == [1.0] * 3 + [2.0] * 6 + [3.0] * 3


def test_a_trace_in_whole_seconds_is_recorded_whole(tmp_path: Path) -> None:
    times = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5, 5, 6]
    (tmp_path / "trace.csv").write_text("time\n" + "".join(f"{t}\n" for t in times))
    rule, trace = "{rule: per-request, keep_alive: 2s, max: 9}", "{trace: {file: trace.csv}}"
    body = "".join(service(n, autoscale=rule, traffic=trace) for n in ("one", "two"))
    text = f"name: tiny\nduration: 10s\nhost: {HOST}\nplatforms: [container]\nservices:\n{body}"
    (tmp_path / "tiny.yaml").write_text(text)
    requests = Requests()
    records = simulate(load_scenario(tmp_path / "tiny.yaml"), load_platform("container", FREE), 0, sink=requests)
    check_all_accounted_for(records, requests)
    for index in range(2):
        arrivals = [row["arrival"] for row in requests.rows if row["service"] == index]
        assert sorted(arrivals) == [float(t) for t in times]
    assert {row["status"] for row in requests.rows} == {"completed"}


@pytest.mark.parametrize("seed", range(12))
def test_on_a_grid_of_times_every_request_is_accounted_for(seed: int) -> None:
    """All lasts whole seconds, so that arrivals, ends, starts, kills, time-outs and scaling meet all the time."""
    rng = np.random.default_rng(seed)
    pick = lambda *values: values[int(rng.integers(len(values)))]  # noqa: E731
    body = ""
    for name in "abcd":
        traffic = pick(
            "{constant-arrival-rate: {rate: 1/s, arrivals: even}}",
            "{constant-arrival-rate: {rate: 2/s, arrivals: even}}",
            f"{{constant-vus: {{vus: 3, think_time: {pick('0s', '1s')}}}}}",
        )
        keys = {
            "traffic": traffic,
            "request_cpu": pick("1s", "2s"),
            "timeout": pick("2s", "3s", "20s"),
            "queue": pick(0, 2, 50),
            "backlog": pick(0, 2, 50),
            "memory": pick("{base: 1MiB}", "{base: 512MiB, per_request: 300MiB}"),
            "concurrency": pick(1, 2),
            "start_cpu": pick("0s", "1s"),
        }
        scaling = (
            {"autoscale": f"{{rule: per-request, keep_alive: {pick('0s', '1s', '2s')}, max: {pick(1, 3)}}}"},
            {"autoscale": "{rule: concurrency, min: 0, max: 3, target: 1, sync: 1s, window: 4s}"},
            {"replicas": int(rng.integers(1, 4))},
            {"replicas": "{add: 1, every: 1s, max: 3}"},
        )
        body += service(name, **(keys | pick(*scaling)))
    faults = "".join(f"  - {{at: {t}s, kind: {k}}}\n" for t, k in ((5, "app-crash"), (8, "kernel-panic")))
    extra = f"faults:\n{faults}" if seed % 2 else ""
    records, requests = run(body, startup=pick("0s", "1s", "2s"), duration="20s", extra=extra)
    check_all_accounted_for(records, requests)
    assert sum(tally.arrived for tally in records.requests.values()) == len(requests.rows) > 20
    assert records.timeline["arrivals"].sum() == len(requests.rows)


def test_users_who_give_up_may_have_more_requests_in_flight_than_there_are_users() -> None:
    # a thousand users send every 2 s (a second's thought, a second's patience) while the guest boots until 30 s
    users = "{constant-vus: {vus: 1000, think_time: 1s}}"
    keys = {"traffic": users, "timeout": "1s", "replicas": 1, "request_cpu": "1ms"}
    records, _ = run(service("app", **keys), startup="30s", duration="40s")
    tally = records.requests["app"]
    assert tally.timed_out >= 14_000  # sent at 1, 3, …, 27
    assert tally.arrived == tally.completed + tally.timed_out + tally.in_flight


@pytest.mark.parametrize(("keep_alive", "stopped"), [("0s", 1.5), ("1ns", 1.5 + 1e-9), ("10s", 13.0)])
def test_an_idle_guest_is_stopped_after_its_keep_alive_to_the_instant(keep_alive: str, stopped: float) -> None:
    # one guest is asked for at 0 and ready at 1; the request is done at 1.5. The next comes at 2.5, if it finds it
    keys = {
        "autoscale": f"{{rule: per-request, keep_alive: {keep_alive}, max: 1}}",
        "traffic": "{trace: {file: trace.csv}}",
    }
    records, requests = _traced(keys, [0.0, 2.5])
    first = records.guests["stopped"][0]
    assert first == pytest.approx(stopped, abs=1e-12)
    assert records.guests["stop_reason"][0] == "idle"
    assert [row["status"] for row in requests.rows] == ["completed"] * 2


def _traced(keys: dict[str, object], times: list[float], stop: str = "0s") -> tuple[RunRecords, Requests]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trace.csv").write_text("time\n" + "".join(f"{t}\n" for t in times))
        text = f"name: tiny\nduration: 20s\nhost: {HOST}\nplatforms: [container]\nservices:\n{service('app', **keys)}"
        (Path(folder) / "tiny.yaml").write_text(text)
        phases = [{"name": "boot", "kind": "delay", "duration": "1s"}]
        parts = {"startup": phases, "restart": {"phases": ["boot"]}, "isolation": {"panic_phases": ["boot"]}}
        parts["stop"] = {"delay": stop}
        requests = Requests()
        platform = load_platform("container", FREE | parts)
        return simulate(load_scenario(Path(folder) / "tiny.yaml"), platform, 0, sink=requests), requests


def test_an_arrival_at_the_instant_at_which_a_guest_expires_finds_it() -> None:
    # ready at 1, done at 1.5, expires at 3.5: the arrival at 3.5 comes before control, which waits from 4 on again
    keys = {"autoscale": "{rule: per-request, keep_alive: 2s, max: 5}", "traffic": "{trace: {file: trace.csv}}"}
    records, requests = _traced(keys, [0.0, 3.5])
    assert [(row["start"], row["guest"]) for row in requests.rows] == [(1.0, 0), (3.5, 0)]
    assert records.guests["stopped"].tolist() == [6.0]


@pytest.mark.parametrize(("key", "pause"), [("", 1.0), (", after_rejection: 250ms", 0.25)])
def test_a_rejected_user_waits_before_asking_again(key: str, pause: float) -> None:
    # one is served from 0 to 1.9, the other is turned away at 0, and again after each pause
    users = f"{{constant-vus: {{vus: 2{key}}}}}"
    keys = {"traffic": users, "queue": 0, "backlog": 2, "replicas": 1, "request_cpu": "1900ms"}
    _, requests = run(service("app", **keys), startup="0s", duration="1800ms")
    turned_away = sorted(row["arrival"] for row in requests.rows if row["status"] == "rejected")
    assert turned_away == pytest.approx(np.arange(0.0, 1.8, pause).tolist())


def test_users_and_other_traffic_of_a_service_do_not_mix() -> None:
    # two users with different pauses, and requests that nobody waits for: how they end is nobody's next turn
    users = "constant-vus: {vus: 1, think_time: "
    traffic = f"[{{{users}2s}}}}, {{{users}3s}}}}, {{constant-arrival-rate: {{rate: 4/s, arrivals: even}}}}]"
    keys = {"traffic": traffic, "concurrency": 8, "replicas": 1, "request_cpu": "1ms"}
    _, requests = run(service("app", **keys), startup="0s", duration="6900ms")
    arrivals = [row["arrival"] for row in requests.rows]
    assert sum((4 * t).is_integer() for t in arrivals) - 2 == 28  # the users' first are at whole seconds too
    assert sorted(round(t, 1) for t in arrivals if 2 <= t < 2.2 or 3 <= t < 3.2) == [2.0, 2.0, 3.0, 3.0]
    assert len(arrivals) == 28 + 3 + 2  # users at about 2, 4, 6 and 3, 6


def test_a_pause_after_a_rejection_is_a_lower_bound_of_the_thinking() -> None:
    users = "{constant-vus: {vus: 1, think_time: 3s, after_rejection: 2s}}"
    _, requests = run(service("app", traffic=users, backlog=0, replicas=1), startup="11s", duration="10s")
    assert [row["arrival"] for row in requests.rows] == [3.0, 6.0, 9.0]


NO_TIME = {
    "traffic": "{constant-vus: {vus: 1, think_time: 0s}}",
    "replicas": 1,
    "request_cpu": f"0.{19 * '0'}1s",  # too little for the clock to move
}


def test_requests_that_take_no_time_end_the_run_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "MOST_AT_ONCE", 1000)
    with pytest.raises(Standstill, match=r"time stands still at \S+ s: the clients of service shop keep sending"):
        run(service("shop", **NO_TIME))


def test_control_that_takes_no_time_ends_the_run_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MOST_STEPS", 1000)
    env = environment.HybridEnvironment(building_plane())

    def busy_body():
        while True:
            yield env.timeout(0.0)

    env.process(busy_body())
    with pytest.raises(Standstill, match="time stands still at 0 s: process busy_body"):
        env.run(until=1.0)


def building_plane() -> Any:
    from sim.engine.plane import DataPlane

    return DataPlane(1.0)


def test_the_command_line_says_it_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "MOST_AT_ONCE", 1000)
    body = service("shop", **NO_TIME)
    text = f"name: stuck\nduration: 60s\nhost: {HOST}\nplatforms: [container]\nservices:\n{body}"
    (tmp_path / "stuck.yaml").write_text(text)
    command = ["run", str(tmp_path / "stuck.yaml"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main(command) == 2  # already the estimate of the work says so
    assert main([*command, "--force"]) == 1
    output = "".join(capsys.readouterr())
    assert "time stands still" in output
    assert "service shop" in output
    assert "Traceback" not in output


FULL_COPY = [
    {"name": "clone", "kind": "clone", "bytes": "image"},
    {"name": "boot", "kind": "delay", "duration": "1s"},
]


def test_a_guest_may_fall_while_its_disk_is_cloned() -> None:
    # the copy takes 10 s (1 GB at 100 MB/s); it is broken off at 5, and begun again when the host is back at 7
    parts = {"startup": FULL_COPY, "restart": {"phases": ["boot"]}, "isolation": {"panic_phases": ["boot"]}}
    body = service("app", image="{container: 1GB, cached: true}", replicas=1)
    faults = "faults: [{kind: host-patch, at: 5s, outage: 2s}]"
    text = f"name: tiny\nduration: 30s\nhost: {HOST}\nplatforms: [container]\n{faults}\nservices:\n{body}"
    records = simulate(scenario_from_text(text), load_platform("container", FREE | parts), 0)
    assert records.guests["ready"].tolist() == [18.0]


def test_vms_live_through_host_patches_at_any_moment() -> None:
    keys = {"replicas": "{add: 1, every: 5s}", "size": "{cpu: 1, memory: 1GiB}"}
    body = service("app", image="{vm: 1MB, cached: true}", **keys)
    faults = "faults: [{kind: host-patch, rate: 6/min, outage: 2s}]"
    host = HOST.replace("write: 100MB/s", "write: 50KB/s")  # an overlay of 200 kB takes 4 s
    text = f"name: tiny\nduration: 900s\nhost: {host}\nplatforms: [vm]\n{faults}\nservices:\n{body}"
    records = simulate(scenario_from_text(text), load_platform("vm"), 0)
    assert (records.events["event"] == "host-up").sum() > 10


def test_the_timeline_counts_the_requests_of_the_first_instant() -> None:
    even = "{constant-arrival-rate: {rate: 1/s, arrivals: even}}"
    records, _ = run(service("app", traffic=even, replicas=1), startup="0s")
    assert records.timeline["arrivals"][0] == 1.0
    assert records.timeline["arrivals"].sum() == records.requests["app"].arrived
    assert records.timeline["completed"].sum() == records.requests["app"].completed


def test_a_guest_has_a_stop_and_its_reason_or_neither() -> None:
    # ready at 1, done at 1.5, told to stop at 2.5, gone at 17.5; the second, asked for at 3, is told to at 5.5 and
    # would be gone at 20.5, after the end
    keys = {"autoscale": "{rule: per-request, keep_alive: 1s, max: 1}", "traffic": "{trace: {file: trace.csv}}"}
    records, _ = _traced(keys, [0.0, 3.0], stop="15s")
    assert records.guests["stopped"].tolist() == pytest.approx([17.5, np.nan], nan_ok=True)
    assert records.guests["stop_reason"].tolist() == ["idle", ""]
