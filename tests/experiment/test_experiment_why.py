"""Why is one better: groups that hold every key of a platform, shares that add up, theory, and swapping by hand."""

from __future__ import annotations

import csv
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from two_sides import TWO_SIDES

import sim
from sim.cli import main
from sim.experiment.attribution import groups, shapley, study
from sim.experiment.attribution.game import Asked, Game, Played
from sim.experiment.attribution.groups import GROUPS, NAMES, cast, group_of, keys, splice, value_at
from sim.model.record import timeline
from sim.platforms import load_platform, names
from sim.scenario import Scenario, scenario_from_text

# ---------------------------------------------------------------- the groups


def test_every_key_of_every_platform_belongs_to_exactly_one_group() -> None:
    found = {path: group_of(path) for path in keys()}
    assert {path for path, group in found.items() if group is None} == set(NAMES), "give it its row in the table"
    assert set(filter(None, found.values())) == set(GROUPS)
    tops = {path.split(".")[0] for path in found}
    unknown = [row for row in groups._TABLE if row not in found and row not in tops]
    assert not unknown, "a row of the table that is no key"


PAIRS = list(itertools.permutations(names(), 2))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_a_spliced_platform_has_each_key_from_its_side(a: str, b: str) -> None:
    mine, other = load_platform(a), load_platform(b)
    for taken in (set(), {"promise"}, {"start-up", "CPU tax"}, {"images"}, {"memory", "I/O tax"}, set(GROUPS)):
        made = splice(mine, other, taken)
        for path in keys():
            group = group_of(path)
            if group is not None and path != "startup":
                assert value_at(made, path) == value_at(other if group in taken else mine, path), path
        image, rest = groups.halves(made)
        assert [p.model_copy(update={"name": ""}) for p in image] == [
            p.model_copy(update={"name": ""}) for p in groups.halves(other if "images" in taken else mine)[0]
        ]
        assert rest == groups.halves(other if "start-up" in taken else mine)[1]
        assert len(made.phases) == len(made.startup), "each name once: a phase draws by its name"
    assert splice(mine, other, set(GROUPS)).model_copy(update={"name": b}).model_dump(exclude=set(NAMES)) == (
        other.model_dump(exclude=set(NAMES))
    )


# ---------------------------------------------------------------- the shares


def test_shares_by_hand() -> None:
    """Two players who add 1 and 2, and 2 more together, which they halve."""
    worth = {0: np.array([10.0]), 1: np.array([11.0]), 2: np.array([12.0]), 3: np.array([15.0])}
    assert shapley.shapley(2, worth)[:, 0] == pytest.approx([2.0, 3.0])
    assert shapley.alone(2, worth)[:, 0] == pytest.approx([1.0, 2.0])
    assert shapley.last(2, worth)[:, 0] == pytest.approx([3.0, 4.0])


NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(NUMBERS, min_size=16, max_size=16))
def test_shares_add_up_and_are_the_mean_over_all_orders(values: list[float]) -> None:
    worth = {coalition: np.array([value]) for coalition, value in enumerate(values)}
    shares = shapley.shapley(4, worth)
    size = max(map(abs, values)) + 1.0
    assert float(shares.sum()) == pytest.approx(values[15] - values[0], abs=1e-12 * size)
    assert float(shapley.both_ways(4, worth).sum()) == pytest.approx(values[15] - values[0], abs=1e-12 * size)
    brute = np.zeros(4)
    for order in itertools.permutations(range(4)):
        at = 0
        for player in order:
            brute[player] += (values[at | 1 << player] - values[at]) / math.factorial(4)
            at |= 1 << player
    assert shares[:, 0] == pytest.approx(brute, abs=1e-9 * size)


