"""What was measured, as the file of a platform: based on `container`, each number with where, when and range."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from sim.calibration.fit import FITTED
from sim.calibration.predict import BASE, ms
from sim.calibration.study import Found

BOOTS_BASE = "microvm"
"""What a platform of measured boots is based on."""
_COMMENT = """\
A platform made by `python -m sim calibrate`; use it as `platforms: {{mine: ./{name}}}` in a scenario, or on the command
line as `--platforms {base},{name}`. What is not here was not measured and comes from the catalogue's {base}.
{said}"""


def tree(found: Found) -> dict[str, Any]:
    """The platform as a tree of plain values."""
    if found.accelerator:
        return _boots(found)
    told: dict[str, Any] = {
        "based_on": BASE,
        "title": f"Container ({found.runtime or 'runtime not measured'}), measured on a machine of its user",
    }
    if found.disk is not None:
        disk, source = (
            found.disk,
            f"{found.measured_on}; n = {found.disk.reads} random reads of 4 KiB past the page cache",
        )
        told["disk"] = {
            "cpu_per_op": _number(f"{disk.work * 1e6:.2f}us", f"{source}; system time of one"),
            "latency": _number(
                f"{disk.latency * 1e6:.1f}us",
                f"{source}; median less the CPU; the range is the quartiles",
                (f"{disk.low * 1e6:.1f}us", f"{disk.high * 1e6:.1f}us"),
            ),
        }
    startup: Any = {}
    if found.unpacking is not None:
        layer = found.unpacking
        source = (
            f"{found.measured_on}; n = 1 layer of {layer.size / 1e6:.0f} MB in {layer.files} files, gzip and tar, "
            "the CPU time that both took (they came to {:.0f} MB/s side by side); bytes as on disk".format(
                layer.rate / 1e6
            )
        )
        startup["pull"] = {"unpack": _number(f"{1e-6 / layer.work:.1f}MB/s", source)}
    if found.model is not None:
        startup = _startup(found, startup.get("pull", {}))
        names = [phase["name"] for phase in startup if phase["kind"] in ("delay", "cpu", "lock")]
        told["restart"], told["isolation"] = {"phases": names}, {"panic_phases": [*names]}
    if startup:
        told["startup"] = startup
    return told


def _boots(found: Found) -> dict[str, Any]:
    """The platform of boots: the catalogue's microVM, whose start is what was measured."""
    own = _startup(found, {})
    return {
        "based_on": BOOTS_BASE,
        "title": f"MicroVM (QEMU with {found.accelerator}), measured on a machine of its user",
        "isolation": {"panic_phases": [phase["name"] for phase in own if phase["kind"] in ("delay", "cpu", "lock")]},
        "startup": own,
    }


def _number(value: Any, source: str, between: tuple[str, str] | None = None) -> dict[str, Any]:
    return {"value": value, **({"range": list(between)} if between else {}), "source": source, "trust": "raw data"}


def _startup(found: Found, pull: dict[str, Any]) -> list[dict[str, Any]]:
    """Bringing the image as the catalogue has it (with what was measured of it), then what was measured."""
    from sim.platforms.catalogue import raw

    model = found.model
    assert model is not None
    image = [
        {**phase, **pull} if phase["kind"] == "pull" else {**phase}
        for phase in raw(BOOTS_BASE if found.accelerator else BASE)["startup"]
        if phase["kind"] in ("pull", "read", "clone")
    ]
    runtime = f"{found.runtime} {found.version}{found.accelerator and f' with {found.accelerator}'}".strip()
    source = f"{found.measured_on}; {runtime}, n = {found.count} starts, 1 to {FITTED} at once"
    low, high = (work / model.pieces for work in found.works)
    between = ms(low), ms(high)
    own = []
    for phase in model.phases():
        if phase["kind"] == "cpu":
            why = f"{source}; CPU time that the kernel counted at {_most(found)} at once"
            why += f", one of {model.pieces} parts" if model.pieces > 1 else ""
            own.append(
                {**phase, "work": _number(phase["work"], f"{why}; the range is over the numbers at once", between)}
            )
        else:
            key = "hold" if phase["kind"] == "lock" else "duration"
            own.append({**phase, key: _number(phase[key], f"{source}; fitted by running the simulator")})
    return [*image, *own]


def _most(found: Found) -> int:
    return max(line.k for line in found.lines if line.fitted)


def text(found: Found, name: str) -> str:
    """The file's text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    said = [found.verdict, *found.doubts, *(f"Not measured: {part}: {why}" for part, why in found.left_out.items())]
    if found.disk is not None:
        said.append(
            f"The disk, for a scenario: host: {{disk: {{read: {found.disk.read / 1e6:.0f}MB/s, "
            f"write: {found.disk.write / 1e6:.0f}MB/s}}}}"
        )
    whole = CommentedMap(tree(found))
    base = BOOTS_BASE if found.accelerator else BASE
    comment = _COMMENT.format(name=name, base=base, said="\n".join(each for each in said if each))
    whole.yaml_set_start_comment(comment)
    out, yaml = io.StringIO(), YAML()
    yaml.width = 1000  # a source on one line
    yaml.dump(whole, out)
    return out.getvalue()


def write(found: Found, path: Path) -> None:
    """Write the file, whole or not at all, after the catalogue's reader has taken it. Raises PlatformError, OSError."""
    from sim.platforms import load_platform

    load_platform(path.stem, tree(found))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text(found, path.name), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
