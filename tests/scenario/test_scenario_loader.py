from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.reading.document import Document
from sim.reading.errors import Finding, Loc, ScenarioError, dotted
from sim.scenario import Base, Hpa, RampingRate, Scenario, load_document, load_scenario, scenario_from_text
from sim.scenario.loader import validated

Load = Callable[..., Scenario]
BURST = Path("scenarios/burst.yaml")


def refused(path: str | Path, **options: object) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, **options)  # type: ignore[arg-type]
    return str(caught.value).splitlines()


def test_burst_is_resolved_to_si() -> None:
    scenario = load_scenario(BURST)
    shop = scenario.services["shop"]
    assert (scenario.name, scenario.seed, scenario.duration, scenario.warmup) == ("burst", 7, 900.0, 120.0)
    assert scenario.replications == 5
    assert scenario.platforms == {"vm": {}, "container": {}, "container-as-vm": {"based_on": "container"}}
    assert (scenario.host.cores, scenario.host.memory, scenario.host.network) == (16.0, 64 * 2**30, 1.25e9)
    assert (scenario.host.disk.read, scenario.host.disk.write, scenario.host.disk.capacity) == (1.5e9, 1e9, None)
    assert shop.request_cpu.kind == "lognormal"
    assert shop.request_cpu.parameters == {"mean": 0.025, "cv": 1.2}
    assert (shop.queue, shop.backlog, shop.timeout, shop.concurrency, shop.replicas) == (256, 256, 5.0, 8, None)
    vm, container = shop.size_on(["vm"]), shop.size_on(["container"])
    assert vm is not None
    assert (vm.cpu_request, vm.cpu_limit, vm.memory_request, vm.memory_limit) == (2, 2, 2**31, 2**31)
    assert container is not None
    assert (container.cpu_request, container.cpu_limit) == (0.5, 4.0)
    assert shop.size_on(["mine", "container"]) == container
    assert shop.size_on(["mine"]) is None
    assert isinstance(shop.autoscale, Hpa)
    assert (shop.autoscale.sync, shop.autoscale.tolerance, shop.autoscale.stabilization) == (15.0, 0.1, 300.0)
    (source,) = shop.traffic
    assert isinstance(source, RampingRate)
    assert [(stage.duration, stage.target) for stage in source.stages] == [(300, 50), (30, 500), (120, 500), (30, 50)]


def test_three_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    text = BURST.read_text()
    for right, wrong in [
        ("    concurrency: 8", "    concurency: 8"),
        ("  memory: 64GiB", "  memory: 64"),
        ("  cores: 16", "  cores: -16"),
    ]:
        assert right in text
        text = text.replace(right, wrong, 1)
    file = tmp_path / "burst.yaml"
    file.write_text(text)
    line = {word: text[: text.index(word)].count("\n") + 1 for word in ("cores: -16", "memory: 64\n", "concurency")}
    found = refused(file)
    assert len(found) == 3
    assert found[0].startswith(f"{file}:{line['cores: -16']}:10: host.cores: found -16; allowed: cores")
    assert found[1].startswith(f"{file}:{line[chr(109) + 'emory: 64' + chr(10)]}:11: host.memory: found 64, a number w")
    assert found[2].startswith(f"{file}:{line['concurency']}:5: services.shop.concurency: found an unknown key")
    assert found[2].endswith("did you mean concurrency?")


