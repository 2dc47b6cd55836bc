"""A page as one HTML file: nothing is fetched, nothing that is written in a scenario can become markup or code.

Words go through Jinja's escaping; data is JSON in blocks that no browser runs, with `<`, `>`, `&` as escapes; and only
the scripts whose digests stand in the page's Content-Security-Policy run, so that a script that somebody else wrote
into a name would not, even if it came through.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sim.report.page.document import Chart, Page
from sim.report.page.palette import tones
from sim.terms.doubts import UNMEASURED

ASSETS = "sim.report.page.assets"
LARGEST = 6 * 10**6
"""Bytes of a page, at most; the largest that hostsim makes is far below."""
SCRIPTS = ("charts.min.js", "page.js", "replay.js")


def html_of(page: Page) -> str:
    """The file's text."""
    scripts = [_asset(name) for name in SCRIPTS if name != "replay.js" or page.replay is not None]
    return str(
        _environment().get_template("page.html.j2").render(
            page=page,
            tones=tones(list(page.platforms)),
            style=_asset("page.css"),
            scripts=scripts,
            policy=policy(scripts),
            licences=_asset("LICENSES.txt"),
            charts={chart.name: _drawn(chart) for chart in page.charts},
            unmeasured=UNMEASURED,
            words={"wrong": "a number does not mean what its name says", "weak": "true, but thin", "note": "to know"},
        )
    )  # fmt: skip


def save_page(page: Page, path: Path) -> Path:
    """Write the page; the file is there when it is whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    try:
        aside.write_text(html_of(page), encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def policy(scripts: list[str]) -> str:
    """Nothing is loaded from anywhere; of scripts, only these run."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; connect-src 'none'; "
        "form-action 'none'; base-uri 'none'"
    )


def json_of(value: Any) -> str:
    """JSON that can stand in any element and attribute: no `<`, `>`, `&`, and no line ends that scripts do not know."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    for each in "<>&\u2028\u2029'":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text


def _drawn(chart: Chart) -> dict[str, Any]:
    others = [{"spec": spec, "data": data} for _, spec, data in chart.choices]
    return {"spec": chart.spec, "data": chart.data, "choices": others}


@cache
def _asset(name: str) -> str:
    text = (files(ASSETS) / name).read_text(encoding="utf-8")
    if name.endswith(".js") and "</script" in text.lower():
        raise ValueError(f"{name}: ends the element that it stands in")
    return text


@cache
def _environment() -> Any:
    """Jinja with escaping on, whatever the template's name."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["json"] = lambda value: Markup(json_of(value))
    made.filters["own"] = Markup  # our own files: styles and scripts
    return made
