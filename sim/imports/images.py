"""Sizes of images from what docker, crane, skopeo, crictl and kubectl print, and from OCI layouts.

A scenario has sizes as on disk, unpacked. Manifests have compressed layers, which are taken times `UNPACKED`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sim.imports.trees import below, mappings, texts
from sim.reading.document import other_than_a_file
from sim.reading.errors import Problem, ScenarioError, show

UNPACKED: Final = 2.6  # on disk / compressed; nginx, redis, python, postgres of 2024 have 2.5 to 2.8 (trust: memory)
_LARGEST: Final = 50_000_000
_UNIT: Final = {"B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9}  # docker images; powers of 1000 (go-units)
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s?([kKMG]?B)(?: .*)?")
_KINDS: Final = (
    "docker image inspect, docker images --format json, docker manifest inspect -v, crane manifest, skopeo inspect, "
    "crictl images -o json, kubectl get nodes -o json, or the index.json of an OCI layout"
)


@dataclass
class Known:
    """An image: its bytes on disk, its layers (name, bytes on disk) where they are known, and where that is from."""

    bytes: float
    told: str
    layers: list[tuple[str, float]] = field(default_factory=list)


class Images:
    """Images by their names."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def add(self, name: str, known: Known) -> None:
        """One image under one of its names."""
        if name and "<none>" not in name:
            self._known.setdefault(canonical(name), known)

    def find(self, image: str) -> Known | None:
        """An image by its name; without its registry, where but one is known by such a name."""
        if not image:
            return None
        name = canonical(image)
        if name in self._known:
            return self._known[name]
        if "@" in name and name.partition("@")[0] in self._known:
            return self._known[name.partition("@")[0]]
        ends = [known for each, known in self._known.items() if name.endswith(f"/{each}") or each.endswith(f"/{name}")]
        return ends[0] if len({id(each) for each in ends}) == 1 else None

    def unused(self, wanted: Sequence[str]) -> list[str]:
        """One name of each known image that none of those wanted is."""
        used = {id(self.find(each)) for each in wanted}
        return list({id(known): name for name, known in self._known.items() if id(known) not in used}.values())


def canonical(name: str) -> str:
    """`nginx` → `library/nginx:latest`; with another registry than Docker's, that stands before it."""
    bare, at, digest = name.strip().partition("@")
    first, slash, rest = bare.partition("/")
    if slash and first in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        bare = rest
    if "/" not in bare:
        bare = f"library/{bare}"
    if ":" not in bare.rpartition("/")[2]:
        bare = bare if at else f"{bare}:latest"
    elif at:
        bare = bare.rpartition(":")[0]
    return f"{bare}{at}{digest}"


def read_images(given: Sequence[str]) -> Images:
    """Files, or NAME=FILE where a file does not name its image. Raises ScenarioError for all that are none."""
    found = Images()
    problems: list[Problem] = []
    for each in given:
        name, path = _named(each)
        try:
            _Reader(path, name, found).read()
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return found


def _named(given: str) -> tuple[str, Path]:
    name, equals, file = given.partition("=")
    return (name, Path(file)) if equals and not Path(given).exists() else ("", Path(given))


