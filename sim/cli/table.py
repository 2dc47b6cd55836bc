"""`table`: scenarios side by side as one table, to be put into a page, a paper, a slide."""

from __future__ import annotations

import contextlib
import sys
from argparse import Namespace
from pathlib import Path

from . import DONE
from .common import at_work, given, shown


def command(options: Namespace) -> int:
    """Run what is to be run, and print the table."""
    from sim.experiment.class_table import TableStudy, text_of
    from sim.report.folder.writer import ResultsError
    from sim.report.text.class_table import FORMATS

    path = Path(options.out) if options.out else None
    ending = path.suffix.lstrip(".") if path else ""
    kind = options.format or (ending if ending in FORMATS else FORMATS[0])
    study = TableStudy(options.given, **given(options))
    if study.runs:
        with at_work("table", options, runs=study.runs) as (executor, show):
            told = study.run(executor, show)
    else:
        told = study.run(None)
    text = text_of(told, kind)
    if path is not None:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ResultsError(f"{path}: cannot be written ({error.strerror or error})") from error
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # the table has ± and ●, whatever the locale
    print(text, end="")
    if path is not None:
        print(f"written to {shown(path)}", file=sys.stderr)
    return DONE
