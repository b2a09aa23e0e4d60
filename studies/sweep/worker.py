"""What a worker process runs first; Dask preloads this module in workers and scheduler."""

import os
import sys
import threading
from typing import Any


def dask_setup(server: Any) -> None:
    """Serve no HTTP pages, which Dask does even without a dashboard, and leave it to the sweep to retry trials."""
    server.http_server.stop()
    server.allowed_failures = 0


def main() -> None:
    """Run a worker of Dask until its standard input ends, as it does when the process that started it ends."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    from distributed.cli.dask_worker import main as work

    work()


def _follow_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