@given(st.lists(NUMBERS, min_size=15, max_size=15))
def test_two_orders_are_enough_where_players_act_in_pairs(values: list[float]) -> None:
    """15 numbers: what each of 5 players adds, and what each of 10 pairs adds."""
    single, pairs = values[:5], dict(zip(itertools.combinations(range(5), 2), values[5:], strict=True))

    def worth(coalition: int) -> np.ndarray:
        here = [player for player in range(5) if coalition >> player & 1]
        return np.array([sum(single[p] for p in here) + sum(pairs[p] for p in itertools.combinations(here, 2))])

    every = {coalition: worth(coalition) for coalition in range(32)}
    few = {coalition: every[coalition] for coalition in (0, *shapley.needed(5), 31)}
    assert len(few) == 10
    size = max(map(abs, values)) + 1.0
    assert shapley.both_ways(5, few)[:, 0] == pytest.approx(shapley.shapley(5, every)[:, 0], abs=1e-9 * size)


def test_two_orders_are_not_enough_for_three_at_once() -> None:
    worth = {coalition: np.array([1.0 if coalition == 7 else 0.0]) for coalition in range(8)}
    assert shapley.shapley(3, worth)[:, 0] == pytest.approx([1 / 3] * 3)
    assert shapley.both_ways(3, worth)[:, 0] == pytest.approx([0.5, 0.0, 0.5])


# ---------------------------------------------------------------- on the simulator

