"""`python -m sim`."""

import os
import sys

from sim.cli import main, signals

if __name__ == "__main__":
    signals.begin()
    code = main()
    if code:  # after a failure or Ctrl-C nothing may hold the process back, such as a thread that waits for a worker
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
