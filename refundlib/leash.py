"""`python -m refundlib.leash FD MODULE ARGUMENTS…`: run a module that ends when its parent does.

FD is the reading end of a pipe whose other end only the parent holds. When the parent goes, be it by
kill -9, the pipe ends, and this process gets the signal it would have got from an orderly stop.
"""

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

_GRACE_SECONDS: Final = 10


def _wait_for_parent(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Watch the pipe on a thread of its own, and become the module."""
    descriptor, module = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_wait_for_parent, args=[descriptor], daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
