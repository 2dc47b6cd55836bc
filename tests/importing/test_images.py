"""Sizes of images: unpacked as they are, compressed times a factor that is told; layers shared by their digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.cli import main
from sim.imports.images import UNPACKED, Images, canonical, read_images
from sim.platforms.checks import CHECKS
from sim.reading.errors import ScenarioError
from sim.scenario import load_scenario

LAYERS = [{"digest": "sha256:" + "a" * 64, "size": 10_000_000}, {"digest": "sha256:" + "b" * 64, "size": 20_000_000}]
MANIFEST = {"schemaVersion": 2, "config": {"size": 7000}, "layers": LAYERS}
INSPECT = [
    {"Id": "x", "RepoTags": ["nginx:1.27", "shop/web:1"], "RepoDigests": ["nginx@sha256:1"], "Size": 190_000_000}
]
SKOPEO = {"Name": "docker.io/library/redis", "Tag": "7", "LayersData": [{"Digest": "sha256:c", "Size": 5e6}]}
LINES = '{"Repository":"redis","Tag":"7","Size":"117MB"}\n{"Repository":"a","Tag":"1","Size":"1.02GB"}\n'
ARM, AMD = ({"os": "linux", "architecture": each} for each in ("arm64", "amd64"))
VERBOSE = {"Ref": "redis:7", "Descriptor": {"platform": AMD}, "OCIManifest": MANIFEST}
NODE = {"names": ["redis@sha256:1", "docker.io/library/redis:7"], "sizeBytes": 1000}


def images_of(folder: Path, content: Any, name: str = "") -> Images:
    file = folder / "images.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return read_images([f"{name}={file}" if name else str(file)])


@pytest.mark.parametrize(
    ("content", "name", "image", "size"),
    [
        (INSPECT, "", "docker.io/library/nginx:1.27", 190e6),
        (INSPECT, "", "nginx@sha256:1", 190e6),
        (INSPECT, "", "registry.example/shop/web:1", 190e6),
        (MANIFEST, "redis:7", "redis:7", 30e6 * UNPACKED),
        (SKOPEO, "", "redis:7", 13e6),
        (LINES, "", "a:1", 1.02e9),
        ([VERBOSE | {"Descriptor": {"platform": ARM}, "OCIManifest": {"layers": []}}, VERBOSE], "", "redis:7", 78e6),
        ({"items": [{"status": {"images": [NODE]}}]}, "", "redis:7", 2600.0),
        ({"images": [{"repoTags": ["ghcr.io/a/b:2"], "size": "2000"}]}, "", "ghcr.io/a/b:2", 5200.0),
    ],
)  # fmt: skip
def test_each_tool_s_words_are_understood(content: Any, name: str, image: str, size: float, tmp_path: Path) -> None:
    found = images_of(tmp_path, content, name).find(image)
    assert found is not None
    assert found.bytes == pytest.approx(size)


def test_names_are_those_of_docker() -> None:
    assert canonical("nginx") == canonical("docker.io/library/nginx:latest") == "library/nginx:latest"
    assert canonical("localhost:5000/a") == "localhost:5000/a:latest"
    assert canonical("nginx:1@sha256:0") == "library/nginx@sha256:0"
    images = Images()
    assert images.find("") is None


def test_an_image_that_is_used_under_one_of_its_names_is_used(tmp_path: Path) -> None:
    images = images_of(
        tmp_path, {"items": [{"status": {"images": [NODE, {"names": ["a:1", "a@sha256:2"], "sizeBytes": 9}]}}]}
    )
    assert images.unused(["redis:7"]) == ["library/a@sha256:2"]


def test_a_layout_is_read_through_its_index(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (blobs / "m").write_text(json.dumps(MANIFEST))
    (blobs / "i").write_text(json.dumps({"manifests": [{"digest": "sha256:m", "platform": {"architecture": "amd64"}}]}))
    entry = {"digest": "sha256:i", "annotations": {"org.opencontainers.image.ref.name": "shop/web:1"}}
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [entry]}))
    found = read_images([str(tmp_path)]).find("shop/web:1")
    assert found is not None
    assert found.layers == [("a" * 12, 26e6), ("b" * 12, 52e6)]


def test_layers_and_sizes_come_into_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("services: {web: {image: 'shop/web:1'}, db: {image: 'redis:7'}, x: {image: none}}")
    (tmp_path / "i.json").write_text(json.dumps(INSPECT))
    (tmp_path / "m.json").write_text(json.dumps(MANIFEST))
    out = tmp_path / "o.yaml"
    words = [
        "--images",
        f"{tmp_path}/i.json",
        "--images",
        f"redis:7={tmp_path}/m.json",
        "--images",
        f"mongo={tmp_path}/m.json",
    ]
    assert main(["init", "compose", f"{tmp_path}/c.yaml", *words, "-o", str(out)]) == 0
    assert "no service has: library/mongo:latest" in capsys.readouterr().err
    services = load_scenario(out, checks=CHECKS).services
    sizes = {name: each.image_on(["container"]) for name, each in services.items()}
    assert {name: each and each.bytes for name, each in sizes.items()} == {"web": 190e6, "db": 78e6, "x": 200e6}
    assert sizes["db"]
    assert [layer.name for layer in sizes["db"].layers] == ["a" * 12, "b" * 12]
    assert "2.6 times the 30 MB of compressed layers" in out.read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "no JSON"),
        ("{", r"images.json:1:1: found no JSON"),
        ("5", "found 5; allowed: the JSON of docker image inspect"),
        ("{}", "found no image"),
        (MANIFEST, "does not name its image; allowed: its name before the file: --images NAME="),
        ({"manifests": [{"digest": "sha256:1"}]}, "an index of several platforms.*crane manifest --platform"),
        ([{"RepoTags": ["a"], "Size": "big"}], "found 'big' as Size; allowed: a number of bytes"),
        ('{"Repository":"a","Tag":"1","Size":"much"}', "found 'much'; allowed: a size such as 187MB"),
        ('{"Repository":"a","Tag":"1","Size":"1.2.3MB"}', "found '1.2.3MB'; allowed: a size such as 187MB"),
        ([{"RepoTags": 5, "Descriptor": [1]}], "does not name its image"),
        ({"items": [5, {"status": {"images": [{"names": 5, "sizeBytes": "x"}]}}]}, "found 'x' as size of an image"),
        (f"{LINES}5\n", r"images.json:3:1: found 5"),
        (f"\n{LINES}{{\n", r"images.json:4:1: found no JSON"),
        (LINES + '{"a":' + "[" * 100_000, r"images.json:3:1: found no JSON"),
    ],
)
def test_what_tells_no_size_is_refused(content: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=told):
        images_of(tmp_path, content)
    with pytest.raises(ScenarioError, match="no such file"):
        read_images([str(tmp_path / "none.json")])
