"""Small finished results of every kind, made once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import sim

EVIL = "a</script><script>alert(1)</script>"
QUOTES = "q\"'><img src=x onerror=alert(2)>"
SMALL: Mapping[str, Any] = {
    "name": "small", "seed": 3, "duration": "60s", "warmup": "10s", "replications": 3,
    "description": f"{EVIL} & {QUOTES} {{{{ 7 * 7 }}}}",
    "host": {"cores": 4, "memory": "8GiB", "disk": {"read": "1GB/s", "write": "1GB/s"}, "network": "1Gbit/s"},
    "platforms": ["vm", "container"],
    "services": {
        "shop": {
            "image": {"vm": "1GB", "container": "100MB", "cached": True},
            "memory": {"base": "100MiB", "per_request": "1MiB"},
            "start_cpu": "500ms", "request_cpu": {"exponential": {"mean": "20ms"}}, "concurrency": 8, "queue": 64,
            "timeout": "5s", "slo": {"p99": "1s"}, "size": {"cpu": 1, "memory": "512MiB"}, "replicas": 3,
            "traffic": {"constant-arrival-rate": {"rate": "30/s"}},
        }
    },
    "faults": [{"kind": "kernel-panic", "at": "30s", "service": "shop"}],
}  # fmt: skip


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a fault, whose description is hostile."""
    folder = tmp_path_factory.mktemp("page") / "small"
    sim.run(dict(SMALL), workers=1, out=folder)
    return folder


def _renamed(words: Any, names: Mapping[str, str]) -> Any:
    """Plain data in which every key and value that is one of `names` is another."""
    if isinstance(words, dict):
        return {names.get(key, key): _renamed(each, names) for key, each in words.items()}
    if isinstance(words, list):
        return [_renamed(each, names) for each in words]
    return names.get(words, words) if isinstance(words, str) else words


@pytest.fixture(scope="session")
def hostile(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same result, whose files name a platform, a service and a guest as no scenario file could."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("hostile") / "small"
    folder.mkdir()
    names = {"vm": EVIL, "shop": QUOTES, "shop-0": f"{EVIL}{QUOTES}"}
    manifest = _renamed(json.loads((small / "manifest.json").read_text("utf-8")), names)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    pd.read_csv(small / "summary.csv").replace(names).to_csv(folder / "summary.csv", index=False)
    for path in small.glob("*.parquet"):
        pd.read_parquet(path).replace(names).to_parquet(folder / path.name)
    return folder


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sweep, a density, a crossover and a why of a smaller scenario, each in its folder."""
    root = tmp_path_factory.mktemp("studies")
    tiny = {**SMALL, "duration": "20s", "warmup": "5s", "faults": [], "name": "tiny"}
    (root / "tiny.json").write_text(json.dumps(tiny), "utf-8")  # YAML has all of JSON
    rate = "services.shop.traffic.constant-arrival-rate.rate"
    sweep = {"base": "tiny.json", "axes": {rate: ["20/s", "80/s"], "host.cores": [2, 4]}, "replications": 2}
    (root / "both.yaml").write_text(json.dumps(sweep), "utf-8")
    file = root / "tiny.json"
    how = {"workers": 1, "plots": False}
    sim.sweep(root / "both.yaml", out=root / "sweep", **how)
    sim.density(file, "services.shop.replicas", stop=12, out=root / "density", reboot=False, **how)
    sim.crossover(file, rate, 20, 100, unit="/s", out=root / "crossover", points=2, replications=3, **how)
    sim.why(file, out=root / "why", replications=2, **how)
    return {name: root / name for name in ("sweep", "density", "crossover", "why")}