class _Reader:
    """Reads one file into images."""

    def __init__(self, path: Path, name: str, images: Images) -> None:
        self.path, self.name, self.images = path, name, images

    def read(self) -> None:
        """Raises ScenarioError."""
        if self.path.is_dir() and (self.path / "index.json").is_file():
            self.path = self.path / "index.json"
        count = 0
        for line, document in self.documents():
            for one in document if isinstance(document, list) else [document]:
                if not isinstance(one, dict):
                    raise self.wrong(line, show(one), f"the JSON of {_KINDS}")
                count += self.one(one)
        if not count:
            raise self.wrong(0, "no image", f"the JSON of {_KINDS}")

    def wrong(self, line: int, found: str, allowed: str) -> ScenarioError:
        """A mistake at a line, counted from 1, or of the file."""
        return ScenarioError([Problem(str(self.path), line or None, 1 if line else None, "", found, allowed)])

    def documents(self) -> list[tuple[int, Any]]:
        """The file as JSON (line 0: all of it), or as JSON lines, each with its number."""
        try:
            state = self.path.stat()
            if kind := other_than_a_file(state.st_mode):
                raise self.wrong(0, kind, f"the JSON of {_KINDS}")
            if state.st_size > _LARGEST:
                raise self.wrong(0, f"a file of {state.st_size / 1e6:.0f} MB", f"at most {_LARGEST / 1e6:.0f} MB")
            text = self.path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            raise self.wrong(0, "no such file", f"the JSON of {_KINDS}") from None
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or "bytes that are not UTF-8"
            raise self.wrong(0, f"a file that cannot be read ({told})", f"the JSON of {_KINDS}") from None
        try:
            return [(0, json.loads(text))]
        except (ValueError, RecursionError) as error:
            lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
            if len(lines) < 2 or lines[0][1][-1:] != "}":
                raise self._no_json(getattr(error, "lineno", 1), error) from None
        return [(number, self._line(number, line)) for number, line in lines]

    def _line(self, number: int, line: str) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._no_json(number, error) from None

    def _no_json(self, line: int, error: Exception) -> ScenarioError:
        return self.wrong(line, f"no JSON: {getattr(error, 'msg', error)}", f"the JSON of {_KINDS}")

    def one(self, tree: dict[str, Any]) -> int:
        """Images of one object; their number."""
        if isinstance(tree.get("RepoTags"), list) and "Size" in tree:
            return self.inspected(tree)
        if "LayersData" in tree:
            layers = [{"digest": each.get("Digest"), "size": each.get("Size")} for each in mappings(tree, "LayersData")]
            name = self.name or f"{tree.get('Name') or ''}:{tree.get('Tag') or 'latest'}"
            return self.packed(layers, name, "skopeo inspect")
        if "Repository" in tree and "Size" in tree:
            return self.listed(f"{tree['Repository']}:{tree.get('Tag') or 'latest'}", tree["Size"])
        if "Descriptor" in tree:
            return self.verbose(tree)
        if isinstance(tree.get("layers"), list):
            return self.packed(mappings(tree, "layers"), self.name or self.annotated(tree), "its manifest")
        if isinstance(tree.get("manifests"), list):
            return self.indexed(tree)
        return self.on_nodes(tree)

    def inspected(self, tree: Mapping[str, Any]) -> int:
        size = self.number(tree["Size"], "Size")
        known = Known(size, "docker image inspect")
        for name in (self.name, *texts(tree, "RepoTags"), *texts(tree, "RepoDigests")):
            self.images.add(name, known)
        return 1

    def listed(self, name: str, given: Any) -> int:
        found = _SIZE.fullmatch(str(given))
        if found is None:
            raise self.wrong(0, show(given), "a size such as 187MB")
        self.images.add(self.name or name, Known(float(found[1]) * _UNIT[found[2]], "docker images"))
        return 1

    def verbose(self, tree: Mapping[str, Any]) -> int:
        """Of `docker manifest inspect -v`: of several platforms, linux/amd64."""
        inner = tree.get("OCIManifest") or tree.get("SchemaV2Manifest")
        platform = below(tree, "Descriptor", "platform")
        if platform and (platform.get("os"), platform.get("architecture")) != ("linux", "amd64"):
            return 1
        name = self.name or str(tree.get("Ref") or "").partition("@")[0]
        return self.packed(mappings(inner, "layers"), name, "its manifest")

    def packed(self, layers: Sequence[Mapping[str, Any]], name: str, told: str) -> int:
        """Compressed layers; one of the same digest is the same layer in every image."""
        if not name or name.startswith(":"):
            allowed = f"its name before the file: --images NAME={self.path}"
            raise self.wrong(0, "a manifest that does not name its image", allowed)
        found: dict[str, float] = {}
        for each in layers:
            digest = str(each.get("digest") or "").rpartition(":")[2][:12] or f"layer-{len(found) + 1}"
            found[digest] = round(self.number(each.get("size"), "size of a layer") * UNPACKED)
        whole = sum(found.values())
        about = f"{UNPACKED} times the {whole / UNPACKED / 1e6:.4g} MB of compressed layers in {told}"
        self.images.add(name, Known(whole, about, list(found.items())))
        return 1

    def indexed(self, tree: Mapping[str, Any]) -> int:
        """The index of a layout, whose blobs are beside it."""
        blobs = self.path.parent / "blobs"
        if not blobs.is_dir():
            allowed = "the manifest of one platform: crane manifest --platform linux/amd64 IMAGE"
            raise self.wrong(0, "an index of several platforms, which has no layers", allowed)
        count = 0
        for each in mappings(tree, "manifests"):
            name = self.name or self.annotated(each)
            if manifest := self._of_layout(each, blobs, 0):
                count += self.packed(mappings(manifest, "layers"), name, "its manifest")
        return count

    def _of_layout(self, entry: Mapping[str, Any], blobs: Path, depth: int) -> dict[str, Any] | None:
        path = blobs / str(entry.get("digest") or "").replace(":", "/")
        try:
            tree = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            raise self.wrong(0, f"a layout without the blob {entry.get('digest')}", "all its blobs") from None
        if not isinstance(tree, dict) or depth > 3:
            return None
        if isinstance(tree.get("layers"), list):
            return tree
        inner = mappings(tree, "manifests")
        fits = [each for each in inner if below(each, "platform").get("architecture") == "amd64"] or inner
        return self._of_layout(fits[0], blobs, depth + 1) if fits else None

    def on_nodes(self, tree: Mapping[str, Any]) -> int:
        """Of `kubectl get nodes -o json` and `crictl images -o json`, by containerd: compressed sizes."""
        nodes = mappings(tree, "items") if isinstance(tree.get("items"), list) else [tree]
        count = 0
        for node in nodes:
            for each in mappings(node["status"] if isinstance(node.get("status"), dict) else node, "images"):
                size = self.number(each.get("sizeBytes", each.get("size")), "size of an image")
                told = f"{UNPACKED} times the {size / 1e6:.4g} MB that containerd has of it, compressed"
                known = Known(size * UNPACKED, told)
                for name in (*texts(each, "names"), *texts(each, "repoTags"), *texts(each, "repoDigests")):
                    self.images.add(name, known)
                count += 1
        return count

    def annotated(self, tree: Mapping[str, Any]) -> str:
        """The name in an object's annotations; nothing if there is none."""
        notes = below(tree, "annotations")
        keys = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
        return next(
            (str(notes[key]) for key in keys if "/" in str(notes.get(key) or "") or ":" in str(notes.get(key) or "")),
            "",
        )

    def number(self, value: Any, what: str) -> float:
        """A number of bytes; crictl writes it as text."""
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
            raise self.wrong(0, f"{show(value)} as {what}", "a number of bytes")
        return float(value)
