"""Done once by the server from which worker processes are forked, so that each starts in milliseconds."""

import sys
from types import TracebackType

import sim.model.run
import sim.report.folder.tables
import sim.scenario  # noqa: F401 - imported for its effect on start-up time only
from sim.model import compiled


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say what went wrong, but not that whoever asked for a worker is gone: it was interrupted, and has said so."""
    if not issubclass(kind, FileNotFoundError | EOFError | ConnectionError | KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _told  # of the server's children too, which fail where they look for the locks of a parent that ends

if compiled.is_compiled():  # loading the kernel takes as long as several short runs: once, not once a worker
    compiled.warm_up()
