"""Random whole hosts with everything on, and what must hold: `python tests/model/random_hosts.py --hosts 2000`.

A failure is made smaller by taking away what does not matter to it, and written as a scenario file.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from test_random_stacks import FAULTS, PLATFORMS, service  # noqa: E402

from sim.experiment.replications.runner import platform_of, summarise  # noqa: E402
from sim.model.run import simulate  # noqa: E402
from sim.platforms.checks import CHECKS  # noqa: E402
from sim.scenario import Scenario  # noqa: E402
from sim.scenario.loader import scenario_from_dict  # noqa: E402
from sim.terms.records import RunRecords  # noqa: E402

Tree = dict[str, Any]
COMPLETED, TIMED_OUT = 0, 2
SLACK = 1e-9


def host(seed: int) -> Tree:
    """The tree of a random scenario on one platform."""
    rng = np.random.default_rng(seed)

    def maybe(chance: float) -> bool:
        return bool(rng.random() < chance)

    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    def at() -> str:
        return f"{pick(5, 5, 10, int(rng.integers(1, 40)))}s"  # ties in time are likely

    number = int(rng.integers(1, 5))
    names = [f"s{each}" for each in range(number)]
    platform = str(pick(*PLATFORMS))
    services = {name: service(rng, each, number) for each, name in enumerate(names)}
    for each in services.values():
        _vary(each, maybe, pick)
    tree: Tree = {
        "seed": seed, "duration": "40s", "host": {
            "cores": pick(1, 4, 8, 16), "memory": pick("2GiB", "6GiB", "64GiB"),
            "network": pick("100Mbit/s", "1Gbit/s"),
            "disk": {"read": "100MB/s", "write": "50MB/s", "capacity": pick("none", "10GB")},
        },
        "platforms": {platform: {}}, "services": services, "quota": pick("period", "fluid"),
        "cpu_overcommit": pick(1.0, 2.0, 8.0), "memory_overcommit": pick(1.0, 1.5),
    }  # fmt: skip
    if maybe(0.5):
        tree["warmup"] = "10s"
    if maybe(0.3):
        tree["host"]["swap"] = {"size": "2GB", "read": "200MB/s", "write": "100MB/s"}
    if maybe(0.3):
        tree["node"] = pick("kubernetes", {"pods": 5}, {"pids": 8, "addresses": 6})
    if platform in ("vm", "microvm") and maybe(0.6):
        means = pick({"sharing": "ksm"}, {"reclaim": "balloon"}, {"sharing": "ksm", "reclaim": "balloon"})
        tree["platforms"][platform] = {"memory": means}
    if platform != "container-in-vm" and maybe(0.6):
        tree["moves"] = [
            {"at": at(), "service": pick(*names), "link": pick("1Gbit/s", "50Mbit/s"),
             "dirty_rate": pick("0MB/s", "9MB/s"),
             "on_no_convergence": pick("force", "abort")} for _ in range(int(rng.integers(1, 3)))
        ]  # fmt: skip
    if maybe(0.5):
        size = {"cpu": {"request": 0.25, "limit": pick(0.5, 2)}, "memory": {"request": "128MiB", "limit": "400MiB"}}
        tree["resizes"] = [{"at": at(), "service": pick(*names), "size": size}]
    if maybe(0.7):
        tree["faults"] = [{"kind": pick(*FAULTS, "compromise"), "at": at()} for _ in range(int(rng.integers(1, 4)))]
        if maybe(0.3):
            tree["faults"].append({"kind": "app-crash", "rate": "0.2/s"})
    return tree


def _vary(each: Tree, maybe: Callable[[float], bool], pick: Callable[..., Any]) -> None:
    """What the stacks of the conservation test do not have: other rules, rates, sizes on the network, probes."""
    if "replicas" in each and maybe(0.4):
        del each["replicas"]
        each["autoscale"] = pick(
            {"rule": "concurrency", "min": 0, "max": 4, "target": 2, "window": "6s"},
            {"rule": "hpa", "min": 1, "max": 5, "target_cpu": "40%", "sync": "5s", "metric_delay": "10s",
             "stabilization": "5s"},
            {"rule": "concurrency", "min": 1, "max": 3, "target": 1, "sync": "1s", "window": "10s"},
        )  # fmt: skip
    elif "replicas" in each and maybe(0.2):
        each["replicas"] = {"add": 2, "every": "3s", "max": 7}
    if each.get("traffic", {}).get("rate") and maybe(0.5):
        each["traffic"] = pick(
            {"constant-arrival-rate": {"rate": "10/s", "arrivals": "even"}},
            {"mmpp": {"states": [{"rate": "2/s", "mean_duration": "5s"}, {"rate": "40/s", "mean_duration": "2s"}]}},
            {"diurnal": {"mean": "8/s", "peak": "16/s", "period": "20s"}},
            [{"rate": "3/s"}, {"constant-vus": {"vus": 3, "think_time": "500ms"}}],
            {"ramping-arrival-rate": {"stages": [{"duration": "10s", "target": "30/s"},
                                                 {"duration": "5s", "target": "0/s"}]}},
        )  # fmt: skip
    if maybe(0.2):
        each["backlog"] = pick(0, 5)
    if maybe(0.2):
        each |= {"request_bytes": "2KB", "response_bytes": "80KB"}
    if maybe(0.2):
        each["ready"] = {"probe": "2s", "delay": "1s"}
    if maybe(0.2):
        each["pids"] = 3


class Broken(AssertionError):
    """An invariant does not hold; the text says which."""


def held(truth: Any, what: str) -> None:
    """Raise Broken unless it is true."""
    if not truth:
        raise Broken(what)


def run(tree: Tree) -> tuple[Scenario, RunRecords, list[Tree], list[str]]:
    """Simulate; the requests as rows, and the guests' names."""
    scenario = scenario_from_dict(tree, checks=CHECKS)
    rows: list[Tree] = []
    names: list[str] = []

    def keep(columns: Any, services: Any, guests: Any) -> None:
        rows.extend(_rows(columns))
        names[:] = guests

    (platform,) = scenario.platforms
    return scenario, simulate(scenario, platform_of(scenario, platform), 0, sink=keep), rows, names


