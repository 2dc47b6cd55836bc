"""Kinds of arguments: text to value. Each raises ArgumentTypeError, which argparse tells with the option's name."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from functools import partial


def names(text: str) -> list[str]:
    """Names between commas."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise ArgumentTypeError("names separated by commas, such as vm,container")
    return found


def seconds(text: str) -> float:
    """A duration with its unit, in s."""
    from sim.reading.units import UnitError, convert

    try:
        return convert("duration", text)
    except UnitError as error:
        raise ArgumentTypeError(str(error)) from None


def whole(text: str, least: int = 0) -> int:
    """A whole number of at least `least`."""
    if not text.isdecimal() or int(text) < least:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


count = partial(whole, least=1)
several = partial(whole, least=2)


def number(text: str) -> float:
    """A finite number; a whole one stays whole."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise ArgumentTypeError(f"{text!r} is not a finite number")
    return value
