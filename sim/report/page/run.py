"""The page of a run, or of several results put side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.report.answers.verdict import briefly
from sim.report.answers.when_to_use import TITLE
from sim.report.answers.when_to_use import sentences as when_to_use
from sim.report.page.document import Grid, Page
from sim.report.page.figures import charts_of
from sim.report.page.palette import tones
from sim.report.page.replay import replay_of
from sim.report.page.sources import citation, facts_of, scenario_text, sources_of
from sim.report.results import Results
from sim.report.text.terminal import blocks, legend, title

_LEFT = "manifest.json"
MOST_EVENTS = 200
_NOISE = {"requested", "ready"}
"""Events that the figures and the replay show, and that would drown the others in the list."""


def page_of_run(results: Results) -> Page:
    """Everything that a finished result has to say. Raises ValueError when no run has finished."""
    comparison = results.comparison
    looks = tones(results.platforms)
    manifest = results.manifest
    return Page(
        name=results.name,
        kind="run",
        headline=title(comparison),
        description=str(manifest["scenario"].get("description", "")),
        platforms=results.platforms,
        doubts=results.doubts,
        answer=[*briefly(comparison), *_stopped(manifest)],
        blocks=blocks(comparison),
        every=blocks(comparison, all_rows=True),
        legend=legend(comparison),
        tables=list(_events(results)),
        more=[
            (heading, told)
            for heading, told in (("In short", results.verdict), (TITLE, when_to_use(comparison)))
            if told
        ],
        replay=replay_of(results, looks),
        charts=charts_of(results, looks),
        sources=sources_of(manifest.get("platforms", {})),
        scenario=scenario_text(manifest["scenario"]),
        facts=facts_of(manifest),
        cite=citation(manifest),
        again=[
            f"python -m sim {_LEFT} --out again",
            "# same versions, same bytes: again/summary.csv is this result's. This compares them, with its folder:",
            "python -m sim reproduce FOLDER",
        ],
        lacking=recordings_of(manifest["scenario"]),
        manifest={key: value for key, value in manifest.items() if key != "runs"},
    )


def recordings_of(scenario: dict[str, Any]) -> list[str]:
    """What a scenario replays that is not part of its manifest."""
    services = scenario.get("services", {})
    names = [
        name for name, each in services.items() if any(one.get("kind") == "trace" for one in each.get("traffic") or ())
    ]
    return (
        [f"The recording that {', '.join(names)} replays is not part of it: its file is needed, too."] if names else []
    )


def _stopped(manifest: dict[str, Any]) -> Iterator[str]:
    reason = manifest.get("replications", {})
    if isinstance(reason, dict) and reason.get("reason"):
        yield f"Stopped because: {reason['reason']}."
    if manifest.get("state") == "incomplete":
        lacking = manifest.get("missing", "some")
        failed = len(manifest.get("failed", []))
        yield f"Not complete: {lacking} runs are missing ({failed} failed); this is of those that finished."


def _events(results: Results) -> Iterator[Grid]:
    """What happened when, in the first replication, without the starts."""
    events = results.events
    own = events[(events["replication"] == events["replication"].min()) & ~events["event"].isin(_NOISE)]
    own = own.sort_values("time", kind="stable")
    if own.empty:
        return
    rows = [
        [f"{time:,.2f}", platform, event, guest or "the host", detail or ""]
        for time, platform, event, guest, detail in own[["time", "platform", "event", "guest", "detail"]]
        .fillna("")
        .head(MOST_EVENTS)
        .itertuples(index=False)
    ]
    note = f"The first {MOST_EVENTS} of {len(own):,}; events.parquet has all." if len(own) > MOST_EVENTS else ""
    yield Grid(
        "What happened when (first replication; starts are in the figures)",
        ("time (s)", "platform", "what", "who", "detail"),
        rows,
        (0,),
        note,
    )
