"""How many cores a training may use."""

import os
from contextlib import suppress
from pathlib import Path

from mnist.errors import MnistError
from mnist.nn.parallel import CAN_FORK

PROCESSES = "MNIST_PROCESSES"
"""The environment variable by which a user chooses the number of processes."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Return how many cores this process may use: those that it may run on, and no more than a container's quota."""
    cores = len(os.sched_getaffinity(0)) if CAN_FORK else os.cpu_count() or 1
    # The file says "max 100000" or "150000 100000": microseconds of processor time in so many microseconds.
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = map(int, _QUOTA.read_text().split())
        cores = min(cores, max(1, quota // period))
    return cores


def choose_processes(shards: int) -> int:
    """Return how many processes train together: one for each shard, but no more than there are cores.

    Their number changes no bit of the result. Raises MnistError where the user has chosen something else than a number.
    """
    chosen = os.environ.get(PROCESSES) or count_cores()
    try:
        wanted = int(chosen)
        if wanted < 1:
            raise ValueError
    except ValueError:
        raise MnistError(f"{PROCESSES} = {chosen}: should be a number of processes, 1 or more") from None
    return min(wanted, shards)
