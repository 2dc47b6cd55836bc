"""`init`: a scenario to begin with, from nothing or from compose files, manifests of Kubernetes, a Prometheus."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import DONE

if TYPE_CHECKING:
    from sim.imports.draft import Draft
    from sim.imports.writing import Extras


def command(options: Namespace) -> int:
    """Write a scenario to `-o`, or print it; what was guessed and left out goes to standard error."""
    from sim.experiment.study import StudyError

    out = Path(options.out) if options.out else None
    if out is not None and out.exists() and not options.overwrite:
        raise StudyError(f"{out} is there already: another name, or --overwrite")
    if out is not None and not out.parent.is_dir():
        raise StudyError(f"{out.parent}: no such folder")
    if options.source is None:
        from sim.imports.starter import STARTER

        _refuse_options(options)
        return _deliver(STARTER, out)
    if not options.files:
        raise StudyError(f"init {options.source}: at least one file")
    if options.source == "prometheus":
        return _replay(options, out)
    return _import(options, _draft(options), out)


def _replay(options: Namespace, out: Path | None) -> int:
    from sim.imports.draft import scenario_name
    from sim.imports.prometheus.replay import read_replay

    _refuse_options(options)
    text = read_replay(options.files, scenario_name(out.stem if out else "", "replay"), str(out or "replay.yaml"))
    _tell(text)
    return _deliver(text, out, "python -m sim")


def _refuse_options(options: Namespace) -> None:
    from sim.experiment.study import StudyError

    if options.traffic or options.entry or options.window or options.images:
        why = "; the files of `init prometheus` have the traffic" if options.source else ""
        raise StudyError(f"--traffic, --window, --images and --entry are of `init compose` and `init kube`{why}")


def _tell(text: str) -> None:
    """The head of a scenario, and how much in it is guessed, to standard error."""
    from sim.imports.writing import guesses_of

    head = [line for line in text.splitlines() if line.startswith("#")]
    print("\n".join(line.removeprefix("# ").removeprefix("# ") for line in head[1:]), file=sys.stderr)
    print(f"{len(guesses_of(text))} guesses, marked `# guess:`", file=sys.stderr)


def _draft(options: Namespace) -> Draft:
    if options.source == "kube":
        from sim.imports.kube.workloads import read_kube

        return read_kube(options.files)
    from sim.imports.compose import read_compose

    return read_compose(options.files)


def _import(options: Namespace, draft: Draft, out: Path | None) -> int:
    from sim.experiment.study import StudyError
    from sim.imports.writing import Extras, written
    from sim.reading.errors import nearest

    names = [part.name for part in draft.parts]
    if options.entry is not None and options.entry not in names:
        near = nearest(options.entry, names)
        hint = f"; did you mean {near}?" if near else ""
        raise StudyError(f"--entry {options.entry}: an unknown service; known: {', '.join(names)}{hint}")
    if options.window and not options.traffic:
        raise StudyError("--window: of which traffic? Say --traffic FILE")
    extras, recordings = Extras(entry=options.entry), {}
    if options.traffic:
        recordings = _recorded(options, draft, extras, out)
    if options.images:
        from sim.imports.images import read_images

        extras.images = read_images(options.images)
        wanted = [name for part in draft.parts for name in part.images or [part.image]]
        if odd := extras.images.unused(wanted):
            extras.told = [*extras.told, f"{len(odd)} images of --images that no service has: {', '.join(odd[:5])}"]
    text = written(draft, extras)
    _tell(text)
    for path, content in recordings.items():
        path.write_text(content, "utf-8")
    return _deliver(text, out)


def _recorded(options: Namespace, draft: Draft, extras: Extras, out: Path | None) -> dict[Path, str]:
    """Recordings beside the scenario, by their path; `extras` is told of them."""
    from sim.experiment.study import StudyError
    from sim.imports.traffic.assigning import assigned
    from sim.imports.traffic.formats import read_traffic

    if out is None:
        raise StudyError("--traffic writes a recording beside the scenario: say -o FILE")
    extras.load = read_traffic(options.traffic, options.window)
    texts, extras.told = assigned(draft, extras.load, options.entry)
    several = len(texts) > 1
    paths = {name: out.with_name(f"{out.stem}-traffic{f'-{name}' if several else ''}.csv") for name in texts}
    for path in paths.values():
        if path.exists() and not options.overwrite:
            raise StudyError(f"{path} is there already: another name, or --overwrite")
    extras.recordings = {name: path.name for name, path in paths.items()}
    return {paths[name]: content for name, content in texts.items()}


def _deliver(text: str, out: Path | None, then: str = "python -m sim fit") -> int:
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, "utf-8")
        print(f"{out}: {then} {out}", file=sys.stderr)
    return DONE