RATE = 40.0
"""Of TWO_SIDES: M/M/2 on the VM against M/M/1, requests/s."""
GROWING = """\
name: growing
seed: 3
duration: 80s
warmup: 5s
replications: 2
host: {cores: 8, memory: 4GiB}
platforms: {vm: {}, container: {}, mine: ./mine.yaml}
services:
  api:
    image: {vm: 1GB, container: 100MB}
    memory: {base: 100MiB, per_request: 1MiB}
    start_cpu: 1s
    request_cpu: {exponential: {mean: 20ms}}
    concurrency: 4
    queue: 20
    timeout: 2s
    size:
      vm: {cpu: 1, memory: 1GiB}
      container: {cpu: {request: 500m, limit: 2}, memory: {request: 256MiB, limit: 1GiB}}
      mine: {cpu: 1, memory: 1GiB}
    replicas: {add: 1, every: 5s, max: 6}
    traffic: {constant-arrival-rate: {rate: 60/s}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timeline, "SAMPLES", 20)  # of the timeline: it costs more than these short runs
    (tmp_path / "sides.yaml").write_text(TWO_SIDES)
    (tmp_path / "growing.yaml").write_text(GROWING)
    (tmp_path / "mine.yaml").write_text("based_on: vm\n")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    few = [] if "--replications" in arguments else ["--replications", "2"]
    assert main(["why", *arguments, "--quiet", "--workers", "1", "--no-plots", "--format", "json", *few]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def response(servers: int, mean: float) -> float:
    """Mean response of M/M/1 and M/M/2, s."""
    return mean / (1.0 - (RATE * mean / servers) ** servers)


def test_the_parts_are_those_of_theory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "sides.yaml", "--metric", "response.mean", "--replications", "10")
    worth = {(cores, tax): response(cores, 0.01 * tax) for cores in (1, 2) for tax in (1.0, 1.5)}
    promise = 0.5 * (worth[1, 1.5] - worth[2, 1.5] + worth[1, 1.0] - worth[2, 1.0])
    tax = 0.5 * (worth[2, 1.0] - worth[2, 1.5] + worth[1, 1.0] - worth[1, 1.5])
    parts = {part["group"]: part for part in found["parts"]}
    for name, expected in (("promise", promise), ("CPU tax", tax)):
        assert parts[name]["mean"] == pytest.approx(expected, abs=2 * parts[name]["half_width_95"]), name
        assert parts[name]["half_width_95"] < 0.1 * abs(expected)
    for name in ("start-up", "images", "memory"):
        assert abs(parts[name]["mean"]) < 1e-12, "all is there at the start of the span"
    assert found["mainly"] == [], "the two are equal at this load"
    assert "promise (" in found["answer"][1]
    assert "cancel" in found["answer"][1]
    assert found["left_out"].keys() == {"I/O tax", "faults and moves"}


@pytest.mark.parametrize("metric", ["served", "startup.mean", "memory.used", "requests.completed"])
def test_the_parts_add_up_in_every_replication(here: Path, capsys: pytest.CaptureFixture[str], metric: str) -> None:
    found = told(capsys, "growing.yaml", "--metric", metric, "--platforms", "vm,container")
    ends = {tuple(each["of_second"]): np.array(each["values"]) for each in found["coalitions"]}
    whole = tuple(part["group"] for part in found["parts"])
    assert len(ends) == 2 ** len(whole)
    apart = ends[whole] - ends[()]
    summed = np.sum([part["by_replication"] for part in found["parts"]], axis=0)
    assert summed == pytest.approx(apart, rel=1e-12, abs=1e-12 * float(np.abs(ends[()]).max()))
    assert found["difference"]["mean"] == pytest.approx(float(apart.mean()))


def by_hand(group: str) -> dict[str, Any]:
    """A platform file: the VM's, with what belongs to one group as it stands in the container's file."""
    folder = Path(sim.__file__).parent / "platforms"
    vm, container = (YAML(typ="safe").load(folder / f"{name}.yaml") for name in ("vm", "container"))
    image = ("install", "pull", "clone")
    match group:
        case "CPU tax":
            own = {key: container["cpu"][key] for key in ("overhead", "idle_per_guest", "host")}
            return {"based_on": "vm", "cpu": own}
        case "memory":
            memory = dict.fromkeys(vm["memory"]) | container["memory"]
            return {"based_on": "vm", "memory": memory, "kernel": container["kernel"], "oom": container["oom"]}
        case "promise":
            cpu = {key: container["cpu"][key] for key in ("request_per_guest", "quota", "period")}
            resize = dict.fromkeys(vm["resize"]) | container["resize"]
            return {"based_on": "vm", "allocation": container["allocation"], "cpu": cpu, "resize": resize}
        case "start-up":
            first = [phase for phase in vm["startup"] if phase["kind"] in image or phase.get("bytes") == "image"]
            then = [phase for phase in container["startup"] if phase["kind"] not in image
                    and phase.get("bytes") != "image"]  # fmt: skip
            return {
                "based_on": "vm", "startup": [*first, *then], "restart": container["restart"],
                "stop": container["stop"], "isolation": {"panic_phases": container["isolation"]["panic_phases"]},
            }  # fmt: skip
    raise AssertionError(group)


@pytest.mark.parametrize(
    ("group", "metric"),
    [("CPU tax", "response.mean"), ("memory", "memory.used"), ("promise", "served"), ("start-up", "startup.mean")],
)
def test_swapping_a_group_by_hand_gives_what_it_says(
    here: Path, capsys: pytest.CaptureFixture[str], group: str, metric: str
) -> None:
    """The same through the public command line: a platform file of one's own, and an ordinary run."""
    found = told(capsys, "growing.yaml", "--metric", metric, "--platforms", "vm,container")
    expected = next(each["values"] for each in found["coalitions"] if each["of_second"] == [group])
    unlike = next(each["values"] for each in found["coalitions"] if each["of_second"] == [])
    assert expected != unlike, "the group moves this metric"
    with (here / "mine.yaml").open("w") as file:
        YAML().dump(by_hand(group), file)
    own = ["--set", "services.api.size.mine={cpu: {request: 500m, limit: 2}, memory: {request: 256MiB, limit: 1GiB}}"]
    arguments = ["run", "growing.yaml", "--platforms", "mine", "--quiet", "--no-plots", "--workers", "1"]
    assert main([*arguments, *(own if group == "promise" else [])]) == 0
    with (here / "results/growing/summary.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["service"] == "all"]

    def values(name: str) -> list[float]:
        return [float(row["value"]) for row in rows if row["metric"] == name]

    served = [done / all_ for done, all_ in zip(values("requests.completed"), values("requests.arrived"), strict=True)]
    assert (served if metric == "served" else values(metric)) == expected


def scenario(text: str, base: Path, **changes: str) -> Scenario:
    from sim.platforms.checks import CHECKS

    return scenario_from_text(text, overrides=[f"{key}={value}" for key, value in changes.items()], base=base,
                              checks=CHECKS)  # fmt: skip


def test_groups_that_are_left_out_move_nothing(here: Path) -> None:
    asked = scenario(GROWING, here)
    vm, container = load_platform("vm"), load_platform("container")
    from sim.model.run import simulate
    from sim.report.metrics.measures import measure

    rows = [
        [(row.service, row.metric, row.value) for row in measure(simulate(asked, platform, 0), asked)]
        for platform in (vm, splice(vm, container, {"I/O tax", "faults and moves"}))
    ]
    assert rows[0] == rows[1]
    assert set(cast(vm, container, asked).left_out) == {"I/O tax", "faults and moves"}


def test_a_group_sleeps_only_where_it_cannot_matter(here: Path) -> None:
    vm, container = load_platform("vm"), load_platform("container")
    sends = scenario(
        GROWING.replace("request_cpu: {exponential: {mean: 20ms}}", "request: [cpu: 20ms, send: 20KB]"), here
    )
    assert "I/O tax" in [player.name for player in cast(vm, container, sends).players]
    falls = scenario(GROWING + "faults: [{kind: app-crash, at: 20s, service: api}]\n", here)
    assert "faults and moves" in [player.name for player in cast(vm, container, falls).players]


def test_equal_sizes_are_no_difference(here: Path) -> None:
    alike = scenario(GROWING, here, **{"services.api.size": "{cpu: 1, memory: 1GiB}", "services.api.image": "100MB"})
    players = {
        player.name: player.differs for player in cast(load_platform("vm"), load_platform("microvm"), alike).players
    }
    assert not any(path.startswith("services.") for paths in players.values() for path in paths)


def test_the_same_platform_twice_has_no_parts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "growing.yaml", "--platforms", "vm,mine")
    assert found["parts"] == []
    assert found["difference"]["mean"] == 0.0
    assert "differ in nothing" in " ".join(found["answer"])


