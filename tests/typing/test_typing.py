"""The types that users get: `mypy --strict` on small scripts that know nothing but `import sim`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLIENTS = sorted(path.name for path in HERE.glob("client*.py"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What mypy says of all clients, as a user has it: none of this project's settings, nothing told of sim itself."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--no-pretty"]
    done = subprocess.run(
        [*command, "--cache-dir", str(ROOT / ".mypy_cache" / "typing"), *CLIENTS],
        cwd=HERE, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_script_has_the_types_that_it_needs_and_no_others(told: list[str], name: str) -> None:
    lines = (HERE / name).read_text("utf-8").splitlines()
    wanted = {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}
    about = [line for line in told if line.startswith(f"{name}:") and ": error: " in line]
    found = {int(line.split(":")[1]) for line in about}
    assert found == wanted, "\n".join(about)


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "sim" / "py.typed").is_file()
