"""The page of a result: what it says, that nothing in it can become code, and that it needs nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import sim
from page.conftest import EVIL, QUOTES, SMALL
from sim.cli import main
from sim.experiment.pages import page_of, page_of_several
from sim.report.folder.writer import ResultsError
from sim.report.page.html import LARGEST, SCRIPTS, html_of, json_of
from sim.report.page.palette import LEAST, channels, contrast, tones
from sim.report.page.sweep import axes_in
from sim.report.results import Results

AA = 4.5  # WCAG 2.2, 1.4.3: text to its ground
ASSETS = Path(__file__).parents[2] / "sim" / "report" / "page" / "assets"


class Seen(HTMLParser):
    """Elements with their attributes, and the text of those that have no markup in them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._open: dict[str, str | None] | None = None
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = dict(attrs) if tag == "script" else None
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._open, self._style = None, False

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.scripts.append((self._open, data))
        elif not self._style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(small: Path) -> Seen:
    return Seen(html_of(page_of(small)))


def test_the_answer_and_its_doubts_come_first_in_the_words_of_the_command_line(page: Seen, small: Path) -> None:
    results = Results(small)
    printed = " ".join(results.table().split())
    told = page_of(small)
    assert results.doubts
    for doubt in results.doubts:
        assert doubt.line in page.text
    for sentence in told.answer:
        assert sentence in page.text
        assert " ".join(sentence.split()[:6]) in printed
    assert page.text.index(results.doubts[0].text) < page.text.index(told.answer[0]) < page.text.index("Replay of the")


def test_every_part_is_there(page: Seen) -> None:
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {"answer", "table", "replay", "figures", "assumptions", "scenario", "again"} <= ids
    assert {"figure-focus", "figure-timeline", "figure-starts", "figure-tail", "figure-spent"} <= ids
    assert "vm: " in page.text
    assert "assumption" in page.text
    assert "seed: 3" in page.text  # the scenario's text
    assert "@software{hostsim" in page.text


def test_figures_have_words_and_tables_for_those_who_do_not_see_them(page: Seen) -> None:
    drawn = [attributes for attributes in page.of("div") if "data-chart" in attributes]
    assert len(drawn) == len(page.of("figure")) == len(page.of("figcaption")) >= 5
    assert all(each["role"] == "img" and len(each["aria-label"] or "") > 40 for each in drawn)
    assert len(page.of("caption")) == len(page.of("table"))
    assert {"header", "main", "footer", "nav"} <= {tag for tag, _ in page.elements}
    assert page.of("html") == [{"lang": "en"}]
    labelled = {each["for"] for each in page.of("label") if "for" in each}
    assert {each["id"] for each in page.of("input")} <= labelled


@pytest.mark.parametrize("which", ["small", "hostile"])
def test_what_is_written_in_a_result_is_never_markup_nor_code(which: str, request: pytest.FixtureRequest) -> None:
    seen = Seen(html_of(page_of(request.getfixturevalue(which))))
    assert not seen.of("img")
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on")]
    assert [text for attributes, text in seen.scripts if not attributes] == [
        (ASSETS / name).read_text("utf-8") for name in SCRIPTS
    ]
    assert EVIL in seen.text
    assert QUOTES in seen.text
    assert "{{ 7 * 7 }}" in seen.text
    for attributes, text in seen.scripts:
        if attributes.get("type") == "application/json":
            json.loads(text)
            assert "<" not in text