def test_a_misspelt_required_key_is_one_mistake(minimal: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(minimal.replace("duration: 10min", "duraton: 10min"))
    assert [problem.path for problem in caught.value.problems] == ["duraton"]


def test_a_missing_key_is_placed_at_its_parent(minimal: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(minimal.replace("    request_cpu: 10ms\n", ""))
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.column, problem.found) == ("services.web.request_cpu", 5, 3, "nothing")


def test_a_repeated_key_is_reported_with_the_other_mistakes(minimal: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(minimal + "duration: 5min\nseed: -1\n")
    assert [(p.path, p.line) for p in caught.value.problems] == [("duration", 13), ("seed", 14)]
    assert "first on line 1" in caught.value.problems[0].found


def test_checks_between_fields_are_made_beside_other_mistakes(minimal: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(minimal + "warmup: 20min\nseed: x\nfaults: [{kind: app-crash, at: 1s, service: wbe}]\n")
    assert [p.path for p in caught.value.problems] == ["warmup", "seed", "faults.0.service"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"# only a comment\n", "an empty file"),
        (b"- a\n- b\n", "a list of 2"),
        (b"just words\n", "'just words'"),
        (b"a: [1, 2\n", ":2:1: found a syntax error"),
        (b"a: 1\nb: @x\n", ":2:4: found a syntax error"),
        (b"a: \x01\n", "a syntax error"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (b"a: 1\n---\nb: 2\n", "a syntax error"),
        (b"a: !!python/object:os.system x\n", "the tag"),
        (b"a: &x [*x]\n", "without end"),
        (b"? {a: 1}\n: 2\n", "not a name"),
        (b"[" * 1000, "nested too deeply"),
    ],
)
def test_what_is_not_a_scenario_file_is_refused_cleanly(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    found = refused(file)
    assert any(said in line for line in found)
    assert found[0].startswith(str(file))


def test_missing_files_and_folders_are_refused_cleanly(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.yaml")[0]
    assert "a folder" in refused(tmp_path)[0]


def test_a_bom_anchors_and_merges_are_read(minimal: str, tmp_path: Path) -> None:
    text = minimal.replace("  web:", "  web: &web") + "  two:\n    <<: *web\n    concurrency: 3\n"
    file = tmp_path / "two.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    scenario = load_scenario(file)
    assert scenario.name == "two"
    assert (scenario.services["two"].concurrency, scenario.services["web"].concurrency) == (3, 1)
    assert scenario.services["two"].memory == scenario.services["web"].memory


def test_a_mistake_in_merged_keys_is_placed_where_it_stands(minimal: str) -> None:
    text = minimal.replace("  web:", "  web: &web").replace("64MiB", "64mb") + "  two:\n    <<: *web\n    seed: 3\n"
    with pytest.raises(ScenarioError) as caught:
        scenario_from_text(text)
    assert [(p.path, p.line) for p in caught.value.problems] == [
        ("services.web.memory.base", 7),
        ("services.two.memory.base", 7),
        ("services.two.seed", 15),
    ]


def test_set_changes_creates_and_replaces(load: Load) -> None:
    scenario = load(
        "host.cores=250m",
        "services.web.slo.p99=3ms",
        "services.web.traffic.ramping-arrival-rate.stages.1.target=90/min",
        "services.web.memory={base: 1MiB, per_request: 1kB}",
        "platforms.vm.cpu.overhead=1.1",
        "services.web.queue=null",
    )
    web = scenario.services["web"]
    assert scenario.host.cores == 0.25
    assert web.slo is not None
    assert web.slo.p99 == 0.003
    assert isinstance(web.traffic[0], RampingRate)
    assert [stage.target for stage in web.traffic[0].stages] == [5.0, 1.5]
    assert (web.memory.base, web.memory.per_request, web.queue) == (2**20, 1000, None)
    assert scenario.platforms == {"vm": {"cpu": {"overhead": 1.1}}, "container": {}}


@pytest.mark.parametrize(
    ("override", "path", "hint"),
    [
        ("host.cors=4", "host.cors", "did you mean cores?"),
        ("services.wbe.queue=4", "services.wbe", "did you mean web?"),
        ("services.web.queue=many", "services.web.queue", "found 'many'"),
        ("host.cores.x=3", "host.cores.x", "a single value"),
        ("services.web.traffic.ramping-arrival-rate.stages.5.target=1/s",
         "services.web.traffic.ramping-arrival-rate.stages.5", "an index of the list, 0 to 2"),
        ("host.cores", "", "PATH=VALUE"),
        ("=4", "", "PATH=VALUE"),
        ("a..b=4", "", "a dotted path"),
        ("host=[", "", "a syntax error"),
        ("host={cores: 1, cores: 2}", "cores", "a second time"),
    ],
)  # fmt: skip
def test_mistakes_of_set_point_to_it(load: Load, override: str, path: str, hint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(override)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (f"--set {override}", None, None)
    assert problem.path.endswith(path)
    assert hint in str(problem)


def test_every_malformed_set_is_reported(load: Load) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("x", "host.cores=[")
    assert [problem.file for problem in caught.value.problems] == ["--set x", "--set host.cores=["]


def test_a_value_laid_over_leaves_the_tree_alone() -> None:
    tree = {"a": [{"b": 1}], "e": {"f": 1}, "platforms": ["vm", "container"]}
    document = Document("a file", tree)
    for path, value in {"a.0.b": 2, "a.1": 5, "c.d": {"e": 3}, "platforms.vm.x": 1, "platforms.new.y": 2}.items():
        document = document.with_value(path, value, "an option")
    assert tree == {"a": [{"b": 1}], "e": {"f": 1}, "platforms": ["vm", "container"]}
    assert document.tree == {
        "a": [{"b": 2}, 5],
        "e": {"f": 1},
        "c": {"d": {"e": 3}},
        "platforms": {"vm": {"x": 1}, "container": {}, "new": {"y": 2}},
    }
    assert document.tree["e"] is tree["e"]  # what is not on a path is not copied
    assert Document("a file", tree).with_value("platforms.1", "microvm", "x").tree["platforms"] == ["vm", "microvm"]
    with pytest.raises(ScenarioError, match="single value"):
        document.with_value("a.0.b.c", 1, "an option")


def test_options_of_the_command_line(minimal: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(minimal.replace("[vm, container]", "{vm: {cpu: {overhead: 2}}, container: }"))
    scenario = load_scenario(file, platforms=["vm", "native"], replications=3, seed=9)
    assert scenario.platforms == {"vm": {"cpu": {"overhead": 2}}, "native": {}}
    assert (scenario.replications, scenario.seed) == (3, 9)
    assert refused(file, replications=0)[0].startswith("--replications 0: replications: found 0")
    assert refused(file, seed=-1)[0].startswith("--seed -1: seed: found -1")
    assert refused(file, platforms=["vm", "vm"])[0].startswith("--platforms vm,vm: platforms.1: found 'vm' a second")
    assert refused(file, platforms=[])[0].startswith("--platforms")


def test_the_resolved_scenario_round_trips_and_pickles() -> None:
    scenario = load_scenario(BURST)
    again = Scenario.from_dict(scenario.to_dict())
    assert again.to_dict() == scenario.to_dict()
    assert again.digest == scenario.digest == pickle.loads(pickle.dumps(scenario)).digest
    assert load_scenario(BURST, seed=8).digest != scenario.digest


def test_the_error_survives_pickling(load: Load) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("host.cores=0")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_other_rooms_can_place_their_findings() -> None:
    document = load_document(BURST, ["platforms.container.cpu.overhed=2"])
    problem = document.problem(Finding(("platforms", "container", "cpu", "overhed"), "x", "y", on_key=True))
    assert problem.file == "--set platforms.container.cpu.overhed=2"
    steady = Path("scenarios/steady.yaml")
    problem = load_document(steady).problem(Finding(("platforms", "container"), "x", "y"))
    lines = steady.read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if text.startswith("platforms: [vm, container]"))
    assert (problem.line, problem.column) == (line, lines[line - 1].index("container") + 1)


STRANGE = [None, "", "x", "5", -1, 0, 1e300, float("nan"), True, [], {}, [[]], [None], {"a": {}}, {"": 1}, ["vm", {}]]
DOCUMENT = load_document(BURST)
PLACES = sorted(DOCUMENT.places.keys() - {()}, key=str)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(STRANGE)), min_size=1, max_size=3))
def test_any_value_anywhere_is_accepted_or_refused_with_its_path(changes: list[tuple[Loc, object]]) -> None:
    document = DOCUMENT
    for loc, value in changes:
        with suppress(ScenarioError):  # a path through what an earlier change made a single value
            document = document.with_value(dotted(loc), value, "a change")
    with suppress(ScenarioError):
        assert Scenario.from_dict(validated(Scenario, document).to_dict())
        return
    with pytest.raises(ScenarioError) as caught:
        validated(Scenario, document)
    assert caught.value.problems
    assert all(problem.found and problem.allowed and problem.path for problem in caught.value.problems)
    assert len({str(problem) for problem in caught.value.problems}) == len(caught.value.problems)


WHOLE = Base(DOCUMENT)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([dotted(loc) for loc in PLACES]), st.sampled_from(STRANGE), max_size=3))
def test_a_point_is_what_the_whole_file_would_be(point: dict[str, object]) -> None:
    """Validated where it differs from the file, or as a whole: the same scenario, or the same mistakes."""

    def whole() -> Scenario:
        document = DOCUMENT
        for path, value in point.items():
            document = document.with_value(path, value, f"{path}={value}")
        return validated(Scenario, document)

    def told(load: Callable[[], Scenario]) -> object:
        try:
            return load().to_dict()
        except ScenarioError as error:
            return sorted(map(str, error.problems))

    assert told(lambda: WHOLE.at(point)) == told(whole)
