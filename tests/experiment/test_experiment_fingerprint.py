"""What a sweep's results depend on is known: any change of it gives another fingerprint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from sim.experiment.sweep import fingerprint
from sim.experiment.sweep.fingerprint import PACKAGE, _own_fingerprint, code_fingerprint


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "sim"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    _own_fingerprint.cache_clear()


def fresh(folder: Path) -> str:
    _own_fingerprint.cache_clear()
    return code_fingerprint(folder)


def test_a_copy_elsewhere_has_the_same_fingerprint(copy: Path) -> None:
    assert fresh(copy) == fresh(PACKAGE)


def test_the_rule_that_finds_the_transient_counts(copy: Path) -> None:
    before = fresh(copy)
    file = next(copy.rglob("transient.py"))
    text = file.read_text()
    assert "MSER_BATCH = 5" in text
    file.write_text(text.replace("MSER_BATCH = 5", "MSER_BATCH = 7"))
    assert fresh(copy) != before


def test_a_moved_file_still_counts(copy: Path) -> None:
    new = copy / "experiment" / "far" / "away"
    new.mkdir(parents=True)
    moved = Path(shutil.move(next(copy.rglob("runner.py")), new))
    before = fresh(copy)
    moved.write_text(moved.read_text() + "\nX = 1\n")
    assert fresh(copy) != before


def test_the_data_of_platforms_counts(copy: Path) -> None:
    before = fresh(copy)
    data = next(copy.rglob("vm.yaml"))
    data.write_text(data.read_text() + "\n# newer\n")
    assert fresh(copy) != before


def test_the_command_line_and_compiled_python_do_not_count(copy: Path) -> None:
    before = fresh(copy)
    (copy / "cli" / "new.py").write_text("x = 1\n")
    (copy / "engine" / "__pycache__").mkdir()
    (copy / "engine" / "__pycache__" / "kernel.pyc").write_bytes(b"x")
    assert fresh(copy) == before


def test_what_is_left_out_must_be_there(copy: Path) -> None:
    (copy / "cli").rename(copy / "terminal")
    with pytest.raises(FileNotFoundError, match="cli"):
        fresh(copy)


def test_another_version_of_a_plug_in_is_another_fingerprint(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {fresh(copy)}
    for number in ("1", "2"):
        package = copy.parent / number / f"added-{number}.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: added\nVersion: {number}\n")
        (package / "entry_points.txt").write_text("[hostsim.autoscalers]\nmine = added:Mine\n")
        with monkeypatch.context() as patched:
            patched.syspath_prepend(str(package.parent))
            seen.add(fresh(copy))
    assert len(seen) == 3


@pytest.mark.parametrize("library", ["numpy", "numba", "pandas", "pyarrow", "simpy"])
def test_another_version_of_a_library_is_another_fingerprint(
    copy: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fresh(copy)
    monkeypatch.setattr(fingerprint, "version", lambda name: "0.0.1" if name == library else metadata.version(name))
    assert fresh(copy) != before
