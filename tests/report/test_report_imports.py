"""`import sim.report` must stay cheap; running and writing must not load what only plots need."""

import subprocess
import sys

import pytest

import sim.report

HEAVY = ("pandas", "matplotlib", "scipy", "rich", "pyarrow", "numpy")


def loaded(code: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(told.stdout.split())


def test_importing_the_room_loads_nothing_heavy() -> None:
    assert not loaded("import sim.report") & set(HEAVY)


def test_what_a_worker_needs_does_not_load_pandas_or_matplotlib() -> None:
    names = "sim.report.folder.tables, sim.report.folder.parts, sim.report.folder.writer, sim.report.text.terminal"
    assert not loaded(f"import {names}") & {
        "pandas",
        "matplotlib",
        "scipy",
    }


def test_every_public_name_is_there() -> None:
    for name in dir(sim.report):
        assert getattr(sim.report, name) is not None
    assert callable(sim.report.load_results)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sim.report.nothing