def test_vms_around_containers_are_taken_alone_only_where_that_is_a_platform(here: Path) -> None:
    asked = scenario(GROWING, here, **{"services.api.image": "100MB", "host.memory": "64GiB"})
    flat = cast(load_platform("container"), load_platform("container-in-vm"), asked)
    assert {"VMs around", "memory", "CPU tax"} <= {player.name for player in flat.players}
    assert not flat.together
    odd = cast(load_platform("vm"), load_platform("container-in-vm"), asked)
    assert [player.name for player in odd.players if "VMs around" in player.name] == [
        "promise + start-up + images + memory + VMs around"
    ]
    assert "no platform has VMs inside them" in odd.together[0]
    for each in (flat, odd):  # every platform between can be run
        for coalition in range(each.full + 1):
            game = Game(asked, each, Asked("guests.mean"))
            assert game.play(coalition, 0)[0] > 0.0


# ---------------------------------------------------------------- the line of every run


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    shared = ["--quiet", "--workers", "1", "--no-plots", "--overwrite", "--format", "json"]
    assert main(["run", *arguments, *shared]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


LEAD = ["sides.yaml", "--set", "services.api.traffic.constant-arrival-rate.rate=10/s", "--set", "focus=[response.mean]"]


def test_a_run_says_mainly_because_of_what(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two groups matter, so that one order and its reverse give what all orders give."""
    line = ran(capsys, *LEAD)["because"]
    assert (line["metric"], line["platforms"]) == ("response.mean", ["vm", "container"])
    assert "mainly because of CPU tax (1" in line["text"], "more than all: the promise works against it"
    assert math.fsum(line["parts"].values()) == pytest.approx(line["difference"], rel=1e-12)
    found = told(capsys, *LEAD, "--metric", "response.mean")
    for part in found["parts"]:
        assert line["parts"][part["group"]] == pytest.approx(part["by_replication"][0], abs=1e-12)
    verdict = sim.load_results(here / "results/sides").verdict
    assert line["text"] in verdict
    assert sim.compare([here / "results/sides"]).because == line
    assert sim.compare([here / "results/sides"], platforms=["vm", "container"]).because == {}, "nobody asked that"


def test_what_is_alike_is_not_asked_why(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both serve all: the first that differs is the p99."""
    assert ran(capsys, *LEAD[:3])["because"]["metric"] == "response.p99"


def test_platforms_between_that_served_less_are_told_where_the_two_served_alike(here: Path) -> None:
    asked = scenario(GROWING, here)
    game = Game(asked, cast(load_platform("vm"), load_platform("container"), asked), Asked("response.p99"))
    for middle, expected in ((0.5, ["survivors"]), (1.0, [])):
        played = Played()
        for coalition in range(game.cast.full + 1):
            played.put(coalition, 0, (1.0, middle if coalition == 1 else 1.0))
        found = study._served(game, played, [0])
        assert [each.code for each in found] == expected
        assert all("vm with container's promise" in each.text for each in found)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--no-why"], None),
        (["--replications", "2"], "Why vm and container differ in response mean: `python -m sim why FILE`."),
        (["--platforms", "container"], None),
        (["--replications", "3"], "Why vm and container differ in response mean: `python -m sim why FILE`."),
    ],
    ids=["not wanted", "no interval", "one platform", "more runs than it has itself"],
)
def test_a_run_makes_no_reason_up(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str | None
) -> None:
    line = ran(capsys, *LEAD, *more)["because"]
    assert (line and line["text"]) == said


