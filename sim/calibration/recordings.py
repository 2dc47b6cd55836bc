"""Servers in control groups, what was measured of them, and the folder in which that is kept.

It has `about.json` (machine, cases, counters) and `requests.parquet` (every request).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

DATA = Path(__file__).parents[2] / "validation" / "data"
"""Where our own are, in the source tree."""
TIMES = ("arrival", "demand", "start", "finish")


@dataclass(frozen=True, slots=True)
class Group:
    """A control group with one server in it: CPU `request` (its weight) and `limit` [cores], and its `threads`.

    `burst`: what of unused budgets the limit lets it keep [core-s].
    """

    name: str
    request: float
    limit: float | None
    threads: int
    burst: float = 0.0


@dataclass(slots=True)
class Repetition:
    """One repetition: what the kernel counted for each group with a limit, and what else the machine did.

    `throttling`: by group, `periods`, `throttled` and `time` [s]. `machine`: `background` and `steal`, shares of the
    time of the CPUs used; `load`, the load average.
    """

    throttling: dict[str, dict[str, float]]
    machine: dict[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """A group and its requests: `arrival` and `demand` f8[n] [s], [core-s], in the order of arrival."""

    group: Group
    arrival: NDArray[np.float64]
    demand: NDArray[np.float64]


@dataclass(slots=True)
class Case:
    """Some groups side by side on `cpus` CPUs, until second `until`, and the repetitions that were measured."""

    name: str
    kind: str
    cpus: int
    until: float
    groups: list[Group]
    repetitions: list[Repetition] = field(default_factory=list)


class Measurements:
    """The measurements of one folder. Raises OSError when it is not there, KeyError or ValueError when not whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = json.loads((folder / "about.json").read_text("utf-8"))
        self.host: dict[str, Any] = about["host"]
        self.cases = [_case(each) for each in about["cases"]]

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row a request: case, repetition, group, and arrival, demand, start, finish [s] (NaN: never)."""
        import pandas as pd

        frame = pd.read_parquet(self.folder / "requests.parquet")
        for name in TIMES:
            frame[name] = frame.pop(f"{name}_us").astype("float64") / 1e6
        return frame

    def of(self, case: Case, repetition: int) -> pd.DataFrame:
        """The requests of a repetition, groups in the order of the case, each in the order of arrival."""
        frame = self.requests
        return frame[(frame["case"] == case.name) & (frame["repetition"] == repetition)]


def jobs_of(groups: Sequence[Group], requests: pd.DataFrame) -> list[Job]:
    """Each group with its requests, out of those of a repetition (`Measurements.of`)."""
    own = (requests[requests["group"] == group.name] for group in groups)
    return [
        Job(group, each["arrival"].to_numpy(), each["demand"].to_numpy())
        for group, each in zip(groups, own, strict=True)
    ]


def _case(raw: dict[str, Any]) -> Case:
    groups = [Group(**each) for each in raw["groups"]]
    return Case(**{**raw, "groups": groups, "repetitions": [Repetition(**each) for each in raw["repetitions"]]})


def folders(data: Path = DATA) -> list[Path]:
    """The folders of measurements below `data`, by name."""
    return sorted(path.parent for path in data.glob("*/about.json"))


def save(folder: Path, host: dict[str, Any], cases: Iterable[Case], requests: pd.DataFrame) -> None:
    """Write a folder; times are rounded to whole microseconds, which is what the data is good for."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = requests[["case", "repetition", "group"]].astype(
        {"case": "category", "repetition": "int16", "group": "category"}
    )
    for name in TIMES:
        kept[f"{name}_us"] = (requests[name] * 1e6).round().astype("Int32")
    kept.to_parquet(
        folder / "requests.parquet",
        engine="pyarrow",
        index=False,
        compression="zstd",
        compression_level=19,
        use_dictionary=["case", "group"],
        column_encoding={f"{name}_us": "DELTA_BINARY_PACKED" for name in TIMES},
    )
    about = {"host": host, "cases": [asdict(case) for case in cases]}
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
