"""Done once by the server from which worker processes are forked, so that each starts in milliseconds."""

import sim.model.run
import sim.report.folder.tables
import sim.scenario  # noqa: F401 - imported for its effect on start-up time only
from sim.model import compiled

if compiled.is_compiled():  # loading the kernel takes as long as several short runs: once, not once a worker
    compiled.warm_up()
