"""What a killed run left behind does not stop the next one of the same process number."""

from __future__ import annotations

from pathlib import Path

from sim.report.folder.writer import RunWriter
from sim.scenario import scenario_from_text

TEXT = """
host: {cores: 1, memory: 1GiB}
duration: 1s
platforms: [native]
services: {a: {size: {cpu: 1, memory: 1MiB}, request_cpu: 1ms}}
"""


def test_a_leftover_of_the_same_number_stays_and_does_not_stop_the_next_run(tmp_path: Path) -> None:
    scenario = scenario_from_text(TEXT)
    killed = RunWriter(tmp_path / "out", scenario)  # and never left
    with RunWriter(tmp_path / "out", scenario) as writer:
        assert writer.work != killed.work
        writer.write()
        writer.finish()
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert killed.work.is_dir()
