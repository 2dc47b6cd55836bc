"""`report`: a finished result as one HTML page."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from . import DONE
from .common import shown

if TYPE_CHECKING:
    from sim.report.page.document import Page


def command(options: Namespace) -> int:
    """Write the page, and say where it is."""
    from sim.experiment.study import StudyError
    from sim.report.folder.writer import ResultsError
    from sim.report.page.html import LARGEST, save_page

    if options.trace:
        return _trace(options)
    if len(options.folders) > 1 and options.out is None:
        raise StudyError("several results have no folder of their own: say where with -o FILE")
    path = Path(options.out) if options.out else Path(options.folders[0]) / "report.html"
    if path.is_dir():
        raise StudyError(f"{path}: is a folder; -o takes the name of a file")
    page = _page(options.folders)
    try:
        save_page(page, path)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror or error})") from error
    size = path.stat().st_size
    print(f"{page.name}: {page.kind}; {shown(path)} ({size / 1e6:.1f} MB)")
    if size > LARGEST:
        print(f"warning: {shown(path)} is larger than {LARGEST / 1e6:.0f} MB: slow to open", file=sys.stderr)
    if options.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return DONE


def _trace(options: Namespace) -> int:
    """The trace of each run, or of the only one where it is told."""
    from sim.experiment.study import StudyError
    from sim.report.folder.writer import ResultsError
    from sim.report.results import Results
    from sim.report.trace import TRACE, save_trace

    if len(options.folders) > 1 and options.out is not None:
        raise StudyError("-o names one file, and several results have a trace each")
    for folder in options.folders:
        path = Path(options.out) if options.out else Path(folder) / TRACE
        try:
            save_trace(Results(Path(folder)), path)
        except OSError as error:
            raise ResultsError(f"{path}: cannot be written ({error.strerror or error})") from error
        print(f"{shown(path)} ({path.stat().st_size / 1e6:.1f} MB): open it in ui.perfetto.dev or chrome://tracing")
    return DONE


def _page(folders: list[str]) -> Page:
    from sim.experiment.pages import page_of, page_of_several

    return page_of(folders[0]) if len(folders) == 1 else page_of_several(folders)
