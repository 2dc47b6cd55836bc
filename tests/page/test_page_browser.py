"""The pages in a real browser: they draw, move, can be used by keyboard, and ask nobody for anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from browser import Browser, browser, missing
from sim.experiment.pages import page_of
from sim.report.page.html import LARGEST, save_page
from sim.report.page.replay import DOWN, SAMPLED, SERVING, STARTING, STATES, THROTTLED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing()), reason=f"not here: {', '.join(missing())} (Debian: apt-get install chromium chromium-driver)"
    ),
]
RIGHT, TAB, END, HOME = "\ue014", "\ue004", "\ue010", "\ue011"
DRAWN = "document.documentElement.dataset.figures"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def pages(
    small: Path, hostile: Path, studies: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pages")
    folders = {"run": small, "hostile": hostile, **studies}
    made = {name: save_page(page_of(folder), root / f"{name}.html") for name, folder in folders.items()}
    own = page_of(small)
    for guests in (1, 500):
        made[f"guests-{guests}"] = save_page(replace(own, replay=crowd(guests)), root / f"guests-{guests}.html")
    return made


def crowd(guests: int) -> dict[str, Any]:
    """A replay of so many guests: all are asked for at 0, ready one after the other, and fall at 50 s."""
    times = [0.0] * guests + [1 + at / guests for at in range(guests)] + [50.0] * guests
    changes = {
        "time": times, "place": [*range(guests)] * 3,
        "state": [STARTING] * guests + [SERVING] * guests + [DOWN] * guests,
        "guest": [*range(guests)] * 3, "why": [""] * 3 * guests,
    }  # fmt: skip
    samples = {name: [1, 2] for name in SAMPLED} | {"time": [0, 100], "throttled": [0, guests / 2]}
    host = {
        "platform": "many", "var": "--p0", "places": guests, "hidden": 0, "guests": [f"g-{at}" for at in range(guests)],
        "services": ["s"] * guests, "changes": changes, "told": {"time": [50.0], "what": ["fault kernel-panic"]},
        "samples": {"capacity": {"cpu": 4, "memory": 2**33}, **samples},
    }  # fmt: skip
    told = {"end": 100.0, "step": 100.0, "replication": 1, "states": STATES, "throttled": THROTTLED}
    return {**told, "hosts": [host, {**host, "platform": "other"}]}


def tiles(chromium: Browser, state: str, host: int = 0) -> int:
    found: int = chromium.run(
        f"return document.querySelectorAll('.host')[{host}].querySelectorAll('.tile.{state}').length"
    )
    return found


def move_to(chromium: Browser, position: int) -> None:
    chromium.run(
        "const s = document.getElementById('slider'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))",
        position,
    )


@pytest.mark.parametrize("name", ["run", "hostile", "sweep", "density", "crossover", "why"])
def test_a_page_draws_and_asks_nobody(name: str, chromium: Browser, pages: dict[str, Path]) -> None:
    path = pages[name]
    assert path.stat().st_size < LARGEST / 2
    chromium.look(1280, 900, prefers_color_scheme="light")
    chromium.open(path)
    chromium.until(DRAWN)
    first = _seen(chromium, 1280)
    assert first["ground"] == "rgb(255, 255, 255)"
    chromium.look(360, 800, prefers_color_scheme="dark")
    chromium.until(f"[...document.querySelectorAll('.chart')].every(e => Number(e.dataset.drawn) < {320})")
    assert _seen(chromium, 360)["ground"] != first["ground"]
    assert chromium.console() == []
    assert [each for each in chromium.requests() if not each.startswith("data:")] == [path.resolve().as_uri()]
    got = "performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'))"
    assert chromium.run(f"return {got}.length") == 0


def _seen(chromium: Browser, width: int) -> dict[str, Any]:
    """What every page has at every width: figures with marks, and nothing wider than the window."""
    found: dict[str, Any] = chromium.run("""return {
        marks: [...document.querySelectorAll('.chart')].map(e => e.querySelectorAll('svg path').length),
        wide: document.documentElement.scrollWidth,
        ground: getComputedStyle(document.body).backgroundColor}""")
    assert found["marks"]
    assert all(count > 10 for count in found["marks"]), found
    assert found["wide"] <= width
    return found


def test_a_script_that_is_not_the_pages_own_does_not_run(chromium: Browser, pages: dict[str, Path]) -> None:
    """Even if it came through: the page's policy has the digests of its own."""
    chromium.open(pages["hostile"])
    chromium.until(DRAWN)
    assert chromium.console() == []
    chromium.run(
        "const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s)"
    )
    chromium.run("const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'")
    chromium.run("window.went = 0; fetch('http://127.0.0.1:9/').catch(() => { window.went = 1 })")
    chromium.until("window.went")
    assert chromium.run("return window.bad") is None
    assert any("Content Security Policy" in each["message"] for each in chromium.console())


