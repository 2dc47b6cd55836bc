"""How platforms look in the page: a colour on light and one on dark ground, a shape, a dash. Never colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.report.figures.style import looks

_SHAPES = {
    "o": "circle", "^": "triangle-up", "s": "square", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "stroke",
    "<": "triangle-left", ">": "triangle-right",
}  # fmt: skip
"""Marker of the figures in PNG → Vega's shape; others are circles."""
_DASHES = ((1, 0), (7, 2), (2, 2), (9, 3, 2, 3), (4, 4), (12, 3))
_GROUND_LIGHT, _GROUND_DARK = (255, 255, 255), (24, 27, 33)
LEAST = 3.0
"""Contrast of what is drawn to its ground: WCAG 2.2, 1.4.11."""


class Tone(NamedTuple):
    """A platform's look: `var` is its CSS variable, `light` and `dark` the colours on such grounds."""

    platform: str
    var: str
    light: str
    dark: str
    shape: str
    dash: tuple[int, ...]


def tones(platforms: Sequence[str]) -> list[Tone]:
    """One a platform, in order; the colours are those of the figures, moved until they can be told from the ground."""
    return [
        Tone(
            name, f"--p{place}", _until(look.colour, _GROUND_LIGHT, 0), _until(look.colour, _GROUND_DARK, 255),
            _SHAPES.get(look.marker, "circle"), _DASHES[place % len(_DASHES)],
        )
        for place, (name, look) in enumerate(looks(platforms).items())
    ]  # fmt: skip


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Ratio of two colours (0 to 255 a channel), 1 to 21. WCAG 2.2, definition of contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def channels(colour: str) -> tuple[int, int, int]:
    """`#0072B2` as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: Sequence[float]) -> float:
    parts = [each / 255 for each in colour]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _until(colour: str, ground: Sequence[int], towards: int) -> str:
    """A colour mixed with black or white, a twentieth at a time, until its contrast is enough."""
    own = channels(colour)
    mixed: Sequence[float] = own
    for step in range(21):
        mixed = [each + (towards - each) * step / 20 for each in own]
        if contrast(mixed, ground) >= LEAST:
            break
    return "#" + "".join(f"{round(each):02X}" for each in mixed)