def check(tree: Tree) -> Counter[str]:
    """Everything that must hold; what was seen. Raises Broken."""
    scenario, records, rows, names = run(tree)
    guests = {row["guest"]: row for row in _rows(records.guests)}
    _requests(scenario, records, rows, guests, names)
    _guests(guests, records.duration)
    _times([row["time"] for row in _rows(records.events)], "events")
    _host(scenario, records)
    for row in summarise(records, scenario):
        held(row.value == row.value and row.value > -SLACK, f"{row.service}/{row.metric} is {row.value}")
    seen = Counter(str(row["event"]) for row in _rows(records.events))
    seen.update(
        {"requests": len(rows), "guests": len(guests), "swapped": int(records.integrals.get("memory_swapped", 0) > 0)}
    )
    return seen


def _requests(
    scenario: Scenario, records: RunRecords, rows: list[Tree], guests: dict[str, Tree], names: list[str]
) -> None:
    services = dict(scenario.expanded())
    by_service: dict[int, list[int]] = {}
    for row in rows:
        by_service.setdefault(row["service"], []).append(row["request"])
        held(row["arrival"] >= 0.0, f"before the beginning: {row}")
        if row["finish"] == row["finish"]:
            held(row["arrival"] <= row["finish"] + SLACK, f"time runs back: {row}")
            held(row["finish"] <= records.duration + SLACK, f"after the end: {row}")
        if row["start"] == row["start"]:
            held(row["arrival"] <= row["start"] + SLACK, f"served before it came: {row}")
            held(guests[names[row["guest"]]]["ready"] <= row["start"] + SLACK, f"before its guest was ready: {row}")
        timeout = services[records.services[row["service"]]].timeout
        if timeout is not None and row["status"] == COMPLETED:
            held(row["finish"] - row["arrival"] <= timeout + 1e-6, f"completed after its deadline: {row}")
    for number, found in by_service.items():
        held(sorted(found) == list(range(len(found))), f"requests of {records.services[number]} lost, or twice")
    for name, tally in records.requests.items():
        ends = tally.completed + tally.rejected + tally.timed_out + tally.failed + tally.in_flight
        held(tally.arrived == ends, f"{name}: {tally.arrived} arrived, {ends} ended or in flight")
        mine = sum(records.services[row["service"]] == name and row["arrival"] >= records.warmup for row in rows)
        held(tally.arrived == mine, f"{name}: {tally.arrived} arrived, {mine} rows")
        held(0 <= tally.calls <= tally.arrived, f"{name}: {tally.calls} calls")


def _guests(guests: dict[str, Tree], end: float) -> None:
    for row in guests.values():
        asked, ready, stopped = row["requested"], row["ready"], row["stopped"]
        held(0.0 <= asked <= end, f"asked for outside the run: {row}")
        held(ready != ready or asked - SLACK <= ready <= end + SLACK, f"ready before it was asked for: {row}")
        held(stopped != stopped or asked - SLACK <= stopped <= end + SLACK, f"stopped before it was asked for: {row}")


def _times(times: list[float], what: str) -> None:
    held(all(a <= b + SLACK for a, b in pairwise(times)), f"time of {what} runs back")