def test_the_slider_moves_the_host(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1280, 900)
    chromium.open(pages["run"])
    chromium.until(DRAWN)
    assert (tiles(chromium, "starting", 0), tiles(chromium, "serving", 0)) == (3, 0)
    move_to(chromium, 1000)
    assert [tiles(chromium, "serving", host) for host in (0, 1)] == [3, 0]  # the containers' host still reboots
    assert tiles(chromium, "down", 1) == 3
    assert chromium.run("return document.getElementById('clock').textContent") == "1:00.00"
    move_to(chromium, 0)
    assert (tiles(chromium, "starting", 1), tiles(chromium, "down", 1)) == (3, 0)
    chromium.run("document.getElementById('next').click()")
    first = chromium.run("return document.getElementById('clock').textContent")
    assert first != "0:00.00"
    assert tiles(chromium, "serving", 0) + tiles(chromium, "serving", 1) == 1
    chromium.run("document.getElementById('back').click()")
    assert chromium.run("return document.getElementById('clock').textContent") == "0:00.00"
    assert chromium.console() == []


def test_the_keyboard_is_enough(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1280, 900)
    chromium.open(pages["run"])
    chromium.until(DRAWN)
    chromium.keys(TAB)
    assert chromium.run("return document.activeElement.textContent") == "To the answer"
    assert chromium.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    chromium.run("document.getElementById('slider').focus()")
    chromium.keys(*[RIGHT] * 30)
    assert chromium.run("return Number(document.getElementById('slider').value)") == 30
    assert "of 1:00.00" in chromium.run("return document.getElementById('slider').getAttribute('aria-valuetext')")
    chromium.keys(END)
    assert "3 down" in chromium.run("return document.querySelectorAll('.tiles')[1].getAttribute('aria-label')")
    assert "3 down" in chromium.run("return document.getElementById('spoken').textContent")
    chromium.keys(HOME, " ")
    assert chromium.run("return document.getElementById('play').getAttribute('aria-pressed')") == "true"
    chromium.until("document.getElementById('clock').textContent > '0:00.10'")
    chromium.keys(" ")
    at = chromium.run("return document.getElementById('clock').textContent")
    assert chromium.run("return document.getElementById('play').textContent") == "Play"
    assert chromium.run("return document.getElementById('clock').textContent") == at
    assert chromium.console() == []


def test_whoever_wants_less_motion_gets_a_picture_a_second(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1280, 900, prefers_reduced_motion="reduce")
    chromium.open(pages["run"])
    chromium.until(DRAWN)
    seen = """
        window.seen = new Set();
        new MutationObserver(() => window.seen.add(document.getElementById('clock').textContent))
            .observe(document.getElementById('clock'), {childList: true, characterData: true, subtree: true});
        window.began = performance.now(); document.getElementById('play').click()"""
    chromium.run(seen)
    chromium.until("window.seen.size >= 1")
    count, spent = chromium.run("return [window.seen.size, performance.now() - window.began]")
    assert count <= 1 + spent / 1000


@pytest.mark.parametrize("guests", [1, 500])
def test_one_guest_and_five_hundred(guests: int, chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1920, 1080)
    chromium.open(pages[f"guests-{guests}"])
    chromium.until(DRAWN)
    assert tiles(chromium, "starting") == guests
    move_to(chromium, 1000)
    assert [tiles(chromium, "down", host) for host in (0, 1)] == [guests, guests]
    assert tiles(chromium, "throttled") == 0  # who is down is not throttled
    chromium.run("for (let i = 0; i < arguments[0]; i++) document.getElementById('back').click()", 2)
    assert tiles(chromium, "serving") == guests
    assert tiles(chromium, "throttled") == round(guests / 2 + 1e-9)
    spent = chromium.run(
        "const s = document.getElementById('slider'), t = performance.now(); for (let i = 0; i <= 100; i++)"
        " { s.value = 10 * i; s.dispatchEvent(new Event('input')); } return performance.now() - t"
    )
    assert spent < 5000  # a hundred positions; a screen is drawn sixty times a second
    for width in (1920, 360):
        chromium.look(width, 1080)
        assert chromium.run("return document.getElementById('player').scrollWidth") <= width
        assert chromium.run("return document.querySelector('.tiles').offsetHeight") < 700
    assert chromium.console() == []


def test_another_metric_is_drawn_when_it_is_chosen(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1280, 900)
    chromium.open(pages["sweep"])
    chromium.until(DRAWN)
    shown = "document.querySelector('.chart svg').textContent"
    assert "response p99" in chromium.run(f"return {shown}")
    chromium.run(
        "const s = document.querySelector('select[data-for]');"
        "s.value = [...s.options].find(o => o.textContent === 'completed').value; s.dispatchEvent(new Event('change'))"
    )
    chromium.until(f"{shown}.includes('completed')")
    assert chromium.console() == []


def test_it_can_be_printed(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.look(1280, 900)
    chromium.open(pages["run"])
    chromium.until(DRAWN)
    paper = base64.b64decode(chromium.cdp("Page.printToPDF", printBackground=True)["data"])
    assert paper.startswith(b"%PDF")
    chromium.look(1280, 900, media="print", prefers_color_scheme="dark")
    assert chromium.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.run("return getComputedStyle(document.getElementById('replay')).display") == "none"
    chromium.look(1280, 900)
