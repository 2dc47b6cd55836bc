"""The examples in docstrings of sim give what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "sim").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # examples name files as a user does who has just cloned the project
    module = importlib.import_module(name)
    runner, said = doctest.DocTestRunner(optionflags=FLAGS), list[str]()
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=said.append)
    assert runner.tries, "an example is there, but not in a docstring of something public"
    assert not runner.failures, "".join(said)


def test_units_distributions_intervals_and_the_public_names_have_examples() -> None:
    assert "sim" in MODULES
    assert all(subject in " ".join(MODULES) for subject in ("units", "distribution", "statistics"))
