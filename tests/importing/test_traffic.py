"""An access log becomes a recording: as many requests, in their seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cli import main
from sim.imports.traffic import read_log
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario

LINE = '10.0.0.1 - - [10/Oct/2024:13:55:{:02d} +0200] "GET /a\\"b HTTP/1.1" 200 {} "-" "curl"\n'


def test_requests_keep_their_seconds_and_their_number(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(LINE.format(*each) for each in [(36, 100), (36, 300), (38, "-"), (37, 200)]), "utf-8")
    load = read_log(f"{log}:combined")
    assert (load.csv, load.requests, load.seconds, load.answer_bytes) == (
        "time\n0.250000\n0.750000\n1.500000\n2.500000\n", 4, 3.0, 200.0,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "told"), [("hello\n", ":1:1: found 'hello'"), ("", "no request"),
                                            (LINE.format(36, 1) + LINE.format(99, 1), ":2:1: found")])  # fmt: skip
def test_what_is_no_log_is_refused(text: str, told: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(text, "utf-8")
    with pytest.raises(ScenarioError) as refused:
        read_log(f"{log}:combined")
    assert told in str(refused.value)


def test_a_compose_file_and_a_log_make_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("services: {web: {image: nginx, ports: ['80:80']}}", "utf-8")
    (tmp_path / "access.log").write_text(LINE.format(36, 10) * 3, "utf-8")
    out = tmp_path / "shop.yaml"
    words = [
        "init",
        "compose",
        str(tmp_path / "c.yaml"),
        "--traffic",
        f"{tmp_path}/access.log:combined",
        "-o",
        str(out),
    ]
    assert main(words) == 0
    assert "3 requests in 1 s" in capsys.readouterr().err
    service = load_scenario(out, checks=CHECKS).services["web"]
    assert service.traffic[0].path == tmp_path / "shop-traffic.csv"  # type: ignore[attr-defined]
    assert main(words) == 2
