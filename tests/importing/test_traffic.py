"""Recorded requests become a recording: as many, at their times; what is none is told with its row."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from sim.cli import main
from sim.imports.draft import Load
from sim.imports.traffic.formats import read_traffic
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario

LINE = '10.0.0.1 - - [10/Oct/2024:13:55:{:02d} +0200] "GET /a\\"b HTTP/1.1" 200 {} "-" "curl"\n'
COMMON = '::1 - me [10/Oct/2024:13:55:{:02d} +0200] "GET / HTTP/1.1" 200 {}\n'
NGINX = '{{"time_iso8601":"2024-10-10T13:55:{:02d}+02:00","body_bytes_sent":"{}","request_time":"0.250"}}\n'
CADDY = (
    '{{"ts":1728561336.{},"logger":"http.log.access.log0","msg":"handled request","request":{{"host":"a"}},'
    '"duration":0.5,"size":100,"status":200}}\n'
)
TRAEFIK = '{{"StartUTC":"2024-10-10T11:55:36.{}Z","Duration":20000000,"DownstreamContentSize":7,"ServiceName":"web"}}\n'
K6 = "metric_name,timestamp,metric_value,check\nhttp_reqs,1728561336,1,\n"
K6_JSON = (
    '{"type":"Metric","data":{"name":"http_reqs"},"metric":"http_reqs"}\n'
    '{"metric":"http_reqs","type":"Point","data":{"time":"2024-10-10T11:55:36.9Z","value":1}}\n'
    '{"metric":"http_req_duration","type":"Point","data":{"time":"2024-10-10T11:55:36.9Z","value":400,"tags":{}}}\n'
    '{"metric":"http_req_duration","type":"Point","data":{"time":"2024-10-10T11:55:37Z","value":250,"tags":{}}}\n'
)
HISTORY = "Timestamp,User Count,Type,Name,Requests/s,Total Request Count,Total Failure Count\n"
STATS = "Type,Name,Request Count,Failure Count,Average Content Size,Requests/s,50%,95%,99%\n"
MINUTES = ",".join(map(str, range(1, 1441)))


def load_of(folder: Path, text: str, form: str = "", name: str = "log", window: float | None = None) -> Load:
    file = folder / name
    file.write_text(text, "utf-8")
    return read_traffic(f"{file}:{form}" if form else str(file), window)


def times_of(load: Load, service: str = "") -> list[float]:
    return [float(line) for line in load.recordings[service].splitlines()[1:]]


@pytest.mark.parametrize("line", [LINE, COMMON])
def test_requests_keep_their_seconds_and_their_number(line: str, tmp_path: Path) -> None:
    text = "".join(line.format(*each) for each in [(36, 100), (36, 300), (38, "-"), (37, 200)])
    load = load_of(tmp_path, text)
    assert (load.recordings, load.requests, load.seconds, load.answer_bytes) == (
        {"": "time\n0.250000\n0.750000\n1.500000\n2.500000\n"}, 4, 3.0, 200.0,
    )  # fmt: skip


# (what is in the file, its format, arrivals in s after the first or the begin of its second, median duration)
KNOWN = [
    (NGINX.format(36, 1) + NGINX.format(38, 1), "json", [0.5, 2.5], 0.25),
    (CADDY.format(50) + CADDY.format(75), "json", [0.0, 0.25], 0.5),
    ('{"timestamp": 1728561336123, "latency_ms": 20}\n{"timestamp": 1728561337623, "latency_ms": 20}\n', "json",
     [0, 1.5], 0.02),
    ("time\n0.5\n2\n\n1\n", "csv", [0.0, 0.5, 1.5], None),
    ("0.5\n1.25\n", "csv", [0.0, 0.75], None),
    ("TIMESTAMP,Tokens\n2023-11-16 18:17:03.9799600,48\n2023-11-16 18:17:04.0319600,3\n", "csv", [0.0, 0.052], None),
    ("start;duration_ms\n1.5;10\n1.75;30\n", "csv", [0.0, 0.25], 0.02),
    ("app,func,end_timestamp,duration\na,f,10.5,0.25\na,f,11,0.5\n", "csv", None, 0.375),
    (K6 + "http_req_duration,1728561336,250,\nhttp_req_duration,1728561338,350,\n", "k6-csv", [0.5, 2.5], 0.3),
    (K6_JSON, "k6-json", [0.0, 0.25], 0.325),
]  # fmt: skip


@pytest.mark.parametrize(("text", "form", "times", "duration"), KNOWN)
def test_each_format_is_found_from_its_head(
    text: str, form: str, times: list[float] | None, duration: float | None, tmp_path: Path
) -> None:
    load = load_of(tmp_path, text)
    assert f"taken for {form} " in "\n".join(load.notes)
    if times is not None:
        assert times_of(load) == pytest.approx(times, abs=2e-6)
    assert load.duration == pytest.approx(duration)
    assert load_of(tmp_path, text, form).recordings == load.recordings


def test_an_answer_s_time_less_its_duration_is_its_arrival(tmp_path: Path) -> None:
    text = "func,end_timestamp,duration\na,10.5,0.25\nb,11,0.5\na,12,0\n"
    load = load_of(tmp_path, text)
    assert times_of(load, "a") == pytest.approx([0.0, 1.75])  # at 10.25 and 12
    assert times_of(load, "b") == pytest.approx([0.25])


def test_parquet_and_packed_logs_are_read(tmp_path: Path) -> None:
    moments = [datetime(2024, 10, 10, 11, 55, 36, 500_000, UTC), datetime(2024, 10, 10, 11, 55, 37, tzinfo=UTC)]
    parquet.write_table(
        pa.table({"service": ["web", "api"], "ts": moments, "latency_ms": [1, 2]}), tmp_path / "x.parquet"
    )
    load = read_traffic(str(tmp_path / "x.parquet"))
    assert (times_of(load, "web"), times_of(load, "api"), load.duration) == ([0.0], [0.5], 0.0015)
    (tmp_path / "log.gz").write_bytes(gzip.compress(LINE.format(36, 1).encode()))
    assert read_traffic(str(tmp_path / "log.gz")).requests == 1


def test_counts_are_drawn_within_their_intervals(tmp_path: Path) -> None:
    load = load_of(tmp_path, "minute,count\n0,3000\n1,0\n2,1000\n")
    times = np.array(times_of(load))
    assert (np.sum(times < 60), np.sum((times >= 60) & (times < 120)), np.sum(times >= 120)) == (3000, 0, 1000)
    # uniform on [0, 60): mean 30, standard error 60 / sqrt(12 x 3000) = 0.316
    assert times[times < 60].mean() == pytest.approx(30.0, abs=4 * 0.316)
    rates = load_of(tmp_path, "time,rps\n100,5\n110,10\n", name="b.csv")
    assert rates.counts == {"": 150}
    history = load_of(
        tmp_path, f"{HISTORY}10,1,,Aggregated,1,2,0\n11,1,GET,/,1,9,0\n11,1,,Aggregated,1,5,0\n", name="h.csv"
    )
    assert history.counts == {"": 5}
    assert np.sum(np.array(times_of(history)) < 1) == 2


def test_azure_counts_are_summed_or_picked_by_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, first: int, last: int) -> str:
        return f"own{name},app{name},fun{name},http,{first}{',0' * 1438},{last}\n"

    text = f"HashOwner,HashApp,HashFunction,Trigger,{MINUTES}\n" + row("a", 3, 4) + row("b", 5, 0)
    load = load_of(tmp_path, text)
    times = np.array(times_of(load))
    assert (np.sum(times < 60), np.sum(times >= 1439 * 60), times.size) == (8, 4, 12)
    assert load_of(tmp_path, text, "azure:appa").requests == 7
    monkeypatch.setattr("sim.imports.traffic.rows.MOST", 1000)
    busy = load_of(tmp_path, text.replace("http,5,0", "http,5,990").replace(",4\n", ",900\n"), window=60.0)
    assert busy.requests == pytest.approx(990, rel=0.05)
    with pytest.raises(ScenarioError, match="no row with 'zzz'"):
        load_of(tmp_path, text, "azure:zzz")
    with pytest.raises(ScenarioError, match=r"log:3:1: 1: found 1.5; allowed: a whole number"):
        load_of(tmp_path, text.replace("http,5", "http,1.5"))


def test_locust_s_means_are_a_constant_rate(tmp_path: Path) -> None:
    load = load_of(tmp_path, f"{STATS}GET,/,5,0,10,1.0,1,2,3\n,Aggregated,900,0,512.5,15.5,20,40,90\n")
    assert (load.rate, load.answer_bytes, load.recordings) == (15.5, 512.5, {})
    assert "99% 90 ms" in "\n".join(load.notes)


def test_of_a_long_log_the_busiest_window_is_taken(tmp_path: Path) -> None:
    load = load_of(tmp_path, "time\n0\n10\n10.5\n11\n30\n", window=2.0)
    assert times_of(load) == [0.0, 0.5, 1.0]
    assert "of 5 requests in 30 s, the busiest 2 s: from 10 s on" in "\n".join(load.notes)


# (text, format, what is told)
HOSTILE = [
    ("hello\n", "combined", ":1:1: found 'hello'; allowed: a line of a combined log"),
    ("", "", "found an empty file; allowed: a known format (combined"),
    ("", "combined", "found no request"),
    ("hello\n", "", "found 'hello'; allowed: a known format"),
    ("\x00\x01\x02\n", "", "allowed: a known format"),
    (LINE.format(36, 1) + LINE.format(99, 1), "", ":2:1: found"),
    (LINE.format(36, 1), "combind", "--traffic: found the format 'combind'; allowed: one of combined"),
    ("time\n1\nx\n3\n-4\n", "", ":3:1: time: found 'x'; allowed: a time"),
    ("time,duration\n1,fast\n", "", ":2:1: duration: found 'fast'; allowed: a duration"),
    ("time,duration\n1,2\n2\n", "", ":3:1: found nothing in 1 of 2 columns"),
    ("a,b\n1,2\n", "", ":1:1: found the columns a, b; allowed: a header with a column of times"),
    ("time,count\n0,many\n", "", ":2:1: count: found 'many'; allowed: a number of requests"),
    ("time,count\n0,1e9\n", "", "allowed: at most 3,000,000: --window 10min takes the busiest"),
    ('{"time": 1}\n{"a": 5}\n', "", ":2:1: found a mapping (a); allowed: an object with a time"),
    ('{"time": 1}\n{"time": \n', "", ":2:1: found '{\"time\": '; allowed: a JSON object"),
    ('{"time": "soon"}\n', "", ":1:1: time: found 'soon'"),
    (K6, "", "found no request"),
    (K6 + "http_req_duration,now,1,\n", "", ":3:1: timestamp: found 'now'"),
    ("a,b\n", "k6-csv", ":1:1: found no column metric_name, timestamp, metric_value; allowed: the header of k6-csv"),
    (f"{HISTORY}10,1,,Aggregated,1,5,0\n11,1,,Aggregated,1,3,0\n", "", ":3:1: Total Request Count: found 3"),
    (f"{STATS}GET,/,5,0,10,1.0,1,2,3\n", "", "found no row Aggregated"),
    ("PAR1garbage", "", "allowed: a Parquet file"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "form", "told"), HOSTILE)
def test_what_is_no_recording_is_refused_with_its_row(text: str, form: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        load_of(tmp_path, text, form)
    assert told in str(refused.value)


def test_of_many_bad_rows_a_few_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as refused:
        load_of(tmp_path, "time\n" + "x\n" * 50)
    assert len(refused.value.problems) == 6
    assert "45 more rows" in str(refused.value)
    for path in (tmp_path, tmp_path / "none.log"):
        with pytest.raises(ScenarioError, match=r"a folder|no such file"):
            read_traffic(str(path))


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
    assert "is there already" in capsys.readouterr().err
    assert main(["init", "compose", str(tmp_path / "c.yaml"), "--window", "9s"]) == 2
    assert "--traffic FILE" in capsys.readouterr().err


def test_rows_that_name_services_come_to_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("services: {web: {image: a, links: [api_v2]}, api_v2: {image: b}}", "utf-8")
    (tmp_path / "t.csv").write_text("time,service\n0,web\n1.5,api_v2\n2,web\n3,other\n", "utf-8")
    out = tmp_path / "s.yaml"
    assert main(["init", "compose", f"{tmp_path}/c.yaml", "--traffic", f"{tmp_path}/t.csv", "-o", str(out)]) == 0
    assert "1 requests of services that are not here, left out: other" in capsys.readouterr().err
    services = load_scenario(out, checks=CHECKS).services
    assert {name: len(each.traffic) for name, each in services.items()} == {"web": 1, "api-v2": 1}
    assert (tmp_path / "s-traffic-api-v2.csv").read_text() == "time\n1.500000\n"
    bad = tmp_path / "bad.yaml"
    (tmp_path / "t.csv").write_text("time,service\n0,web\nlater,web\n", "utf-8")
    assert main(["init", "compose", f"{tmp_path}/c.yaml", "--traffic", f"{tmp_path}/t.csv", "-o", str(bad)]) == 2
    assert ":3:1: time: found 'later'" in capsys.readouterr().err
    assert not bad.exists()
