"""The replay plays what was recorded: who has which place, in which state, since when."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.report.page.palette import tones
from sim.report.page.replay import AWAY, DOWN, GONE, SERVING, STARTING, WARM, replay_of, states_of
from sim.report.results import Results
from sim.terms.columns import NO_FALL

END = 200.0  # so that a place shows for a second that its guest has left


def events(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame([(*row, "")[:4] for row in rows], columns=["time", "guest", "event", "detail"])


def test_a_guest_starts_serves_falls_comes_back_and_goes() -> None:
    told = events(
        (0.0, "a", "requested"), (2.0, "a", "ready"), (50.0, "", "fault", "kernel-panic"),
        (50.0, "a", "kernel-panic", "its own kernel"), (60.0, "a", "ready"), (80.0, "a", "stopped", "scaled in"),
    )  # fmt: skip
    changes, places = states_of(told, END)
    assert places == 1
    assert changes == [
        (0.0, 0, STARTING, "a", ""),
        (2.0, 0, SERVING, "a", ""),
        (50.0, 0, DOWN, "a", "kernel-panic: its own kernel"),
        (60.0, 0, SERVING, "a", ""),
        (80.0, 0, AWAY, "a", "scaled in"),
        (81.0, 0, GONE, "", ""),
    ]


def test_a_place_is_taken_again_when_it_is_empty_and_not_before() -> None:
    told = events(
        (0.0, "a", "requested"), (0.0, "b", "requested"), (10.0, "a", "stopped", "scaled in"),
        (10.5, "c", "requested"), (30.0, "d", "requested"),
    )  # fmt: skip
    changes, places = states_of(told, END)
    taken = {guest: place for _, place, state, guest, _ in changes if state == STARTING}
    assert taken == {"a": 0, "b": 1, "c": 2, "d": 0}
    assert places == 3


def test_guests_of_another_host_and_words_about_no_guest_have_no_place() -> None:
    told = events(
        (0.0, "a", "requested"), (5.0, "b", "requested", "on another host"), (7.0, "b", "ready"),
        (8.0, "a", "moved"), (9.0, "", "scale", "shop: 1 to 2"), (10.0, "a", "resized"), (11.0, "x", "oom-kill"),
    )  # fmt: skip
    changes, places = states_of(told, END)
    assert places == 1
    assert [(time, state) for time, _, state, _, _ in changes] == [(0.0, STARTING), (8.0, AWAY), (9.0, GONE)]


def test_a_resize_is_no_fall() -> None:
    changes, _ = states_of(events((0.0, "a", "requested"), (1.0, "a", "ready"), (5.0, "a", "resized", "2 cores")), END)
    assert [state for _, _, state, _, _ in changes] == [STARTING, SERVING]


def test_counts_of_the_replay_are_those_of_the_timeline(small: Path) -> None:
    """Two records of one run: at every sample, the tiles that serve are as many as the timeline says."""
    results = Results(small)
    found = replay_of(results, tones(results.platforms))
    assert found is not None
    assert found["step"] == pytest.approx(60.0 / 500)
    assert found["end"] == 60.0
    for host in found["hosts"]:
        changes, samples = host["changes"], host["samples"]
        line = results.timeline.query("replication == 0 and platform == @host['platform']")
        state = [GONE] * host["places"]
        at = 0
        for time, ready in zip(samples["time"], line["ready"], strict=True):
            while at < len(changes["time"]) and changes["time"][at] <= time:
                state[changes["place"][at]] = changes["state"][at]
                at += 1
            near = any(abs(moment - time) < 2e-3 for moment in changes["time"])  # rounded to a millisecond
            assert near or state.count(SERVING) == ready, (host["platform"], time)
        assert {DOWN, SERVING, STARTING} <= set(changes["state"])
        assert any("kernel-panic" in what for what in host["told"]["what"])


def test_containers_fall_together_and_vms_one_by_one(small: Path) -> None:
    results = Results(small)
    found = replay_of(results, tones(results.platforms))
    assert found is not None
    fell = {host["platform"]: host["changes"]["state"].count(DOWN) for host in found["hosts"]}
    assert fell == {"vm": 1, "container": 3}


def test_a_guest_that_is_kept_warm_is_not_down_nor_is_one_that_somebody_is_in() -> None:
    told = events(
        (0.0, "a", "requested"), (9.0, "a", "warm"), (20.0, "a", "compromised"), (30.0, "a", "taken"),
        (31.0, "a", "ready"), (40.0, "a", "move-aborted", "after 30 rounds"),
    )  # fmt: skip
    changes, _ = states_of(told, END)
    assert [(time, state) for time, _, state, _, _ in changes] == [
        (0.0, STARTING), (9.0, WARM), (30.0, STARTING), (31.0, SERVING),
    ]  # fmt: skip


def test_every_event_of_a_guest_that_the_model_notes_is_known_to_be_no_fall() -> None:
    """`start-limit` is one: the guest stays down."""
    text = "\n".join(path.read_text("utf-8") for path in Path(sim.__path__[0], "model").rglob("*.py"))
    noted = set(
        re.findall(
            r"""(?:note\.fire\(\s*guest|guest_\w+\.connect\(lambda guest: self\._of\(guest), "([\w-]+)\"""", text
        )
    )
    assert noted >= {"ready", "warm", "taken", "move-aborted", "start-limit"}
    assert noted - {"start-limit"} <= NO_FALL
    assert set(re.findall(r'self\._expose\(.*"(\w+)"\)', text)) == {"compromised", "exposed"} <= NO_FALL