# ---------------------------------------------------------------- what it does not say


def test_a_percentile_of_survivors_is_not_split_without_a_word(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "growing.yaml", "--metric", "response.p99", "--platforms", "vm,container")
    assert "survivors" in [each["code"] for each in found["doubts"] if each["severity"] == "wrong"]
    assert found["mainly"] == []
    assert "No reason is named" in found["answer"][1]
    assert " is better" not in found["answer"][0]


def test_a_metric_that_is_missing_somewhere_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = ["--quiet", "--workers", "1", "--platforms", "vm,container"]
    assert main(["why", "growing.yaml", "--metric", "density.max", "--set", "host.memory=64GiB", *quiet]) == 1
    assert "density.max is missing (vm, replication 1)" in capsys.readouterr().err
    assert not list(here.glob("results/*"))  # at most the empty folder in which the place was held


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--platforms", "vm"], "why compares two platforms"),
        (["--metric", "respones.p99"], "did you mean response.p99?"),
        (["--metric", "shop/goodput"], "shop: no such service, one of api"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["why", "growing.yaml", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_time_that_is_over_leaves_whole_replications(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "growing.yaml", "--platforms", "vm,container", "--budget", "1ms")
    assert (found["replications"], found["complete"]) == (1, False)
    assert all(part["half_width_95"] is None for part in found["parts"])


def test_of_many_platforms_those_farthest_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(
        capsys, "growing.yaml", "--metric", "startup.mean", "--set", "platforms={vm: {}, microvm: {}, container: {}}"
    )
    assert found["platforms"] == ["vm", "container"] or found["platforms"] == ["vm", "microvm"]
    assert "farthest apart" in found["notes"][0]


def test_a_result_can_be_asked(here: Path) -> None:
    (here / "growing.yaml").write_text(GROWING.replace("      mine: {cpu: 1, memory: 1GiB}\n", ""))
    result = sim.run("growing.yaml", platforms=["vm", "container"], out=here / "run")
    found = result.why("startup.mean", replications=1, out=here / "why", plots=True)
    assert (found.a, found.b) == ("vm", "container")
    assert found["start-up"].share.mean < 0.0
    assert len(found.sentences) == 3
    assert {path.name for path in (here / "why").iterdir()} == {"why.json", "why.csv", "why.png"}
    assert sim.load_results(here / "run").why("startup.mean", replications=1).difference == found.difference
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []
