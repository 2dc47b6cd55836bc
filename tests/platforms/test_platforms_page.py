"""docs/platforms.md lists the catalogue as it is, and its example of overrides works."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sim.platforms import describe, load_platform, names

PAGE = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text("utf-8")


def listed(name: str) -> set[str]:
    """The rows of the page's table of a platform."""
    section = PAGE.split(f"\n### {name}\n", 1)[1].split("\n### ", 1)[0]
    return {line for line in section.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("name", names())
def test_the_page_lists_every_number_as_it_is(name: str) -> None:
    base = load_platform(name).based_on
    inherited = set(describe(base)) if base else set()
    own = [row for row in describe(name) if row not in inherited]
    assert listed(name) == {f"| `{row.path}` | {row.text} | {row.trust} | {row.source} |" for row in own}


def test_the_pages_example_of_overrides_loads() -> None:
    example = PAGE.split("## Override a number", 1)[1].split("\n\n", 2)[1]
    platforms = YAML(typ="safe").load(example)["platforms"]
    assert set(platforms) == {"vm", "container", "ours"}
    loaded = {name: load_platform(name, overrides) for name, overrides in platforms.items()}
    assert [phase.name for phase in loaded["container"].startup][-3:] == ["netns", "cni", "run"]
    assert loaded["ours"].memory.guest_os == 30e6
