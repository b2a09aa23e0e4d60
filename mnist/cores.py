"""How many cores a training may use."""

import os
from contextlib import suppress
from pathlib import Path

from mnist.errors import MnistError
from mnist.nn.parallel import CAN_FORK

PROCESSES = "MNIST_PROCESSES"
"""The environment variable with which a user chooses the number of processes."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Return how many cores this process may use: the cores that it may run on, limited by a container's quota."""
    cores = len(os.sched_getaffinity(0)) if CAN_FORK else os.cpu_count() or 1
    # The file says "max 100000" or "150000 100000": microseconds of processor time, and the period.
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = map(int, _QUOTA.read_text().split())
        cores = min(cores, max(1, quota // period))
    return cores


def choose_processes(shards: int) -> int:
    """Return how many processes train together: one for each shard, but at most one for each core.

    The number of processes does not change the result. Raises MnistError if the user's choice is not a number.
    """
    chosen = os.environ.get(PROCESSES) or str(count_cores())
    if not chosen.isdecimal() or int(chosen) < 1:
        raise MnistError(f"{PROCESSES} = {chosen}: should be a number of processes, 1 or more")
    return min(int(chosen), shards)
