"""`validate`, `platforms`, `schema`: what is known without running anything."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from typing import Any

from . import DONE, DOUBTED, WRONG_INPUT


def validate(options: Namespace) -> int:
    """Check scenario and sweep files; every mistake of every file is told."""
    from sim.experiment.effort import limits
    from sim.experiment.foresight import foresee
    from sim.experiment.replications.runner import platforms_of
    from sim.experiment.study import most_replications
    from sim.experiment.sweep.doubts import foresee_sweep
    from sim.reading.document import read_document
    from sim.reading.errors import ScenarioError
    from sim.scenario import load_scenario, load_sweep, points

    checks = limits.checks(options.force)
    mistakes = wrong = 0
    for file in options.files:
        try:
            tree = read_document(file).tree
            if "base" in tree and "services" not in tree:
                sweep = load_sweep(file, overrides=options.overrides, checks=checks)
                listed = points(sweep)
                if not options.force:
                    limits.check_sweep(sweep, listed, most_replications(sweep.scenario(listed[0])))
                what, found, rest = f"a sweep of {len(listed):,} points", foresee_sweep(sweep), ""
            else:
                scenario = load_scenario(file, overrides=options.overrides, checks=checks)
                found = foresee(scenario, platforms_of(scenario))
                what, rest = f"scenario {scenario.name}", f" ({', '.join(scenario.platforms)})"
            doubted = sum(each.severity == "wrong" for each in found)
            wrong += doubted
            print(f"{file}: {what}, {'can be run, but' if doubted else 'correct'}{rest}")
            for each in found:
                print(f"  {each.line}")
        except ScenarioError as error:
            mistakes += len(error.problems)
            print(error, file=sys.stderr)
    if mistakes:
        print(f"{mistakes} mistake{'' if mistakes == 1 else 's'}", file=sys.stderr)
    return WRONG_INPUT if mistakes else DOUBTED if wrong and options.strict else DONE


def schema(options: Namespace) -> int:
    """Print the JSON Schema of the scenario file."""
    from sim.scenario import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return DONE


def platforms(options: Namespace) -> int:
    """Print the catalogue, or one platform with every number, its unit and its source."""
    from sim.platforms import names

    if options.name is None:
        return _all_platforms(options.format)
    if options.name not in names():
        from sim.experiment.study import StudyError
        from sim.reading.errors import nearest

        near = nearest(options.name, names())
        hint = f"; did you mean {near}?" if near else ""
        raise StudyError(f"{options.name}: an unknown platform; known: {', '.join(names())}{hint}")
    return _one_platform(options.name, options.format)


def _all_platforms(form: str) -> int:
    from sim.platforms import load_platform, names

    found = [load_platform(name) for name in names()]
    if form == "json":
        data: list[dict[str, Any]] = [
            {"name": each.name, "title": each.title, "based_on": each.based_on, "allocation": each.allocation,
             "startup": [phase.name for phase in each.startup]}
            for each in found
        ]  # fmt: skip
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return DONE
    table = _table("platform", "what it is", "allocation", "start-up phases")
    for each in found:
        table.add_row(each.name, each.title, each.allocation, ", ".join(phase.name for phase in each.startup))
    _print(table)
    print("\npython -m sim platforms NAME shows every number with its unit, source and how far to trust it.")
    return DONE


def _one_platform(name: str, form: str) -> int:
    from sim.platforms import describe, load_platform

    rows = describe(name)
    if form == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2, ensure_ascii=False))
        return DONE
    print(f"{name}: {load_platform(name).title}\n")
    table = _table("number", "value", "trust", "source")
    for row in rows:
        table.add_row(row.path, f"{row.text} ({row.range})" if row.range else row.text, row.trust, row.source)
    _print(table)
    return DONE


def _table(*headers: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, header in enumerate(headers):
        table.add_column(header, no_wrap=number == 0, overflow="fold")
    return table


def _print(table: Any) -> None:
    from sim.report.text.terminal import make_console

    make_console(sys.stdout).print(table)
