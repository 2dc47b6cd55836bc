"""Files of cases: what stands at the top level holds for every case of the file, and every mistake has its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sim.reading.document import Document, read_document
from sim.reading.errors import Finding, Refused, ScenarioError, nearest, show
from sim.reading.fields import findings_of
from sim.scorecard.specs import Case

OURS: Final = Path(__file__).parent / "cases"
"""Folder of the cases that hostsim ships."""
_OWN_KEYS: Final = ("about", "cases")
_WHOLE: Final = {"request_cpu", "request", "mix", "traffic", "autoscale", "replicas", "image", "known", "predicted"}


@dataclass(frozen=True)
class Loaded:
    """A case, and the file that it stands in."""

    case: Case
    file: Path

    @property
    def label(self) -> str:
        """What a mistake in its scenario is attributed to."""
        return f"{self.file.name}, case {self.case.case!r}"


def load(files: Iterable[Path]) -> list[Loaded]:
    """All cases of the files, in their order. Raises ScenarioError with every mistake of all of them."""
    found: list[Loaded] = []
    problems = []
    for file in files:
        try:
            found += _of_file(read_document(file), file)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return found


def shipped() -> list[Path]:
    """The files of cases that hostsim ships, by name."""
    return sorted(OURS.glob("*.yaml"))


def _of_file(document: Document, file: Path) -> list[Loaded]:
    tree: Mapping[str, Any] = document.tree
    given = tree.get("cases")
    if not isinstance(given, list) or not given:
        raise document.error([Finding(("cases",), show(given), "a list of cases, one at least")])
    known = {*Case.model_fields, *_OWN_KEYS}
    findings = [*document.findings]
    for key in tree:
        if key not in known:
            near = nearest(key, known)
            findings.append(Finding((key,), "an unknown key", f"one of {', '.join(sorted(known))}", near, on_key=True))
    common = {key: each for key, each in tree.items() if key in known and key not in _OWN_KEYS}
    cases = []
    for index, own in enumerate(given):
        if not isinstance(own, Mapping):
            findings.append(Finding(("cases", index), show(own), "a mapping, a case"))
            continue
        case, wrong = _case(common, own)
        findings += [each.under(*_home(each, common, own, index)) for each in wrong]
        cases += [case] if case is not None else []
    findings += _twice(given)
    if findings:
        raise document.error(_once(findings))
    return [Loaded(case, file) for case in cases]


def _case(common: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Case | None, list[Finding]]:
    try:
        return Case.model_validate(laid(common, own)), []
    except Refused as refused:
        return None, refused.findings
    except ValidationError as error:
        return None, findings_of(error, Case)


def _home(finding: Finding, common: Mapping[str, Any], own: Mapping[str, Any], index: int) -> tuple[str | int, ...]:
    """Where a mistake stands: in the case, unless only the top level of the file has its key."""
    key = finding.loc[0] if finding.loc else ""
    return () if key in common and key not in own else ("cases", index)


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """A mistake at the top level is one, however many cases there are."""
    return iter(dict.fromkeys(findings))


def _twice(given: Sequence[Any]) -> Iterator[Finding]:
    names = Counter(own["case"] for own in given if isinstance(own, Mapping) and isinstance(own.get("case"), str))
    for index, own in enumerate(given):
        if isinstance(own, Mapping) and names.get(own.get("case"), 0) > 1:
            yield Finding(("cases", index, "case"), f"{own['case']!r} again", "a name of its own for every case")


def laid(base: Any, over: Any) -> Any:
    """A tree with another laid over it: mappings key by key, anything else replaced; null takes a key away.

    What is one of several kinds (a distribution, traffic, an autoscaler, an image) is replaced as a whole.

    >>> laid({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": None}, "d": [4]})
    {'a': {'b': 3}, 'd': [4]}
    >>> laid({"request_cpu": {"exponential": "1ms"}}, {"request_cpu": {"gamma": {"mean": "1ms", "cv": 2}}})
    {'request_cpu': {'gamma': {'mean': '1ms', 'cv': 2}}}
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    whole = dict(base)
    for key, each in over.items():
        if each is None:
            whole.pop(key, None)
        else:
            whole[key] = each if key in _WHOLE or _other_form(key, base, each) else laid(base.get(key), each)
    return whole


def _other_form(key: str, base: Mapping[str, Any], over: Any) -> bool:
    """A size for all platforms and one for each are two forms of it: the one replaces the other."""
    given = base.get(key)
    if key != "size" or not isinstance(given, Mapping) or not isinstance(over, Mapping):
        return False
    return {"cpu", "memory"}.isdisjoint(given) != {"cpu", "memory"}.isdisjoint(over)


def select(cases: Sequence[Loaded], only: str | None) -> list[Loaded]:
    """The cases with all of the words of `only` in name, kind, topic, platform, source or file; None: all."""
    words = (only or "").lower().split()
    return [each for each in cases if all(map(partial(_has, each), words))]


def _has(each: Loaded, word: str) -> bool:
    case = each.case
    return word in " ".join((case.case, case.kind, case.topic, case.platform, case.source, each.file.stem)).lower()
