"""Access logs: nginx's and Apache's lines, and one JSON object a line (nginx, Caddy, Traefik, others)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sim.imports.traffic.moments import moment, span
from sim.imports.traffic.rows import Rows

LINE: Final = re.compile(r'\S+ \S+ \S.*? \[([^\]]+)\] "(?:[^"\\]|\\.)*" (\d{3}) (\d+|-)')
# Keys of the logs' own documentation: nginx's variables, Caddy's http.log.access, Traefik's accesslog fields.
TIMES: Final = (
    "StartUTC", "msec", "time_iso8601", "ts", "timestamp", "@timestamp", "time", "time_local", "start", "date",
    "datetime", "start_time", "startTime", "arrival", "arrival_time",
)  # fmt: skip
_STEMS: Final = ("duration", "latency", "response_time", "elapsed")
_UNITS: Final = {"_s": 1.0, "_ms": 1e-3, "_us": 1e-6, "_ns": 1e-9}
DURATIONS: Final = {  # in s
    "Duration": 1e-9, "request_time": 1.0, **dict.fromkeys(_STEMS, 1.0), "upstream_response_time": 1.0,
    **{f"{stem}{unit}": scale for stem in _STEMS for unit, scale in _UNITS.items()},
}  # fmt: skip
SIZES: Final = ("body_bytes_sent", "bytes_sent", "size", "DownstreamContentSize", "bytes", "response_size")
SERVICES: Final = ("service", "service_name", "serviceName", "ServiceName", "app", "function", "func", "server_name")
_ENDS: Final = ("msec", "time_iso8601", "time_local", "ts", "time", "timestamp", "@timestamp")  # of the answer


def read_lines(lines: Iterable[str], rows: Rows) -> None:
    """Lines of a combined or common log."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = LINE.match(line)
        try:
            time = moment(found[1]) if found else None
        except ValueError:
            time = None
        if found is None or time is None:
            rows.bad(number, "", line.rstrip("\n")[:80], f"a line of a {rows.form} log")
            continue
        rows.add(time, size=None if found[3] == "-" else float(found[3]))


def read_json(lines: Iterable[str], rows: Rows) -> None:
    """One object a line. What is no request's line (Caddy's other loggers, no time) is refused."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                rows.bad(number, "", line.rstrip("\n")[:80], "a JSON object, one a line")
                continue
            _object(found, number, rows)


def _object(found: Mapping[str, Any], number: int, rows: Rows) -> None:
    if str(found.get("logger", "")).startswith(("http.log.error", "admin", "tls")) or found.get("type") == "Metric":
        return
    key = next((each for each in TIMES if found.get(each) not in (None, "")), None)
    if key is None:
        rows.bad(number, "", found, f"an object with a time, one of {', '.join(TIMES)}")
        return
    long = next((each for each in DURATIONS if found.get(each) not in (None, "", "-")), None)
    size = next((each for each in SIZES if found.get(each) not in (None, "", "-")), None)
    try:
        time = moment(found[key])
        at = long
        duration = span(found[long], DURATIONS[long]) if long else None
        at = size
        length = span(found[size]) if size else None
    except ValueError as wrong:
        column = key if "time" in str(wrong) and str(wrong).startswith("a time") else str(at)
        rows.bad(number, column, found[column], str(wrong))
        return
    rows.ends = rows.ends or (key in _ENDS and long is not None)
    service = next((str(found[each]) for each in SERVICES if found.get(each)), "")
    rows.add(time, service, duration, length)
