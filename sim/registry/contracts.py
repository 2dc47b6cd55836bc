"""What a plug-in of each kind must offer, and where the project's own come from."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class ServiceState(Protocol):
    """What an autoscaler may know of its service at a decision."""

    @property
    def rule(self) -> Any:
        """Its spec, as the scenario gives it."""

    @property
    def now(self) -> float:
        """Time, s."""

    @property
    def wanted(self) -> int:
        """Replicas asked for: those alive and those that wait for room."""

    @property
    def ready(self) -> int:
        """Replicas that serve."""

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""

    @property
    def work(self) -> float:
        """Core-seconds of requests since the start of the run, also of replicas on another host."""

    @property
    def cpu_each(self) -> float:
        """Cores that a replica's size asks for."""


class Autoscaler(Protocol):
    """How many replicas a service shall have. The behaviour is the class: an object is made for each service of a run.

    Its `Spec` is a `sim.scenario.Rule`: a service starts with `min` replicas, `decide` is asked every `sync` seconds,
    and what it says is kept between `min` and `max`.
    """

    def decide(self, state: ServiceState) -> int:
        """The number of replicas from now on."""


class PhaseStory(Protocol):
    """One phase of a start-up, as a SimPy process. Its `Spec` is a `sim.platforms.Phase` with further fields."""

    def __call__(self, guest: Any, phase: Any) -> Generator[Any, Any, None]:
        """Let the phase pass: `yield guest.env.timeout(1.0)`, say. `phase` is the spec."""


class FaultMeans(Protocol):
    """What a fault may do to the host."""

    @property
    def env(self) -> Any:
        """The clock, SimPy's environment: `yield means.env.timeout(1.0)`."""

    def guests(self) -> Sequence[Any]:
        """All guests on the host (each with `.name`, `.service`, `.state`, `.machine`)."""

    def crash(self, guests: Sequence[Any], event: str, detail: str) -> None:
        """Their applications die: what they held fails, and they restart as the platform restarts them."""

    def reboot(self, event: str, outage: float) -> None:
        """The host's kernel is away for `outage` s, and all its guests with it; then they start at once."""

    def note(self, guest: Any, event: str, detail: str) -> None:
        """A row of the events, of a guest or (None) of the host."""


class FaultStory(Protocol):
    """What a fault does when its time has come. Its `Spec` is a `sim.scenario.Fault`, which says when and to whom."""

    def __call__(self, means: FaultMeans, fault: Any, guest: Any) -> Generator[Any, Any, None] | None:
        """Strike `guest` (one that serves and that the fault is meant for); a generator goes on as a SimPy process."""


class ArrivalTimes(Protocol):
    """Requests from outside, whatever the system does. Its `Spec` is a `sim.scenario.Source` with fields of its own.

    The numbers of `rng` are the same on every platform. A function of (rng, duration) will do where there is no spec.
    """

    def __call__(self, rng: np.random.Generator, duration: float, source: Any) -> ArrayLike:
        """Times of arrival in seconds, ascending, in [0, duration)."""


class Door(NamedTuple):
    """Where a kind comes from: `base` is the class of its specs, in the module that registers the project's own;
    `behaviours` the module that registers their behaviours; `part` what a plug-in calls its behaviour ("": itself).
    """

    base: str
    behaviours: str
    part: str


KINDS: Final[Mapping[str, Door]] = {
    "autoscalers": Door("sim.scenario.scaling:Rule", "sim.model.control.scaling", ""),
    "phases": Door("sim.platforms.schema:Phase", "sim.model.guests.phases", "run"),
    "faults": Door("sim.scenario.incidents:Fault", "sim.model.control.faults", "happen"),
    "traffic": Door("sim.scenario.traffic:Source", "sim.model.traffic.arrivals", "arrivals"),
    "metrics": Door("sim.terms.metrics:Metric", "", ""),
    "platforms": Door("sim.platforms.catalogue:", "", ""),
}