def _host(scenario: Scenario, records: RunRecords) -> None:
    table = {name: np.asarray(column, float) for name, column in records.timeline.items()}
    _times(table["time"].tolist(), "the timeline")
    for name, column in table.items():
        held(np.isfinite(column).all() and (column >= -1e-6).all(), f"{name} of the timeline: {column.min()}")
    cores, memory = records.cores, records.memory
    held((table["cpu_used"] <= cores * (1 + 1e-9)).all(), f"{table['cpu_used'].max()} of {cores} cores used")
    (name,) = scenario.platforms
    daemons = platform_of(scenario, name).memory.host
    if daemons <= memory:  # a host smaller than its daemons is a doubt of its own
        swap = scenario.host.swap.size if scenario.host.swap else 0.0
        held(
            (table["memory_used"] <= (memory + swap) * (1 + 1e-9)).all(), f"{table['memory_used'].max()} B of {memory}"
        )
    promised = scenario.host.hardware_threads * max(scenario.cpu_overcommit, 1.0)
    held((table["cpu_allocated"] <= promised * (1 + 1e-9)).all(), f"{table['cpu_allocated'].max()} cores promised")
    most = max(memory * max(scenario.memory_overcommit, 1.0), daemons)
    held((table["memory_allocated"] <= most * (1 + 1e-9)).all(), f"{table['memory_allocated'].max()} B promised")
    if not scenario.moves and not any(fault.kind == "host-patch" for fault in scenario.faults):
        held((table["ready"] <= table["guests"] + SLACK).all(), "more guests ready than there are")


def _rows(table: Any) -> list[Tree]:
    columns = {name: np.asarray(table[name]).tolist() for name in table}
    return [dict(zip(columns, each, strict=True)) for each in zip(*columns.values(), strict=True)]


def failure(tree: Tree) -> str | None:
    """What does not hold for a tree, or what it raises; None where all is well."""
    try:
        check(tree)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def smaller(tree: Tree) -> Iterator[Tree]:
    """The tree without one of its parts."""
    paths: list[tuple[Any, ...]] = [(key,) for key in ("faults", "moves", "resizes", "node", "warmup", "quota")]
    paths += [("host", "swap"), ("cpu_overcommit",), ("memory_overcommit",)]
    paths += [(key, index) for key in ("faults", "moves", "resizes") for index in range(len(tree.get(key, ())))]
    for name, each in tree["services"].items():
        paths += [("services", name), *(("services", name, key) for key in each)]
        paths += [("services", name, "request", index) for index in range(len(each.get("request", ())))]
    for path in reversed(paths):
        made = copy.deepcopy(tree)
        node: Any = made
        try:
            for step in path[:-1]:
                node = node[step]
            del node[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        yield made


def shrunk(tree: Tree, same: Callable[[Tree], bool], tries: int = 400) -> Tree:
    """The smallest tree of those without a part that `same` still holds for."""
    going = True
    while going and tries > 0:
        going = False
        for each in smaller(tree):
            tries -= 1
            if same(each):
                tree, going = each, True
                break
    return tree


def kept(tree: Tree, folder: Path) -> Path:
    """A failing tree, made small, as a file."""
    from ruamel.yaml import YAML

    kind = (failure(tree) or "").partition(":")[0]
    small = shrunk(tree, lambda each: (failure(each) or "").partition(":")[0] == kind)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"host-{tree['seed']}.yaml"
    with path.open("w", encoding="utf-8") as file:
        file.write(f"# {failure(small)}\n")
        YAML().dump(small, file)
    return path


def main(hosts: int, seed: int, folder: Path) -> int:
    """Check so many hosts; print what was seen, and each failure with its file."""
    seen: Counter[str] = Counter()
    bad, slow, began = 0, 0.0, time.process_time()
    for number in range(seed, seed + hosts):
        tree, before = host(number), time.process_time()
        told = failure(tree)
        slow = max(slow, time.process_time() - before)
        if told is None:
            seen += check(tree) if number % 20 == 0 else Counter(hosts=1)
        else:
            bad += 1
            print(f"host {number}: {told[:300]}; {kept(tree, folder)}", flush=True)
    took = f"slowest {slow:.2f} CPU-s, {time.process_time() - began:.0f} in all"
    print(f"hosts {seed} to {seed + hosts - 1}: {bad} broke; {took}")
    print("seen in a twentieth of them:", ", ".join(f"{name} {count}" for name, count in sorted(seen.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    parser.add_argument("--out", type=Path, default=Path("results/random-hosts"))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    sys.exit(main(options.hosts, options.seed, options.out))
