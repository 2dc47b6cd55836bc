"""Manifest files as objects: several documents, lists, folders, standard input; each object knows its place."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sim.imports.kube.schema import Held, has_schema, known_kinds
from sim.imports.trees import below
from sim.reading.document import Document, other_than_a_file
from sim.reading.errors import Finding, Loc, Problem, ScenarioError, nearest, show
from sim.reading.parsing import parse

_LARGEST: Final = 20_000_000  # bytes of a file; prometheus-operator's bundle of definitions has 4 MB
_LARGE: Final = 100_000  # characters of a document that is not read where its kind is of no use here
_SPLIT: Final = re.compile(r"^---(?=[ \t\r]|$)", re.MULTILINE)
_KIND: Final = re.compile(r"^kind: *[\"']?([A-Za-z]+)[\"']?[ \t\r]*$", re.MULTILINE)
_USELESS: Final = ("CustomResourceDefinition", "ConfigMap", "Secret")
OPENSHIFT: Final = "apps.openshift.io/v1 DeploymentConfig"
_ENDINGS: Final = (".yaml", ".yml", ".json")
_RENDER: Final = "rendered manifests: helm template CHART | python -m sim init kube -"
# Older names of groups whose objects have the form of today's, as far as they are read here.
_RENAMED: Final = {
    "extensions/v1beta1": "apps/v1", "apps/v1beta1": "apps/v1", "apps/v1beta2": "apps/v1",
    "autoscaling/v2beta1": "autoscaling/v2", "autoscaling/v2beta2": "autoscaling/v2",
    "node.k8s.io/v1beta1": "node.k8s.io/v1", "node.k8s.io/v1alpha1": "node.k8s.io/v1",
    "networking.k8s.io/v1beta1": "networking.k8s.io/v1",
}  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """One object: its `tree`, and where it stands in its `document`."""

    document: Document
    tree: dict[str, Any]
    loc: Loc = ()

    @property
    def api(self) -> str:
        """Group and version, an older one's name as it is today."""
        given = str(self.tree.get("apiVersion") or "")
        return "networking.k8s.io/v1" if self._is("extensions/v1beta1", "Ingress") else _RENAMED.get(given, given)

    @property
    def old(self) -> str:
        """The older name of the group, where it has one."""
        given = str(self.tree.get("apiVersion") or "")
        return given if given in _RENAMED else ""

    @property
    def kind(self) -> str:
        """The kind, such as `Deployment`."""
        return str(self.tree.get("kind") or "")

    @property
    def full(self) -> str:
        """Group, version and kind: `apps/v1 Deployment`."""
        return f"{self.api} {self.kind}"

    @property
    def meta(self) -> dict[str, Any]:
        """Its metadata."""
        return below(self.tree, "metadata")

    @property
    def name(self) -> str:
        """Its name, or what it is to be generated from."""
        return str(self.meta.get("name") or str(self.meta.get("generateName") or "").rstrip("-"))

    @property
    def spec(self) -> dict[str, Any]:
        """Its spec."""
        return below(self.tree, "spec")

    @property
    def namespace(self) -> str:
        """Its namespace; `default` where it does not say."""
        return str(self.meta.get("namespace") or "default")

    def _is(self, api: str, kind: str) -> bool:
        return self.tree.get("apiVersion") == api and self.kind == kind


