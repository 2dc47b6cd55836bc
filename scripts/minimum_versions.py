#!/usr/bin/env python3
"""Are the lower bounds in pyproject.toml true? Install exactly them, and run the main job and the agreement test.

    python scripts/minimum_versions.py [FOLDER]    # FOLDER: where to make the environment (default: a temporary one)

Needs a Python that the oldest of them have wheels for: 3.11 or 3.12. Libraries that those depend on are as new as they
allow. Warnings of old libraries are not errors here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("pytest", "hypothesis")
"""Of the development tools, what the agreement test needs."""


def lower_bounds() -> list[str]:
    """`name==version` for all that hostsim needs, and for `TESTS`. Raises ValueError for one without a lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    tools = [each for each in project["optional-dependencies"]["dev"] if each.partition(">=")[0] in TESTS]
    pins = []
    for each in [*project["dependencies"], *tools]:
        bound = re.fullmatch(r"([\w.-]+)>=([\w.]+)", each)
        if bound is None:
            raise ValueError(f"pyproject.toml: no lower bound in {each!r}")
        pins.append("==".join(bound.groups()))
    return pins


def main() -> None:
    """Make the environment, run both; ends with the exit code of the first that fails."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        sys.exit("the lower bounds have wheels for Python 3.11 and 3.12 only: use one of them")
    with tempfile.TemporaryDirectory(prefix="hostsim-minimum-") as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve()
        venv.create(folder, with_pip=True, clear=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        environment = {**clean, "PYTHONPATH": str(ROOT), "HOSTSIM_CACHE": str(folder / "kernel")}
        out = folder / "burst"
        for command in (
            ["-m", "pip", "install", "-q", "--disable-pip-version-check", *lower_bounds()],
            ["-m", "sim", "scenarios/burst.yaml", "--quiet", "--out", str(out)],
            ["-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider", "tests/test_agreement.py"],
        ):
            print("$ python", *command, flush=True)
            done = subprocess.run([python, *command], cwd=ROOT, env=environment, check=False)
            if done.returncode:
                sys.exit(done.returncode)


if __name__ == "__main__":
    main()