def test_only_the_pages_own_scripts_may_run_and_nothing_is_fetched(page: Seen) -> None:
    policy = next(each["content"] for each in page.of("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    own = [text for attributes, text in page.scripts if not attributes]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "poster", "data", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes


def test_json_in_a_page_ends_no_element_and_no_line() -> None:
    text = json_of({"</script>": "<!-- & ' \u2028 \u2029"})
    assert json.loads(text) == {"</script>": "<!-- & ' \u2028 \u2029"}
    assert not set("<>&'\u2028\u2029") & set(text)


def test_the_page_is_small_and_the_same_each_time(small: Path) -> None:
    one, two = (html_of(page_of(small)) for _ in range(2))
    assert one == two
    assert len(one.encode()) < LARGEST / 3


def test_the_manifest_in_the_page_makes_the_same_result(page: Seen, small: Path) -> None:
    from urllib.parse import unquote

    from sim.scenario import load_scenario

    link = next(each["href"] for each in page.of("a") if each.get("download") == "manifest.json")
    assert link is not None
    text = unquote(link.partition(",")[2])
    assert json.loads(text)["digest"] == json.loads((small / "manifest.json").read_text("utf-8"))["digest"]
    saved = small.parent / "again" / "manifest.json"
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(text, "utf-8")
    assert load_scenario(saved).digest == json.loads(text)["digest"]


KINDS = {
    "sweep": "at every point",
    "density": "The most at which all is well",
    "crossover": "Values that were run",
    "why": "Parts of the difference",
}


@pytest.mark.parametrize("study", KINDS)
def test_every_study_has_its_page(study: str, studies: dict[str, Path]) -> None:
    told = page_of(studies[study])
    seen = Seen(html_of(told))
    assert KINDS[study] in seen.text
    assert told.answer
    assert all(sentence in seen.text for sentence in told.answer)
    assert {"answer", "figures", "assumptions", "scenario", "again"} <= {at.get("id") for _, at in seen.elements}
    assert len(seen.of("figure")) >= 1
    assert told.manifest["scenario"]["name"] == "tiny"
    assert not [at for _, at in seen.elements if at.get("id") == "replay"]


def test_the_command_writes_beside_the_result_or_where_it_is_told(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(small), "-o", str(tmp_path / "in" / "page.html")]) == 0
    assert "small: run" in capsys.readouterr().out
    assert (tmp_path / "in" / "page.html").read_text("utf-8").startswith("<!doctype html>")
    assert main(["report", str(small)]) == 0
    assert (small / "report.html").is_file()
    (small / "report.html").unlink()


def test_what_is_no_result_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ResultsError, match="no finished result"):
        page_of(tmp_path)
    (tmp_path / "density.json").write_text("[1", "utf-8")
    assert main(["report", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert main(["report", str(tmp_path), str(tmp_path)]) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["density.json"]


SCHEMES = {"light": 0, "dark": 1}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_can_be_read_in_both_schemes(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", (ASSETS / "page.css").read_text("utf-8"), re.DOTALL)
    known = {name: value for block in blocks[: SCHEMES[scheme] + 1]
             for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)}  # fmt: skip
    pairs = [
        ("ink", "ground"), ("dim", "ground"), ("link", "ground"), ("good", "ground"), ("warn", "ground"),
        ("ink", "raised"),
        ("ink", "bad-ground"), ("ink", "warn-ground"), ("ink", "note-ground"), ("bad", "bad-ground"),
        ("warn", "warn-ground"), ("dim", "raised"),
    ]  # fmt: skip
    weak = {pair: round(contrast(*(channels(known[each]) for each in pair)), 2) for pair in pairs}
    assert not {pair: found for pair, found in weak.items() if found < AA}
    drawn = {each: contrast(channels(known[each]), channels(known["ground"])) for each in ("faint", "focus", "bad")}
    assert not {each: found for each, found in drawn.items() if found < LEAST}


def test_platforms_can_be_told_from_the_ground_and_from_one_another_without_colour() -> None:
    names = ["vm", "microvm", "container", "container-in-vm", "kata", "gvisor", "native", "a", "b"]
    found = tones(names)
    assert all(contrast(channels(tone.light), (255, 255, 255)) >= LEAST for tone in found)
    assert all(contrast(channels(tone.dark), (24, 27, 33)) >= LEAST for tone in found)
    assert len({(tone.shape, tone.dash) for tone in found}) == len(names)
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21.0)


def test_axes_of_a_sample_are_told_apart_and_joint_ones_are_one() -> None:
    values = {"a": [0.1, 0.7, 0.3], "a2": [1.0, 7.0, 3.0], "b": [5.0, 4.0, 6.0], "c": [2, 2, 2], "d": ["x", "y", "x"]}
    rest = {name: ["r"] * 3 for name in ("platform", "service", "metric", "unit", "error", "run")}
    table = pd.DataFrame({"point": [0, 1, 2], **values, **rest, "replication": 0, "value": 1.0})
    assert axes_in(table) == ["a", "b", "d"]


def test_starts_of_all_platforms_have_one_scale(small: Path) -> None:
    (starts,) = (chart for chart in page_of(small).charts if chart.name == "starts")
    assert len(starts.spec["vconcat"]) == 2
    assert starts.spec["resolve"]["scale"]["x"] == "shared"
    assert not any("domain" in panel["encoding"]["x"]["scale"] for panel in starts.spec["vconcat"])


def test_several_results_are_made_again_one_by_one_and_all_are_cited(small: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    sim.run({**SMALL, "name": "other", "duration": "20s", "faults": []}, workers=1, out=other, plots=False)
    told = page_of_several([small, other])
    assert not told.manifest  # the joined one is no scenario
    assert [line.split()[3] for line in told.again] == ["reproduce", "reproduce", "compare"]
    assert all(f"Scenario {name}, SHA-256 " in told.cite[0] for name in ("small", "other"))
    assert len(told.sources) == len(told.platforms) == 4
    assert all(each.rows for each in told.sources)


@pytest.mark.parametrize("study", ["density", "crossover", "why"])
def test_what_a_page_says_of_making_it_again_can_be_run(study: str, studies: dict[str, Path], tmp_path: Path) -> None:
    told = page_of(studies[study])
    (tmp_path / "manifest.json").write_text(json.dumps(told.manifest), "utf-8")
    files = {"manifest.json": str(tmp_path / "manifest.json"), "FILE": str(studies[study].parent / "tiny.json")}
    short = ["--workers", "1", "--quiet", "--no-plots"]
    for number, line in enumerate(line for line in told.again if not line.startswith("#")):
        program, arguments = shlex.split(line)[:3], shlex.split(line)[3:]
        assert program == ["python", "-m", "sim"]
        named = [files.get(each, each) for each in arguments]
        assert main([*named, *short, "--out", str(tmp_path / str(number))]) == 0