class Manifests:
    """The `objects` of files and folders (`-`: standard input), and `notes` on what was left out.

    Raises ScenarioError with every mistake of all of them.
    """

    def __init__(self, paths: Sequence[str | Path], stdin: Callable[[], str] | None = None) -> None:
        self.objects: list[Manifest] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        self.unknown: Counter[str] = Counter()
        self._stdin = stdin or sys.stdin.read
        for path in paths:
            self._path(path)
        self._once()
        if not self.objects and not self.problems:
            names = ", ".join(map(str, paths))
            self.problems.append(Problem(names, None, None, "", "no object of Kubernetes", "manifests with a workload"))
        self.stop()
        if self.unknown:
            self.notes.append(f"keys that Kubernetes does not know: {', '.join(self.unknown)}")

    def refuse(self, manifest: Manifest, findings: Iterable[Finding]) -> None:
        """Gather mistakes of an object; `stop` raises them."""
        self.problems += [manifest.document.problem(each) for each in findings]

    def stop(self) -> None:
        """Raise ScenarioError if there are problems."""
        if self.problems:
            raise ScenarioError(sorted(dict.fromkeys(self.problems), key=lambda p: (p.file, p.line or 0, p.path)))

    def _path(self, path: str | Path) -> None:
        if str(path) == "-":
            self._standard_input()
            return
        file = Path(path)
        if file.is_dir():
            self._folder(file)
        else:
            self._file(file, explicit=True)

    def _standard_input(self) -> None:
        name = "<standard input>"
        try:
            text = self._stdin()
        except UnicodeDecodeError as error:
            found = f"byte {error.start} that is not UTF-8"
            self.problems.append(Problem(name, None, None, "", found, "a text in UTF-8"))
            return
        self._text(text, name, explicit=True)

    def _folder(self, folder: Path) -> None:
        """As `kubectl apply -f FOLDER` does: its manifests in the order of their names, not those of folders in it."""
        if (folder / "Chart.yaml").is_file():
            chart = f"helm template {folder} | python -m sim init kube -"
            self.problems.append(Problem(str(folder), None, None, "", "a Helm chart", f"rendered manifests: {chart}"))
            return
        inside = sorted(folder.iterdir())
        files = [each for each in inside if each.suffix.lower() in _ENDINGS and each.is_file()]
        below = [f"{each.name}/" for each in inside if each.is_dir() and _has_manifests(each)]
        if below:
            self.notes.append(f"{folder}: not those in {', '.join(below)} (name the folder to read it)")
        if not files:
            found = f"a folder without {', '.join(_ENDINGS)}"
            self.problems.append(Problem(str(folder), None, None, "", found, "a folder of manifests"))
        for each in files:
            self._file(each, explicit=False)

    def _file(self, file: Path, *, explicit: bool) -> None:
        try:
            state = file.stat()
            kind = other_than_a_file(state.st_mode)
            if kind is None and state.st_size <= _LARGEST:
                text = file.read_bytes().decode("utf-8-sig")
                self._text(text, str(file), explicit=explicit)
                return
            found = kind or f"a file of {state.st_size / 1e6:.1f} MB"
        except UnicodeDecodeError as error:
            found = f"byte {error.start} that is not UTF-8"
        except FileNotFoundError:
            found = "no such file"
        except (OSError, ValueError) as error:
            found = f"a file that cannot be read ({getattr(error, 'strerror', None) or error})"
        self.problems.append(Problem(str(file), None, None, "", found, "a file or folder of manifests, or -"))

    def _text(self, text: str, file: str, *, explicit: bool) -> None:
        before = len(self.objects), len(self.problems), len(self.notes)
        for start, part in _parts(text):
            self._part(part, start, file, explicit=explicit)
        if explicit and before == (len(self.objects), len(self.problems), len(self.notes)):
            found = "nothing but white space and comments"
            self.problems.append(Problem(file, None, None, "", found, "at least one object of Kubernetes"))

    def _part(self, part: str, start: int, file: str, *, explicit: bool) -> None:
        """One document, which begins after `start` lines."""
        kind = _KIND.search(part)
        if len(part) > _LARGE and kind and kind[1] in _USELESS:
            stub: dict[str, Any] = {"apiVersion": "v1", "kind": kind[1]}
            self.objects.append(Manifest(Document(file, stub), stub))
            return
        try:
            tree, places, findings = parse("\n" * start + part, file)
        except ScenarioError as error:
            self.problems += _templated(error.problems, file, part, start)
            return
        document = Document(file, tree, places, Path(file).parent, tuple(findings))
        if findings:
            self.problems += _templated([document.problem(each) for each in findings], file, part, start)
        elif tree is not None:
            self._object(document, tree, (), explicit=explicit)

    def _object(self, document: Document, tree: Any, loc: Loc, *, explicit: bool) -> None:
        if not isinstance(tree, dict):
            wanted = "a mapping with apiVersion, kind and metadata"
            if explicit or loc:
                self.problems.append(document.problem(Finding(loc, show(tree), wanted)))
            return
        manifest = Manifest(document, tree, loc)
        if not manifest.kind or not tree.get("apiVersion"):
            self._nameless(manifest, explicit=explicit)
        elif isinstance(tree.get("items"), list) and manifest.kind.endswith("List"):
            for index, each in enumerate(tree["items"]):
                self._object(document, each, (*loc, "items", index), explicit=explicit)
        elif manifest.api.startswith("kustomize.config.k8s.io/"):
            self._kustomize(manifest, explicit=explicit)
        else:
            self.objects.append(manifest)
            self._held(manifest)

    def _kustomize(self, manifest: Manifest, *, explicit: bool) -> None:
        file = manifest.document.file
        way = f"kubectl kustomize {Path(file).parent} | python -m sim init kube -"
        if explicit:
            self.refuse(manifest, [Finding(manifest.loc, "a file of kustomize, which is not supported", way)])
        else:
            self.notes.append(f"{Path(file).name}: kustomize is not applied, its files are read as they stand ({way})")

    def _nameless(self, manifest: Manifest, *, explicit: bool) -> None:
        file = manifest.document.file
        bare = not manifest.kind and "apiVersion" not in manifest.tree
        if bare and Path(file).stem.lower() == "kustomization":
            self._kustomize(manifest, explicit=explicit)
            return
        if bare and not explicit:
            self.notes.append(f"{Path(file).name}: no object of Kubernetes, left out")
            return
        if "services" in manifest.tree:
            allowed = "manifests of Kubernetes; for a compose file: init compose"
            self.refuse(manifest, [Finding(("services",), "a compose file", allowed, None, True)])
            return
        keys = [key for key in ("apiVersion", "kind") if not manifest.tree.get(key)]
        near = {
            key: nearest(key, [each for each in manifest.tree if each not in ("apiVersion", "kind")]) for key in keys
        }
        told = "a value, it is required"
        for key in keys:
            meant = near[key]
            found = f"nothing as {key}" if meant else "nothing"
            self.refuse(manifest, [Finding((*manifest.loc, meant or key), found, told, key if meant else None)])

    def _held(self, manifest: Manifest) -> None:
        """Against Kubernetes' schema."""
        if has_schema(manifest.full):
            held = Held(manifest.tree, manifest.full, manifest.loc, strict=not manifest.old)
        elif manifest.full == OPENSHIFT:
            held = Held(
                below(manifest.tree, "spec").get("template"), "PodTemplateSpec", (*manifest.loc, "spec", "template")
            )
        else:
            self._foreign(manifest)
            return
        base = any(Path(manifest.document.file).parent.glob("[kK]ustomization*"))  # it adds the labels to select by
        self.refuse(manifest, (each for each in held.findings if not (base and each.loc[-1:] == ("selector",))))
        self.unknown.update(held.unknown)

    def _foreign(self, manifest: Manifest) -> None:
        """A kind whose form is not known here: one of Kubernetes' own, one misspelt, or a custom resource."""
        known = known_kinds()
        kinds = {each.partition(" ")[2] for each in known if each.startswith(f"{manifest.api} ")}
        homes = [each.partition(" ")[0] for each in known if each.endswith(f" {manifest.kind}")]
        if kinds and manifest.kind not in kinds and (near := nearest(manifest.kind, kinds)):
            found, allowed = f"{manifest.kind!r}, no kind of {manifest.api}", f"one of {', '.join(sorted(kinds))}"
            self.refuse(manifest, [Finding((*manifest.loc, "kind"), found, allowed, near)])
            return
        near = None if kinds else nearest(manifest.api, homes)
        if near is not None and near.partition("/")[0] != manifest.api.partition("/")[0]:  # no older or newer version
            found, allowed = f"{manifest.api!r}, which has no {manifest.kind}", f"one of {', '.join(homes)}"
            self.refuse(manifest, [Finding((*manifest.loc, "apiVersion"), found, allowed, near)])

    def _once(self) -> None:
        """Of two objects of one kind and name, the later holds, as when both are applied."""
        last: dict[tuple[str, str, str], Manifest] = {}
        for each in self.objects:
            key = (each.full, each.namespace, each.name)
            if key in last and each.name and each.document.file:
                self.notes.append(f"{each.kind} {each.name} is there twice, the later holds")
                del last[key]
            last[key if each.name else (*key[:2], str(len(last)))] = each
        self.objects = list(last.values())


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """(lines before it, text) of each document that holds more than comments."""
    bounds = [0, *(found.end() for found in _SPLIT.finditer(text)), len(text)]
    for begin, end in pairwise(bounds):
        part = text[begin:end]
        part = part.removesuffix("---") if end != len(text) or part.endswith("\n---") or part == "---" else part
        lines = (line.strip() for line in part.splitlines())
        if any(line and not line.startswith(("#", "...", "%")) for line in lines):
            yield text.count("\n", 0, begin), part


def _templated(problems: Iterable[Problem], file: str, part: str, start: int) -> list[Problem]:
    """The problems; if the first stands where a `{{ }}` is, that this is a template instead of all of them."""
    problems = list(problems)
    lines = part.splitlines()
    line = (problems[0].line or 1) - 1 - start
    near = next((at for at in (line, line - 1) if 0 <= at < len(lines) and "{{" in lines[at]), None)
    if near is None:
        return problems
    found = "a template of Helm (or of another, in {{ }})"
    return [Problem(file, near + start + 1, lines[near].index("{{") + 1, "", found, _RENDER)]


def _has_manifests(folder: Path) -> bool:
    try:
        return any(each.suffix.lower() in _ENDINGS for each in folder.iterdir())
    except OSError:
        return False
