"""What makes an answer doubtful: every kind of doubt, and one doubt with its numbers.

`wrong`: a number does not mean what its name says, and no winner is named from it. `weak`: true but thin. `note`:
something to know. Kinds that need no run are found by `sim.experiment.foresight`, the others by
`sim.report.answers.doubts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sim.terms.metrics import ALL, TAILS

Severity: TypeAlias = Literal["wrong", "weak", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("wrong", "weak", "note")
"""From bad to harmless: the order in which doubts are told."""
UNMEASURED: Final = ("assumption", "memory")
"""Trust of a number of the catalogue that nobody has measured, or that was written down from memory."""


@dataclass(frozen=True)
class DoubtKind:
    """A kind of doubt. `touches`: metrics that mean something else then; a name that ends in `.` stands for all below.

    `when` and `advice` are what `explain` says of it.
    """

    severity: Severity
    when: str
    advice: str
    touches: Sequence[str] = ()


_TIMES: Final = ("response.", "waiting.", "request.")
_SERVED: Final = (*_TIMES, "slo.met")
_UNLIKE: Final = (
    *_SERVED,
    "energy.",
    "cost.",
    "carbon.",
    "startup.",
    "scale_out.time",
    "deploy.",
    "cpu.",
    "memory.",
    "guests.",
)

DOUBTS: Final[Mapping[str, DoubtKind]] = {
    "never-served": DoubtKind(
        "wrong", "a service had no ready replica in the measured span, or completed nothing, though it has traffic",
        "see what binds, or measure longer", _UNLIKE,
    ),
    "partly-placed": DoubtKind(
        "wrong", "fewer replicas were ever admitted than were asked for: the others have no place",
        "ask for fewer, or a larger host", _UNLIKE,
    ),
    "oom-loop": DoubtKind(
        "wrong", "a replica needs more memory than its limit when idle or with one request, or was killed all the time",
        "raise the memory limit", _UNLIKE,
    ),
    "survivors": DoubtKind(
        "wrong", "platforms completed different shares of their requests (by more than 1 %): a percentile is of those "
        "that got through",
        "compare what was completed", _TIMES,
    ),
    "overload": DoubtKind(
        "wrong", "more work arrives than the guests' caps or the host give: the queue grows as long as the run goes on",
        "less load, or more cores", _SERVED,
    ),
    "boots-in-span": DoubtKind(
        "wrong", "replicas asked for at the start became ready inside the measured span, or the queue that grew while "
        "they started was still there in it, and requests had to wait or were lost",
        "try `warmup: auto`", (*_SERVED, "requests.completed", "goodput"),
    ),
    "clock-unit": DoubtKind(
        "wrong", "a trace covers less than 1 % of the run or more than 100 times as much: its times are probably in "
        "another unit",
        "say `unit: ms` (or us, ns) beside the trace's file", ("",),
    ),
    "not-same-question": DoubtKind(
        "wrong", "results are compared whose scenarios differ in more than the seed or the platforms",
        "compare results of one scenario", ("",),
    ),
    "few-samples": DoubtKind(
        "weak", "fewer than 100 / (1 − q) requests are behind a percentile q; it names no clear winner",
        "longer `duration`",
    ),
    "not-settled": DoubtKind(
        "weak", "the number of requests in flight rises or falls over the second half of the run (Mann-Kendall)",
        "longer `duration`",
    ),
    "many-tests": DoubtKind(
        "weak", "an SLO is judged for many tenants, each by a test of its own: some miss by chance. How often is told, "
        "without and with Holm's correction, and how many miss it with it",
        "more `replications` make it sharper",
    ),
    "unequal-promise": DoubtKind(
        "note", "platforms promise different CPU or memory to a replica of the same service, or let it use different "
        "amounts of them",
        "",
    ),
    "trace-ends": DoubtKind(
        "note", "a trace, or the last stage of a ramp, ends before the run does: no traffic comes from it after that",
        "`repeat: true` beside the trace's file, or a shorter `duration`",
    ),
    "defaulted": DoubtKind(
        "note", "a number that moves the answer was left out, and a default stands for it",
        "give the number",
    ),
    "assumed": DoubtKind(
        "note", "a number that moves the answer is an assumption of the catalogue, not measured by anybody",
        "override it",
    ),
}  # fmt: skip
"""Code → kind, from bad to harmless."""


@dataclass(frozen=True)
class Doubt:
    """One doubt: a line for people, its numbers for programs.

    `platform` and `service` are empty where it is not about one; `all` stands for all services together. `severity` is
    the kind's, or a milder one where the scenario's focus is on nothing that the doubt touches.
    """

    code: str
    text: str
    platform: str = ""
    service: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    severity: Severity = "wrong"

    @property
    def touches(self) -> Sequence[str]:
        """Metrics that mean something else because of it; see `DoubtKind`."""
        return DOUBTS[self.code].touches

    @property
    def line(self) -> str:
        """The doubt in one line."""
        who = ", ".join(name for name in (self.platform, self.service) if name not in ("", ALL))
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.severity}: {self.code}: {f'{who}: ' if who else ''}{self.text}{advice}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as the manifest and `--format json` have it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "platform": self.platform or None,
            "service": self.service or None,
            "text": self.text,
            "numbers": dict(self.numbers),
            "advice": self.advice,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Doubt:
        """Read `as_dict` back."""
        return cls(
            data["code"], data["text"], data.get("platform") or "", data.get("service") or "", data.get("numbers", {}),
            data.get("advice", ""), data["severity"],
        )  # fmt: skip


def doubt(code: str, text: str, platform: str = "", service: str = "", advice: str = "", **numbers: Any) -> Doubt:
    """A doubt of a kind, with the kind's severity and advice unless another advice is given."""
    kind = DOUBTS[code]
    return Doubt(code, text, platform, service, numbers, advice or kind.advice, kind.severity)


def touches(names: Sequence[str], metric: str) -> bool:
    """Whether `metric` is one of `names`; one that ends in `.`, or an empty one, stands for all that begin with it."""
    return any(metric.startswith(name) if name[-1:] in ("", ".") else metric == name for name in names)


def touched(doubts: Sequence[Doubt], metric: str, service: str = ALL) -> list[Doubt]:
    """Those doubts of any severity that make `metric` mean something else, of this service or of all together."""
    return [
        each for each in doubts
        if touches(each.touches, metric)
        and (service == ALL or each.service in ("", service, service.rpartition("-")[0]))
    ]  # fmt: skip


def thin(doubts: Sequence[Doubt], metric: str, service: str = ALL) -> bool:
    """Whether too few requests are behind this percentile of the response time."""
    return any(
        each.code == "few-samples"
        and metric.removeprefix("response.") in TAILS
        and each.numbers.get("percentile") == TAILS[metric.removeprefix("response.")]
        and service in each.numbers.get("services", ())
        for each in doubts
    )


def in_order(doubts: Sequence[Doubt]) -> list[Doubt]:
    """From bad to harmless, each once; equal ones as found."""
    places = {code: place for place, code in enumerate(DOUBTS)}
    unique = list({(each.code, each.platform, each.service, each.text): each for each in doubts}.values())
    return sorted(unique, key=lambda each: (SEVERITIES.index(each.severity), places[each.code]))
