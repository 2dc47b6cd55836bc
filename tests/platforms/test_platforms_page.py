"""The example of overrides in docs/how-to/platforms.md works."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from sim.platforms import load_platform

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "platforms.md").read_text("utf-8")


def test_the_pages_example_of_overrides_loads() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    platforms = YAML(typ="safe").load(example)["platforms"]
    assert set(platforms) == {"vm", "container", "ours"}
    loaded = {name: load_platform(name, overrides) for name, overrides in platforms.items()}
    assert [phase.name for phase in loaded["container"].startup][-3:] == ["netns", "cni", "run"]
    assert loaded["ours"].memory.guest_os == 30e6
