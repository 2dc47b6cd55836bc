"""Files that mean harm: each is refused with its place, soon, and no exception but ScenarioError leaves the reader."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sim.reading.document import read_document
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario

GOOD = "host: {cores: 4, memory: 8GiB}\nduration: 10s\nplatforms: [container]\nservices:\n"
GOOD += "  a: {size: {cpu: 1, memory: 1GiB}, request_cpu: 5ms}\n"
LAUGHS = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30))
MERGES = "\n".join(f"m{n}: &m{n} {{k{n}: 1, <<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 30))
CHAIN = "\n".join(f"m{n}: &m{n} {{k{n}: 1, <<: *m{n - 1}}}" for n in range(1, 200))
HOSTILE = {
    "float of nothing": 'duration: !!float ""\n',
    "int of nothing": 'duration: !!int ""\n',
    "bool of a word": "duration: !!bool abc\n",
    "a sign alone": 'duration: !!int "-"\n',
    "a merge of itself": "b: &b {<<: *b}\n",
    "a merge of itself in a list": "b: &b {<<: [*b, *b]}\n",
    "aliases in aliases": f"l0: &l0 [x]\n{LAUGHS}\n",
    "merges in merges": f"m0: &m0 {{k: 1}}\n{MERGES}\n",
    "a chain of merges": f"m0: &m0 {{k: 1}}\n{CHAIN}\n",
    "5,000 digits": f"seed: {'9' * 5000}\n",
    "5,000 hexadecimal digits": f"seed: 0x{'f' * 5000}\n",
    "5,000 digits of seconds": f"duration: {'9' * 5000}s\n",
    "a long word": f"duration: {'x' * 10000}\n",
    "a long key": f"{'x' * 10000}: 1\n",
    "deep": "a: " + "[" * 3000 + "]" * 3000,
    "zero bytes": "a: b\0\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a list": "- a\n",
    "a number": "5\n",
    "nothing": "",
    "a tag": "a: !!python/object/apply:os.system [x]\n",
    "a set": "a: !!set {x, y}\n",
    "binary": "a: !!binary 'x'\n",
    "a timestamp": "duration: !!timestamp abc\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_shortly_and_soon(name: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_text(HOSTILE[name], "utf-8")
    began = time.process_time()
    with pytest.raises(ScenarioError) as refused:
        load_scenario(file)
    assert time.process_time() - began < 5.0
    lines = str(refused.value).splitlines()
    assert all(str(file) in line for line in lines)
    assert max(map(len, lines)) < 1500 + len(str(file))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_are_refused(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_bytes(f"description: é\n{GOOD}".encode(encoding))
    with pytest.raises(ScenarioError, match=r"other\.yaml"):
        load_scenario(file)


def test_a_mark_of_utf_8_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "mark.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_document(file).tree == {"a": 1}


def test_what_is_no_file_is_said_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "pipe.csv")
    said = {tmp_path / "pipe.yaml": "a pipe", tmp_path: "a folder", Path("/dev/zero"): "a device"}
    for path, words in said.items():
        with pytest.raises(ScenarioError, match=words):
            read_document(path)
    (tmp_path / "traced.yaml").write_text(GOOD.replace("5ms}", "5ms, traffic: {trace: {file: pipe.csv}}}"))
    with pytest.raises(ScenarioError, match=r"'pipe\.csv', a pipe"):
        load_scenario(tmp_path / "traced.yaml")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as out:
        out.truncate(10**12)
    with pytest.raises(ScenarioError, match=r"1000000\.0 MB; allowed: at most 4 MB"):
        read_document(file)


def test_what_a_merge_brings_keeps_its_places(tmp_path: Path) -> None:
    file = tmp_path / "merged.yaml"
    file.write_text("a: &a {x: 1, y: {z: 2}}\nb:\n  x: 3\n  <<: *a\n")
    document = read_document(file)
    assert document.tree["b"] == {"x": 3, "y": {"z": 2}}
    assert (document.places["b", "x"].line, document.places["b", "y", "z"].line) == (3, 1)


@pytest.mark.parametrize(
    "work",
    ["{gamma: {mean: 5ms, cv: 1e200}}", "{lognormal: {mean: 5ms, cv: 1e200}}", "{gamma: {mean: 5ms, cv: 1e-200}}",
     "{weibull: {mean: 5ms, shape: 0.001}}", "{weibull: {mean: 5ms, shape: 1e200}}",
     "{gamma: {mean: 1e308s, cv: 100}}", "{exponential: {mean: 1e13s}}"],
)  # fmt: skip
def test_a_distribution_beyond_all_floats_is_refused_by_its_path(work: str, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(GOOD.replace("5ms}", f"{work}}}"))
    with pytest.raises(ScenarioError, match=r"far\.yaml:5:.*request_cpu\.\w+\.(cv|shape|mean): .* and at most"):
        load_scenario(tmp_path / "far.yaml")
