"""The command line as a user meets it: output, exit codes, files; never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.cli import main
from test_public_api import SMALL

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOSTSIM_DEBUG", raising=False)
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


def python(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("HOSTSIM_DEBUG", None)
    return subprocess.run(
        [sys.executable, "-m", "sim", *arguments], capture_output=True, text=True, env=environment, check=False, **more
    )


def cpu_of_children() -> float:
    """Seconds of CPU: other tests that run at the same time do not count."""
    used = os.times()
    return used.children_user + used.children_system


def test_help_answers_at_once() -> None:
    took = []
    for _ in range(3):
        start = cpu_of_children()
        done = python("--help")
        took.append(cpu_of_children() - start)
        assert done.returncode == 0
    assert min(took) < 0.3
    for name in ("compare", "sweep", "density", "validate", "platforms", "schema", "exit codes"):
        assert name in done.stdout


def test_a_run_prints_the_comparison_and_writes_the_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["small.yaml", "--no-plots", "--keep-requests", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "native against container" in out
    assert "response p99" in out
    assert out.rstrip().endswith("results/small/")
    files = {path.name for path in (here / "results" / "small").iterdir()}
    assert files == {
        "manifest.json", "summary.csv", "guests.parquet", "timeline.parquet", "events.parquet", "response.parquet",
        "requests.parquet",
    }  # fmt: skip


def test_json_is_all_of_standard_output(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["small.yaml", "--no-plots", "--format", "json", "--platforms", "native", "--replications", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["platforms"] == ["native"]
    assert told["replications"] == {"native": 2}
    assert told["complete"] is True


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_on_one_and_two_workers(here: Path) -> None:
    for number in ("1", "2"):
        assert main(["small.yaml", "--no-plots", "--quiet", "--workers", number, "--out", f"w{number}"]) == 0
    assert main(["small.yaml", "--no-plots", "--quiet", "--seed", "4", "--out", "other"]) == 0
    one, two, other = ((here / name / "summary.csv").read_bytes() for name in ("w1", "w2", "other"))
    assert one == two
    assert one != other


def test_three_mistakes_are_told_at_once_and_nothing_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SMALL.replace("cores: 4", "cores: -4").replace("duration: 60s", "duration: 60").replace("slo:", "slow:")
    (here / "bad.yaml").write_text(text)
    assert main(["bad.yaml"]) == 2
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert told.out == ""
    assert [line.split(":")[:2] for line in lines[:3]] == [["bad.yaml", "4"], ["bad.yaml", "7"], ["bad.yaml", "14"]]
    assert "did you mean slo?" in lines[2]
    assert "3 mistakes" in lines[3]
    assert sorted(path.name for path in here.iterdir()) == ["bad.yaml", "small.yaml"]


def test_mistakes_of_the_file_and_of_the_catalogue_come_together(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL.replace("cores: 4", "cores: -4").replace("[native, container]", "[native, containr]")
    (here / "bad.yaml").write_text(text)
    assert main(["bad.yaml"]) == 2
    told = capsys.readouterr().err
    assert "bad.yaml:7:" in told
    assert "bad.yaml:8:" in told
    assert "did you mean container?" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["small.yaml", "--platforms", "native,contaner"], "did you mean container?"),
        (["small.yaml", "--platforms", "vm"], "no image for vm"),
        (["small.yaml", "--set", "host.coers=4"], "did you mean cores?"),
        (["small.yaml", "--set", "host.cores"], "PATH=VALUE"),
        (["small.yaml", "--set", "replications={until: response.p98 within 5%, max: 9}"], "did you mean response.p9"),
        (["nothing.yaml"], "no such file"),
        (["swep"], "did you mean sweep?"),
        (["small.yaml", "--workers", "0"], "at least 1"),
        (["reproduce", "small.yaml", "--workers", "0"], "at least 1"),
        (["table", "small.yaml", "--seed", "-3"], "--seed: '-3' is not a whole number of at least 0"),
        (["small.yaml", "--no-plot"], "unrecognized"),
        (["compare", "nowhere"], "no result here"),
        (["platforms", "contaner"], "did you mean container?"),
        (["density", "small.yaml", "--vary", "services.api.nothing"], "services.api.nothing"),
        (["density", "small.yaml", "--from", "5", "--to", "2"], "cannot stop"),
        (["sweep", "small.yaml"], "base"),
        ([], ""),
    ],
)
def test_wrong_input_is_2_and_says_why(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert "Traceback" not in told.err
    assert [path.name for path in here.iterdir()] == ["small.yaml"]


def test_a_run_is_repeatable_but_never_replaces_something_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["small.yaml", "--no-plots", "--quiet", "--replications", "1", "--platforms", "native"]
    assert main(quick) == 0
    assert main(quick) == 0
    before = (here / "results/small/summary.csv").read_bytes()
    assert main([*quick, "--set", "host.cores=2"]) == 2
    told = capsys.readouterr().err
    assert "host.cores was 4.0, now 2.0" in told
    assert "--overwrite" in told
    assert (here / "results/small/summary.csv").read_bytes() == before
    assert main([*quick, "--set", "host.cores=2", "--overwrite"]) == 0
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("precious")
    assert main([*quick, "--out", "mine", "--overwrite"]) == 2
    assert (here / "mine" / "thesis.txt").read_text() == "precious"


def test_validate_tells_every_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "sweep.yaml").write_text("base: small.yaml\naxes:\n  host.cores: [1, 2, 4]\n")
    (here / "bad.yaml").write_text(SMALL.replace("60s", "60 parsecs"))
    assert main(["validate", "small.yaml", "sweep.yaml"]) == 0
    assert "a sweep of 3 points" in capsys.readouterr().out
    assert main(["validate", "small.yaml", "bad.yaml"]) == 2
    told = capsys.readouterr()
    assert "small.yaml: scenario small, correct" in told.out
    assert "bad.yaml:4:" in told.err


def test_every_number_of_the_catalogue_has_unit_and_source(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platforms"]) == 0
    assert "microvm" in capsys.readouterr().out
    assert main(["platforms", "vm", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["source"] and "unit" in row and row["trust"] for row in rows)
    assert main(["platforms", "vm"]) == 0
    assert "memory.host" in capsys.readouterr().out


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["services"]


@pytest.mark.slow
def test_compare_writes_its_table_and_plots(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cores in ("4", "2"):
        common = ["small.yaml", "--no-plots", "--quiet", "--set", f"host.cores={cores}", "--out", f"c{cores}"]
        assert main(common) == 0
    capsys.readouterr()
    assert main(["compare", "c4", "c2"]) == 0
    assert "paired: the traffic was the same" in capsys.readouterr().out
    plots = {path.name for path in (here / "results/compare-c4-c2/plots").iterdir()}
    assert {"differences.png", "response-tail.png", "timeline.png"} <= plots
    assert main(["compare", "c4", "c2"]) == 0  # again: its own folder may be replaced


def test_until_precise_says_how_many_and_why(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = "replications={until: response.mean within 20%, max: 12}"
    assert main(["small.yaml", "--no-plots", "--platforms", "native", "--set", rule]) == 0
    assert "Stopped because: response.mean within 0.2 of its mean after" in capsys.readouterr().out
    manifest = json.loads((here / "results/small/manifest.json").read_text())
    assert 5 <= manifest["replications"]["made"] <= 12


def test_warmup_auto_is_found_and_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["small.yaml", "--no-plots", "--set", "warmup=auto", "--replications", "1"]) == 0
    assert "Transient (MSER-5)" in capsys.readouterr().out
    assert 0 <= json.loads((here / "results/small/manifest.json").read_text())["warmup"] <= 30


def test_a_failed_run_is_1_and_the_others_are_kept(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.model import run as model_run

    real = model_run.simulate

    def sometimes(scenario: Any, platform: Any, replication: int, **more: Any) -> Any:
        if replication == 1 and platform.name == "container":
            raise ZeroDivisionError("cursed")
        return real(scenario, platform, replication, **more)

    monkeypatch.setattr(model_run, "simulate", sometimes)
    assert main(["small.yaml", "--no-plots", "--workers", "1"]) == 1
    told = capsys.readouterr()
    assert "container, replication 1: ZeroDivisionError: cursed" in told.err
    assert "Traceback" not in told.err
    assert "native" in told.out
    manifest = json.loads((here / "results/small/manifest.json").read_text())
    assert manifest["state"] == "incomplete"
    assert len(manifest["runs"]) == 5


def test_an_incomplete_result_does_not_replace_a_complete_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.model import run as model_run

    arguments = ["small.yaml", "--no-plots", "--quiet", "--workers", "1"]
    assert main(arguments) == 0
    before = (here / "results/small/summary.csv").read_bytes()
    real = model_run.simulate

    def stopped(scenario: Any, platform: Any, replication: int, **more: Any) -> Any:
        if replication == 1:
            raise KeyboardInterrupt
        return real(scenario, platform, replication, **more)

    monkeypatch.setattr(model_run, "simulate", stopped)
    assert main(arguments) == 130
    assert (here / "results/small/summary.csv").read_bytes() == before
    partial = json.loads((here / "results/small-partial/manifest.json").read_text())
    assert partial["interrupted"] is True
    assert len(partial["runs"]) == 2


def test_an_unexpected_error_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.experiment.replications import scenario as run

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the sky\nfalls")

    monkeypatch.setattr(run, "run_scenario", broken)
    assert main(["small.yaml"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "unexpected error: RuntimeError: the sky falls (HOSTSIM_DEBUG=1 shows the traceback)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "number", "code"), [("1", signal.SIGINT, 130), ("2", signal.SIGINT, 130), ("2", signal.SIGTERM, 143)]
)
def test_an_interrupted_run_keeps_what_finished(here: Path, workers: str, number: int, code: int) -> None:
    assert main(["small.yaml", "--no-plots", "--quiet", "--replications", "1", "--out", "warm"]) == 0  # compiled
    (here / "long.yaml").write_text(SMALL.replace("replications: 3", "replications: 6000"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(
        [sys.executable, "-m", "sim", "long.yaml", "--no-plots", "--workers", workers],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    wait_for_progress(child)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code, err
    assert "interrupted: " in err
    assert "Traceback" not in err
    manifest = json.loads((here / "results/small/manifest.json").read_text())
    assert 0 < len(manifest["runs"]) < 12000
    assert "native against container" in out


def test_a_reader_that_has_had_enough_is_no_failure(here: Path) -> None:
    """As in `… | head`: the pipe is closed before the table is written."""
    command = [sys.executable, "-m", "sim", "small.yaml", "--no-plots", "--quiet", "--out", "piped"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert (here / "piped" / "manifest.json").exists()


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_what_it_was_at_is_made_again(here: Path) -> None:
    assert main(["small.yaml", "--no-plots", "--quiet", "--replications", "1", "--out", "warm"]) == 0  # compiled
    (here / "long.yaml").write_text(SMALL.replace("replications: 3", "replications: 3000"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-m", "sim", "long.yaml", "--no-plots", "--workers", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    wait_for_progress(child)
    workers = descendants(child.pid)
    assert workers
    os.kill(max(workers), signal.SIGKILL)
    _, err = child.communicate(timeout=200)
    assert child.returncode == 0, err
    assert "Traceback" not in err
    assert len(json.loads((here / "results/small/manifest.json").read_text())["runs"]) == 6000


def wait_for_progress(child: subprocess.Popen[str]) -> None:
    """Until the first line of progress: some runs have finished, and the workers are there."""
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("small: "):
            return
    raise AssertionError("the command ended without any progress")


def descendants(pid: int) -> list[int]:
    """Process ids below `pid`, the workers last (they are started last)."""
    found: list[int] = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((task / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == pid:
            found += [int(task.name), *descendants(int(task.name))]
    return sorted(found)
