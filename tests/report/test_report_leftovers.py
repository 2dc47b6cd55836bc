"""What a killed run left behind does not stop the next one of the same process number."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from sim.report.folder.writer import RunWriter
from sim.scenario import scenario_from_text

TEXT = """
host: {cores: 1, memory: 1GiB}
duration: 1s
platforms: [native]
services: {a: {size: {cpu: 1, memory: 1MiB}, request_cpu: 1ms}}
"""


def test_a_leftover_of_the_same_number_does_not_stop_the_next_run_and_goes(tmp_path: Path) -> None:
    scenario = scenario_from_text(TEXT)
    killed = tmp_path / f".out.partial-{platform.node()}-{os.getpid()}"
    killed.mkdir()
    elsewhere = tmp_path / ".out.partial-another-machine-1"
    elsewhere.mkdir()
    with RunWriter(tmp_path / "out", scenario) as writer:
        writer.write()
        writer.finish()
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert not killed.exists()
    assert elsewhere.is_dir()
