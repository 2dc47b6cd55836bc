"""Every notebook runs from a clean kernel, in the root of the project, in under a minute."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own machinery
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    began = time.monotonic()
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    assert time.monotonic() - began < 120  # a minute on a quiet machine
    assert any(cell.get("outputs") for cell in book.cells)


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == [
        "01-first-look.ipynb",
        "02-compare.ipynb",
        "03-sweep-and-sensitivity.ipynb",
        "04-vm-against-container.ipynb",
    ]
