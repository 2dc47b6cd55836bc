"""The reference pages of the documentation, made from what the program itself prints: nothing in them is kept by hand.

    python scripts/docs_reference.py [FOLDER]     # look at the Markdown (default: build/reference)

`python -m mkdocs build` calls `pages()` (see docs_site.py).
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sim
from sim import registry
from sim.cli import main
from sim.report.metrics.known import known

QUANTITIES: Mapping[str, str] = {
    "1h30min": "duration", "512MiB": "size", "100/s": "rate", "10Gbit/s": "bandwidth", "250m": "cores", "60%": "ratio",
    "0.5": "number",
}  # fmt: skip
"""A text that only this kind of quantity (or one further down) takes, and what the kind is called."""


def pages() -> dict[str, str]:
    """Give the Markdown of each reference page, by its file name."""
    return {
        "scenario.md": scenario(), "metrics.md": metrics(), "platforms.md": platforms(), "commands.md": commands(),
        "python.md": python(), "plugins.md": plugins(),
    }  # fmt: skip


def printed(*arguments: str) -> str:
    """Give what a command prints; raises RuntimeError when it fails."""
    out, width = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(out):
            code = main(arguments)
    finally:
        os.environ.pop("COLUMNS")
        os.environ.update({} if width is None else {"COLUMNS": width})
    if code:
        raise RuntimeError(f"python -m sim {' '.join(arguments)} ended with {code}")
    return out.getvalue()


def scenario() -> str:
    """The scenario file: a table of keys for each mapping of the JSON Schema."""
    schema = json.loads(printed("schema"))
    parts = [
        "# The scenario file",
        "Made from `python -m sim schema`, which is the JSON Schema for editors. Keys that are not here are refused.",
        _mapping("Scenario", schema),
    ]
    parts += [_mapping(name, each) for name, each in schema["$defs"].items()]
    return "\n\n".join(parts) + "\n"


def _mapping(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"| `{key}` | {kind(each)} | {_default(key, each, required)} | {_cell(each.get('description', ''))} |"
        for key, each in schema.get("properties", {}).items()
    ]
    head = f"## {name}\n\n{schema.get('description', '')}"
    return "\n".join([head, "", "| key | value | default | meaning |", "|---|---|---|---|", *rows])


def _default(key: str, schema: Mapping[str, Any], required: Any) -> str:
    if key in required:
        return "**needed**"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if "default" in schema else ""


def kind(schema: Mapping[str, Any]) -> str:
    """Say in a few words of Markdown what a JSON Schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema or "oneOf" in schema:
        several = dict.fromkeys(kind(each) for each in schema.get("anyOf", schema.get("oneOf")))
        quantities = {each for each in several if each in QUANTITIES.values()}
        return " or ".join(each for each in several if each != "number" or not quantities - {"number"})
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "pattern" in schema:
        return quantity(schema["pattern"])
    names = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`", "null": "nothing"}
    named = schema.get("type", "anything")
    if named == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return _object(schema) if named == "object" else names.get(str(named), str(named))


def quantity(pattern: str) -> str:
    """Name the kind of quantity that a pattern of the schema takes."""
    if "[eE]" not in pattern:
        return "text"
    return next((name for text, name in QUANTITIES.items() if re.fullmatch(pattern, text)), "text")


def _object(schema: Mapping[str, Any]) -> str:
    keys = schema.get("properties", {})
    if "exponential" in keys:
        return "distribution"
    if keys:
        return f"{{{', '.join(keys)}}}"
    values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    inner = next((each for each in values if isinstance(each, Mapping)), {})
    return f"mapping of name to {kind(inner)}" if "$ref" in inner or "anyOf" in inner else "mapping"


def _cell(text: str) -> str:
    """Text as it can stand in a table: one line, nothing taken for Markdown or HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def metrics() -> str:
    """Every metric, under the question that it answers."""
    parts = [
        "# Metrics",
        "What `summary.csv` has a row of, for each platform, replication and service. How each is computed is under "
        "[results](../results.md). Each phase of a start has its own too: `startup.<phase>.mean`, `.p50`, `.p95`, "
        "`.p99`, `.max`.",
    ]
    all_of_them = known().values()
    for question in dict.fromkeys(each.question for each in all_of_them):
        rows = [
            f"| `{each.name}` | {each.unit} | {each.better or '–'} | {'yes' if each.per_service else 'host only'} "
            f"| {_cell(each.label)} | {_cell(each.meaning)} |"
            for each in all_of_them
            if each.question == question
        ]
        head = ["| name | unit | better | of a service | in the tables | meaning |", "|---|---|---|---|---|---|"]
        parts.append("\n".join([f"## {question}", "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def platforms() -> str:
    """Every number of every platform, with its source."""
    parts = [
        "# Platforms, number by number",
        "Made from `python -m sim platforms NAME`. How the numbers were found and checked is under "
        "[platforms](../platforms.md); [how to use others](../how-to/platforms.md).",
    ]
    for each in json.loads(printed("platforms", "--format", "json")):
        rows = [
            f"| `{row['path']}` | {_cell(_with_range(row))} | {_cell(row['trust'])} | {_cell(row['source'])} |"
            for row in json.loads(printed("platforms", each["name"], "--format", "json"))
        ]
        head = ["| number | value | trust | source |", "|---|---|---|---|"]
        base = f" Based on `{each['based_on']}`." if each["based_on"] else ""
        parts.append("\n".join([f"## {each['name']}", "", f"{_cell(each['title'])}.{base}", "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def _with_range(row: dict[str, str]) -> str:
    return f"{row['text']} ({row['range']})" if row["range"] else row["text"]


def commands() -> str:
    """The help of every command, as it is printed."""
    whole = printed("--help")
    names = ["run", *re.findall(r"^  python -m sim ([a-z]+) ", whole, re.MULTILINE)]
    parts = ["# Commands", f"```text\n{whole}```"]
    parts += [f"## {name}\n\n```text\n{printed(name, '--help')}```" for name in names]
    return "\n\n".join(parts) + "\n"


def python() -> str:
    """The public names of `import sim`, with their signatures and docstrings."""
    parts = ["# Python", _prose(sim)]
    parts += [f"## {name}\n\n{_code(f'sim.{name}', getattr(sim, name))}" for name in sim.__all__]
    return "\n\n".join(parts) + "\n"


def plugins() -> str:
    """What is registered under each kind of name, and what a package has to offer to add its own."""
    parts = ["# Plug-ins", _prose(registry)]
    for kind, what in registry.KINDS.items():
        importlib.import_module(what.base.partition(":")[0])  # registers the project's own
        known_names = ", ".join(f"`{name}`" for name in registry.names(kind))
        parts.append(f"## {kind}\n\nEntry-point group `hostsim.{kind}`. There are: {known_names}.")
    contracts = [getattr(registry, name) for name in registry.__all__]
    parts += [
        f"## {each.__name__}\n\n{_prose(each)}\n\n"
        + "\n\n".join(_code(f"def {name}", method) for name, method in vars(each).items() if _is_told(name, method))
        for each in contracts
        if getattr(each, "_is_protocol", False)
    ]
    return "\n\n".join(parts) + "\n"


def _is_told(name: str, method: object) -> bool:
    return (name == "__call__" or name[0] != "_") and (inspect.isfunction(method) or isinstance(method, property))


def _code(head: str, thing: Any) -> str:
    """The signature as code, and the docstring below it."""
    if isinstance(thing, property):
        head, thing = head.replace("def ", ""), thing.fget
        text = f"{head}: {_annotation(inspect.signature(thing).return_annotation)}"
    elif inspect.isclass(thing):
        text = f"class {head}({', '.join(base.__name__ for base in thing.__bases__)})"
    else:
        signature = inspect.signature(thing)
        star = next((name for name, each in signature.parameters.items() if each.kind is each.KEYWORD_ONLY), None)
        given = [("*, " if name == star else "") + _parameter(each) for name, each in signature.parameters.items()]
        long = len(given) > 3
        inner = "".join(f"\n    {each}," for each in given) + "\n" if long else ", ".join(given)
        text = f"{head}({inner}) -> {_annotation(signature.return_annotation)}"
    return f"```python\n{text}\n```\n\n{_prose(thing)}"


def _parameter(each: inspect.Parameter) -> str:
    typed = each.name if each.annotation is each.empty else f"{each.name}: {_annotation(each.annotation)}"
    return typed if each.default is each.empty else f"{typed} = {each.default!r}"


def _annotation(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _prose(thing: object) -> str:
    """A docstring as Markdown: its examples become blocks of code."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"^>>> .*?(?=\n\n|\Z)", r"```pycon\n\g<0>\n```", text, flags=re.DOTALL | re.MULTILINE)


def write(folder: Path) -> None:
    """Write every page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
        print(folder / name)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "build/reference"))
