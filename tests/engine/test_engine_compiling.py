"""How the kernel is compiled and kept: once a machine, wherever the project lies, and never in others' way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numba
import pytest

from sim.engine import layout as lay
from sim.engine.arrays import Arrays
from sim.engine.compiling import cache, calling, jit
from sim.engine.warming import warm_up

ENGINE = cache.ROOM
SMALL = """
import sys

from sim.engine.compiling.jit import njit

@njit
def double(x):
    total = 0.0
    for i in range(3):
        total += x
    return total - x

print("ready", flush=True)
sys.stdin.readline()
assert double(21.0) == 42.0
print(sum(double.stats.cache_hits.values()), sum(double.stats.cache_misses.values()))
"""


def clone(folder: Path) -> Path:
    """A copy of the package with a small kernel beside it."""
    shutil.copytree(ENGINE.parent, folder / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "small.py").write_text(SMALL)
    return folder


def start(folder: Path, kept: Path, *command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOSTSIM_CACHE": str(kept), "PYTHONPATH": str(folder)}
    environment.pop("NUMBA_DISABLE_JIT", None)
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def answer(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate("go\n", timeout=120)
    assert process.returncode == 0
    return out.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_copy_at_another_path_finds_the_cache_full(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first, second = clone(tmp_path / "a"), clone(tmp_path / "b")
    assert answer(start(first, kept, "small.py")) == "0 1"
    assert answer(start(second, kept, "small.py")) == "1 0"
    (second / "small.py").write_text(SMALL.replace("range(3)", "range(1, 4)"))
    assert answer(start(second, kept, "small.py")) == "0 1"  # but not one that is stale
    engine = second / "sim" / "engine" / "compiling" / "jit.py"
    engine.write_text(engine.read_text() + "# newer\n")
    (second / "small.py").write_text(SMALL)
    assert answer(start(second, kept, "small.py")) == "0 1"


FROM_THE_DISK = """
import sys
from sim.engine import plane, warming
warming.warm_up()
print("numba" in sys.modules, plane.DataPlane(1.0)._enter)
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_machine_code_from_another_path_is_loaded_without_numba(tmp_path: Path) -> None:
    warm_up()
    kept = cache.cache_folder().parent
    assert answer(start(clone(tmp_path), kept, "-c", FROM_THE_DISK)) == "False <built-in function hostsim_enter>"


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_machine_code_says_what_python_would_of_wrong_arguments() -> None:
    enter = calling.entry()
    handle = Arrays().handle
    assert enter(handle, lay.FREE_SLOTS, -1, 0, 0, 0.0, 0.0, 0.0) == 0
    with pytest.raises(TypeError):
        enter(handle, lay.FREE_SLOTS, "guest", 0, 0, 0.0, 0.0, 0.0)
    with pytest.raises(TypeError):
        enter(handle, lay.FREE_SLOTS, -1, 0, 0, 0.0, None, 0.0)


def test_what_is_no_machine_code_of_the_kernel_is_refused() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine()
    other = target.emit_object(llvm.parse_assembly("define i64 @other() {\n ret i64 1\n}"))
    with pytest.raises(ValueError, match="hostsim_enter"):
        calling.loaded(other)


def test_of_two_that_find_the_cache_empty_one_compiles(tmp_path: Path) -> None:
    both = [start(clone(tmp_path / name), tmp_path / "kept", "small.py") for name in "ab"]
    for process in both:  # each has done all but compile
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(answer(process) for process in both) == ["0 1", "1 0"]


def test_what_others_compile_stays_where_they_want_it(tmp_path: Path) -> None:
    code = """
import numba, sim.engine.entry
@numba.njit(cache=True)
def f(x): return x + 1
f(1)
print(repr(numba.config.CACHE_DIR), f.stats.cache_path)
"""
    folder = clone(tmp_path)
    (folder / "theirs.py").write_text(code)
    assert answer(start(folder, tmp_path / "kept", "theirs.py")) == f"'' {folder / '__pycache__'}"


def test_the_digest_sees_every_file_below_the_room(tmp_path: Path) -> None:
    room = tmp_path / "engine"
    shutil.copytree(ENGINE, room, ignore=shutil.ignore_patterns("__pycache__"))
    assert fresh(room) == fresh(ENGINE)
    deep = room / "parts" / "more.py"
    deep.parent.mkdir()
    deep.write_text("x = 1\n")
    with_file = fresh(room)
    deep.write_text("x = 2\n")
    assert len({fresh(ENGINE), with_file, fresh(room)}) == 3


@pytest.mark.parametrize("what", ["numba", "llvmlite", "numpy", "llvmlite.binding.get_host_cpu_name"])
def test_the_digest_knows_what_compiles_and_for_which_cpu(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fresh(ENGINE)
    if what.endswith("name"):
        monkeypatch.setattr(what, lambda: "another-cpu")
    else:
        monkeypatch.setattr(cache, "version", lambda name: "other" if name == what else version(name))
    assert fresh(ENGINE) != before
    cache.digest.cache_clear()


def fresh(room: Path) -> str:
    cache.digest.cache_clear()
    return cache.digest(room)


# ---------------------------------------------------------------- numba's internals are an extra


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(cache.PLAIN, raising=False)
    jit._compilers.cache_clear()
    yield
    jit._compilers.cache_clear()


@pytest.mark.parametrize("version", ["0.59.1", "0.69.0", "1.0.0rc1"])
def test_an_untested_numba_compiles_plainly(version: str, asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert jit._compilers() is not None
    jit._compilers.cache_clear()
    monkeypatch.setattr(numba, "__version__", version)
    assert jit._compilers() is None


@pytest.mark.parametrize("lost", ["sim.engine.compiling.pipeline", "sim.engine.compiling.kept"])
def test_a_numba_that_has_changed_inside_still_compiles(
    lost: str, asked_anew: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, lost, None)  # importing it fails
    helper = jit.inline(lambda x: x + 1)

    @jit.njit
    def f(x: int) -> int:
        return 2 * int(helper(x))

    assert f(20) == 42


RUN = """
import sys
from pathlib import Path
from sim.engine.compiling import jit
import sim
assert (jit._compilers() is None) == (sys.argv[1] == "plain")
sim.run(sys.argv[2], replications=1, out=sys.argv[3], keep_requests=True)
"""
TINY = """
name: tiny
duration: 30s
warmup: 5s
replications: 1
host: {cores: 2, memory: 8GiB, disk: {read: 1GB/s, write: 1GB/s}, network: 10Gbit/s}
platforms: [container, vm]
services:
  api:
    image: {container: 100MB, vm: 1GB}
    memory: {base: 100MiB, per_request: 10MiB}
    request_cpu: {exponential: {mean: 30ms}}
    size: {cpu: 1, memory: 512MiB}
    replicas: 2
    traffic: {constant-arrival-rate: {rate: 60/s}}
"""


@pytest.mark.slow
def test_both_ways_of_compiling_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    for way, value in (("plain", "1"), ("fast", "0")):
        environment = {**os.environ, "HOSTSIM_CACHE": str(tmp_path / f"kept-{way}"), cache.PLAIN: value}
        environment.pop("NUMBA_DISABLE_JIT", None)
        command = [sys.executable, "-c", RUN, way, str(tmp_path / "tiny.yaml"), str(tmp_path / way)]
        subprocess.run(command, env=environment, check=True, timeout=300)
    for name in ("summary.csv", "requests.parquet", "timeline.parquet", "guests.parquet", "events.parquet"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "fast" / name).read_bytes(), name
