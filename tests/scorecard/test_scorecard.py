"""The scorecard: its files are read with every mistake, its runs are those asked for, its verdicts cut both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sim.cli import main
from sim.experiment.study import StudyError
from sim.experiment.workers.executor import SerialExecutor
from sim.reading.errors import ScenarioError
from sim.reading.units import UnitError
from sim.scorecard import theory
from sim.scorecard.card import Scorecard
from sim.scorecard.expected import OURS, read
from sim.scorecard.loading import laid, load, select, shipped
from sim.scorecard.measures import NAMED, find
from sim.scorecard.scoring import AGREES, MISSES, NEARBY, judge
from sim.scorecard.specs import Case
from sim.scorecard.study import ScorecardStudy

TREE = {
    "case": "one",
    "kind": "published",
    "source": "somebody",
    "known": "2s",
    "platform": "slow",
    "scenario": {
        "duration": "30s",
        "host": {"cores": 2, "memory": "8GiB"},
        "platforms": {
            "slow": {"based_on": "native", "startup": [{"name": "wait", "kind": "delay", "duration": "2s"}]},
            "lock": {
                "based_on": "native",
                "startup": [{"name": "in", "kind": "lock", "lock": "daemon", "hold": "500ms"}],
            },
        },
        "services": {
            "app": {"request_cpu": "1ms", "size": {"cpu": {"request": 0.1}, "memory": {"request": "1MiB"}},
                    "replicas": 4}
        },
    },
    "predicted": "startup.mean",
}  # fmt: skip


def cases(folder: Path, *own: dict, **common) -> Path:
    file = folder / "cases.yaml"
    tree = {**{key: each for key, each in TREE.items() if key != "case"}, **common}
    file.write_text(json.dumps({**tree, "cases": [{"case": f"case {n}", **each} for n, each in enumerate(own)]}))
    return file


def scores(folder: Path, *own: dict, **common) -> Scorecard:
    with SerialExecutor() as executor:
        return ScorecardStudy([cases(folder, *own, **common)]).run(executor)


def test_what_is_known_is_predicted_by_a_run(tmp_path: Path) -> None:
    found = scores(
        tmp_path,
        {},
        {"platform": "lock", "predicted": "last_ready"},
        {"platform": "lock", "predicted": {"measure": "nth_ready", "nth": 3}, "known": "1.5s"},
        {"platform": "lock", "predicted": "ready_rate", "known": "2/s"},
        {"predicted": {"measure": "startup.mean", "over": {"platform": "lock", "measure": "last_ready"}}, "known": 1},
        {"predicted": {"measure": "startup.mean", "less": {"platform": "lock", "measure": "last_ready"}, "times": 3,
                       "unit": "x"}, "known": 1e-12},
        {"predicted": "ready_at_end", "known": 4},
    )  # fmt: skip
    assert [each.predicted for each in found.scores] == pytest.approx([2.0, 2.0, 1.5, 2.0, 1.0, 0.0, 4.0], abs=1e-9)
    assert [each.unit for each in found.scores] == ["s", "s", "s", "1/s", "1", "x", "1"]
    assert found.coverage == 1.0
    assert found.runs == 5 * 2  # two platforms of one scenario, whatever is read of them


def test_what_calibrates_is_shown_and_not_scored(tmp_path: Path) -> None:
    found = scores(tmp_path, {"known": "1s"}, {"known": "1s", "use": "calibrate"}, {"known": "4s", "use": "context"})
    assert [each.verdict for each in found.scores] == ["misses", "calibrates", "context"]
    assert found.median_error == pytest.approx(1.0)
    assert [each.error for each in found.scores] == pytest.approx([1.0, 1.0, -0.5])


def test_what_cannot_be_said_counts_against_coverage(tmp_path: Path) -> None:
    found = scores(
        tmp_path, {}, {"not_expressible": "no such mechanism"}, {"platform": "nobody"}, {"predicted": "requests.cold",
                                                                                      "known": "5%"},
    )  # fmt: skip
    assert [each.verdict for each in found.scores] == ["near", "not expressible", "not expressible", "failed"]
    assert found.coverage == 1 / 4
    assert "nobody" in found.scores[2].reason


@pytest.mark.parametrize(
    ("value", "ends", "known", "uncertainty", "verdict"),
    [
        (1.1, (1.0, 1.2), 1.0, None, NEARBY),  # the source gives no uncertainty: near at best
        (1.1, (1.05, 1.2), 1.0, 0.05, AGREES),
        (1.1, (1.06, 1.2), 1.0, 0.05, NEARBY),
        (1.21, (1.21, 1.21), 1.0, 0.05, MISSES),
        (0.79, (0.79, 0.79), 1.0, None, MISSES),
        (0.81, (0.81, 0.81), 1.0, None, NEARBY),
        (1.0, (0.99, 1.01), 1.0, 0.0, AGREES),
        (1.0, (0.9, 1.1), 1.0, 0.0, MISSES),  # too wide to mean anything
        (1.02, (1.01, 1.03), 1.0, 0.0, MISSES),  # exact is exact
    ],
)
def test_verdicts_cut_both_ways(value: float, ends: tuple[float, float], known: float, uncertainty, verdict) -> None:
    case = Case.model_validate(TREE)
    assert judge(case, value, ends, known, uncertainty)[0] == verdict


@pytest.mark.parametrize(
    ("bound", "value", "verdict"),
    [("at most", 1.9, AGREES), ("at most", 2.1, MISSES), ("at least", 2.1, AGREES), ("at least", 1.9, MISSES)],
)
def test_a_bound_is_one_sided_and_has_no_error(bound: str, value: float, verdict: str) -> None:
    case = Case.model_validate({**TREE, "bound": bound})
    assert judge(case, value, (value, value), 2.0, None)[0] == verdict


def test_every_mistake_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "kind: publishd\nsource: me\nscenario: {duration: 5s}\ncases:\n"
        "- {case: a, known: 2s, predicted: startup.men}\n"
        "- {case: a, known: 2GB, predicted: startup.mean, bounds: at most}\n"
        "- {case: b, known: {theory: mm1_respons, rate: 1}, predicted: response.mean}\n"
        "- {case: c, predicted: response.mean}\n"
    )
    assert main(["scorecard", "--cases", str(file)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "8 mistakes; nothing was run or written"
    said = "\n".join(told)
    for line, words in ((1, "did you mean published"), (5, "did you mean startup.mean"), (6, "a size"),
                        (6, "did you mean bound"), (7, "did you mean mm1_response"), (8, "known"),
                        (6, "a name of its own")):  # fmt: skip
        assert any(f"mine.yaml:{line}:" in one and words in one for one in told), (line, words, said)


def test_a_wrong_scenario_is_told_with_its_case(tmp_path: Path) -> None:
    file = cases(tmp_path, {"scenario": {"host": {"coers": 4}}})
    with pytest.raises(ScenarioError, match=r"cases.yaml, case 'case 0': host.coers: found an unknown key"):
        ScorecardStudy([file]).run(SerialExecutor())


def test_the_command_writes_a_folder_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = cases(tmp_path, {}, {"known": "5s", "case": "far | off"})
    assert main(["scorecard", "--cases", str(file), "--format", "json", "--quiet", "--workers", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) >= {"cases", "coverage", "median_error"}
    keys = {"case", "kind", "source", "calibrated_on", "predicted", "low", "high", "known", "error", "uncertainty",
            "verdict"}  # fmt: skip
    assert keys <= set(told["cases"][0])
    folder = tmp_path / "results" / "scorecard"
    written = ["expected.json", *(f"scorecard.{end}" for end in ("csv", "json", "md", "png"))]
    assert sorted(path.name for path in folder.iterdir()) == written
    assert r"far \| off" in (folder / "scorecard.md").read_text("utf-8")
    assert main(["scorecard", "--cases", str(file), "--only", "no such words"]) == 2


def test_shipped_cases_can_be_read_and_are_many() -> None:
    found = load(shipped())
    assert len({each.case.case for each in found}) == len(found)
    assert len(select(found, "theory")) >= 60
    assert len(select(found, "serverless")) == 20
    for each in found:
        assert each.case.not_expressible or each.case.predicted is not None
        if each.case.uncertainty:
            assert each.case.uncertainty_of, f"{each.case.case}: whose uncertainty is that?"


@pytest.mark.slow
@pytest.mark.parametrize("words", ["theory-starts", "serverless 0.6973", "oracle caps"])
def test_some_shipped_cases_run(words: str) -> None:
    with SerialExecutor() as executor:
        found = ScorecardStudy(shipped(), words).run(executor)
    assert found.scores
    assert not [each for each in found.scores if each.verdict in ("failed", "misses")]


def test_measures_and_forms_have_names() -> None:
    with pytest.raises(UnitError, match="did you mean last_ready"):
        find("last_redy")
    with pytest.raises(UnitError, match="did you mean erlang_b"):
        theory.evaluate("erlang_bb", {})
    with pytest.raises(UnitError, match="all in SI"):
        theory.evaluate("erlang_b", {"servers": 2})
    assert theory.evaluate("erlang_b", {"servers": 2, "offered": 1.0}) == pytest.approx(0.2)
    assert laid({"services": {"a": {"traffic": {"rate": "1/s"}}}}, {"services": {"a": {"traffic": {"x": 1}}}}) == {
        "services": {"a": {"traffic": {"x": 1}}}
    }


def test_the_documentation_says_what_each_named_measure_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "scorecard.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.partition("| named measure |")[2].splitlines() if line[:3] == "| `"]
    assert {name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)} - {"nth"} == set(NAMED)


def test_a_reference_that_knows_nothing_of_a_scenario_is_told_in_words(tmp_path: Path) -> None:
    file = cases(tmp_path, {"known": {"reference": "oracle"}})
    with pytest.raises(StudyError, match=r"case 'case 0': app: the references need one replica"):
        ScorecardStudy([file]).run(SerialExecutor())
    with pytest.raises(ScenarioError, match="reference"):
        load([cases(tmp_path, {"known": {"reference": "oracle", "cores": 2}})])


def test_throttled_by_hand() -> None:
    # 30 ms under 13 ms a period of 100 ms: 204 ms but for beginnings in the last 13 ms, in which it is less or the same
    assert theory.throttled_response_max(0.03, 0.13) == pytest.approx(0.204)
    # 10 ms under 50 ms: only the last 10 ms of a period matter not at all, the budget is full again
    assert theory.throttled_response_mean(0.01, 0.5) == pytest.approx(0.01)
    assert 0.1 < theory.throttled_response_mean(0.03, 0.13) < 0.204


def test_precopy_by_hand() -> None:
    # 1000 B at 100 B/s, dirtied at 50 B/s: 10 s, 500 B: 5 s, 250 B fit into 2.5 s
    assert theory.precopy_time(1000, 50, 100, 2.5) == pytest.approx(17.5)
    assert theory.precopy_downtime(1000, 50, 100, 2.5) == pytest.approx(2.5)


def expectation(folder: Path, **cases) -> Path:
    file = folder / "expected.json"
    file.write_text(json.dumps({"cases": {name.replace("_", " "): each for name, each in cases.items()}}))
    return file


def worse(folder: Path, expected: dict, *own: dict) -> list[str]:
    study = ScorecardStudy([cases(folder, *own)], check=expectation(folder, **expected))
    with SerialExecutor() as executor:
        return study.worse(study.run(executor))


@pytest.mark.parametrize(
    ("expected", "known", "told"),
    [
        (["near", 0.0], "2s", ""),  # 2 s is predicted
        (["misses", 1.0], "1s", ""),  # a known miss is no failure
        (["misses", 0.96], "1s", ""),  # within 5 points
        (["misses", 0.94], "1s", "misses (+100 %); expected: misses (+94 %)"),  # a known miss that got worse
        (["near", 0.2], "1s", "misses (+100 %); expected: near (+20 %)"),
        (["near", 0.0], "2.2s", "near (−9.1 %); expected: near (+0.0 %)"),
        (["failed", None], "1s", ""),  # better
    ],
)
def test_a_case_that_is_worse_than_expected_is_told(tmp_path: Path, expected: list, known: str, told: str) -> None:
    assert worse(tmp_path, {"case_0": expected}, {"known": known}) == ([f"case 0: {told}"] if told else [])


def test_a_miss_that_nobody_expects_is_told_and_other_new_cases_are_not(tmp_path: Path) -> None:
    told = worse(tmp_path, {}, {"known": "1s"}, {"known": "2s"})
    assert told == ["case 0: misses (+100 %), and is not among the expected ones"]


def test_the_command_ends_with_1_where_a_case_is_worse_or_failed(tmp_path: Path, capsys) -> None:
    file, out = str(cases(tmp_path, {"known": "1s"})), str(tmp_path / "out")
    common = ["scorecard", "--cases", file, "--quiet", "--workers", "1", "--out", out]
    assert main(common) == 0  # nobody said what is expected of one's own cases
    assert main([*common, "--check", f"{out}/expected.json"]) == 0  # what it wrote itself
    assert main([*common, "--check", str(expectation(tmp_path, case_0=["near", 0.1]))]) == 1
    assert "worse: case 0: misses (+100 %); expected: near (+10 %)" in capsys.readouterr().err
    for wrong in ("nothing.json", file):
        assert main([*common, "--check", str(tmp_path / wrong)]) == 2
    broken = str(cases(tmp_path, {"predicted": "requests.cold", "known": "5%"}))
    assert main(["scorecard", "--cases", broken, "--quiet", "--workers", "1", "--out", out]) == 1


def test_what_is_committed_can_be_read_and_expects_no_failure() -> None:
    committed = read(OURS)
    assert len(committed) > 300
    assert "failed" not in {each.verdict for each in committed.values()}
