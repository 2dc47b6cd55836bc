"""Which service of a draft recorded requests come to."""

from __future__ import annotations

from sim.imports.draft import Draft, Load, short_name
from sim.imports.traffic.rows import recording


def assigned(draft: Draft, load: Load, entry: str | None) -> tuple[dict[str, str], list[str]]:
    """(name of a part → CSV text of its arrivals, what is to be told).

    A service that the file names is the part of that name. All requests come to the way in where no name fits, or where
    `entry` says so.
    """
    way_in = draft.entry(entry).name
    parts = {part.name: part.name for part in draft.parts}
    named = [name for name in load.recordings if name]
    fits = {name: parts[short_name(name)] for name in named if short_name(name) in parts}
    if entry is not None or not fits:
        notes = (
            [f"the services that it names ({_few(named)}) are none here: all come to {way_in}"]
            if named and not entry
            else []
        )
        return ({way_in: _merged(list(load.recordings.values()))} if load.recordings else {}), notes
    found: dict[str, list[str]] = {}
    for name, text in load.recordings.items():
        if name in fits or not name:
            found.setdefault(fits.get(name, way_in), []).append(text)
    odd = [name for name in named if name not in fits]
    lost = sum(load.counts.get(name, 0) for name in odd)
    notes = [f"{lost:,} requests of services that are not here, left out: {_few(odd)}"] if odd else []
    return {name: _merged(texts) for name, texts in found.items()}, notes


def _merged(texts: list[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return recording(sorted(float(line) for text in texts for line in text.split("\n")[1:] if line))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
