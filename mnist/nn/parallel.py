"""Synchronous data parallelism: several processes train one network together, step by step.

Each batch is split into shards. A process computes the gradients of its shards, each with a replica of the network; all
replicas share the memory of the weights. At a barrier, all processes wait until every gradient is complete. Then each
process adds up the gradients of one part of the weights, shard after shard, and updates that part. At a second barrier,
all wait until every weight is updated, and the next batch begins. PyTorch's DistributedDataParallel does the same with
messages between machines (Li et al. 2020). One process computes each number, always in the same order. The bits
therefore depend on the number of shards, which is a hyperparameter, but not on the number of processes.
"""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.synchronize import Semaphore

import numpy as np

from mnist.nn.arrays import FloatArray, shared_zeros
from mnist.nn.metrics import Score
from mnist.nn.network import Network

# Forked processes share memory, code and data immediately; on other systems than Linux, one process trains alone.
CAN_FORK = sys.platform == "linux"

# How often a process checks for the others before it sleeps: about 100 microseconds, since they rarely take longer.
# If another program occupies their core, a sleeping process leaves its own core to them.
_LOOKS = 1000

# Seconds after which a sleeping process checks whether the others are still alive.
_PATIENCE = 0.2


class ProcessDiedError(ChildProcessError):
    """One of the processes that train together was killed or failed."""


class Team:
    """The processes that train a network together, from the point of view of one of them.

    Parameters
    ----------
    network : Network
    shards : int
        The number of parts into which each batch is split.

    Attributes
    ----------
    shards : slice
        The shards of this process; the parent process has the first ones.
    weights : slice
        The part of `network.theta` that this process updates.
    replicas : list of Network
        A network for each shard of this process.
    """

    def __init__(self, network: Network, shards: int) -> None:
        self._replicas = [network, *(network.replica() for _ in range(shards - 1))]
        self._scores = shared_zeros(3 * shards, "float64").reshape(shards, 3)
        self._arrivals: list[Semaphore] = []
        self._take_place(0, 1)

    def _take_place(self, rank: int, processes: int) -> None:
        self._rank = rank
        self.shards, self.weights = (
            slice(count * rank // processes, count * (rank + 1) // processes)
            for count in (len(self._replicas), self._replicas[0].theta.size)
        )
        self.replicas = self._replicas[self.shards]
        self._total = np.empty_like(self._replicas[0].theta[self.weights])

    def add_gradients(self) -> FloatArray:
        """Wait for the gradients of all replicas; return their sum for `weights`, which the caller may overwrite."""
        self.wait()
        total, *others = (replica.gradient[self.weights] for replica in self._replicas)
        for other in others:
            # Add into memory of this process: memory that another core has written to is slow to write and to read.
            total = np.add(total, other, out=self._total)
        return total

    def add_scores(self, scores: Sequence[Score]) -> Score:
        """Wait for the scores of all shards, and return their sum; `scores` are those of this process."""
        self._scores[self.shards] = [(score.images, score.loss_sum, score.correct) for score in scores]
        self.wait()
        rows = self._scores.tolist()
        return sum((Score(int(images), loss_sum, int(correct)) for images, loss_sum, correct in rows), Score())

    def wait(self) -> None:
        """Wait until every process has called this; raises ProcessDiedError if a process has died."""
        for rank, arrivals in enumerate(self._arrivals):
            if rank != self._rank:
                arrivals.release()
        for _ in self._arrivals[1:]:
            self._take(self._arrivals[self._rank])

    def _take(self, arrivals: Semaphore) -> None:
        for _ in range(_LOOKS):
            if arrivals.acquire(False):
                return
        while not arrivals.acquire(True, _PATIENCE):
            self._check_others()

    @contextmanager
    def working(self, processes: int, work: Callable[[], None]) -> Iterator[None]:
        """For the duration of the block, share the shards among processes that run `work`, at most one for each."""
        size = min(processes, len(self._replicas)) if CAN_FORK else 1
        if size == 1:
            yield
            return
        context = multiprocessing.get_context("fork")
        self._arrivals = [context.Semaphore(0) for _ in range(size)]
        self._take_place(0, size)
        others = [context.Process(target=self._assist, args=(rank, work), daemon=True) for rank in range(1, size)]

        def check_children() -> None:
            for process in others:
                if not process.is_alive():
                    raise ProcessDiedError(
                        f"one of the {size} processes that train together has ended early (exit code "
                        f"{process.exitcode}; -9: it was killed, perhaps because memory ran out)"
                    )

        self._check_others = check_children
        # Children keep Ctrl-C blocked: only the parent handles it.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with warnings.catch_warnings():
                # Python warns of a fork beside threads. A child takes no lock that another thread might have held.
                warnings.simplefilter("ignore", DeprecationWarning)
                for process in others:
                    process.start()
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            for process in others:
                process.kill()
                process.join()
            self._arrivals = []
            self._take_place(0, 1)

    def _assist(self, rank: int, work: Callable[[], None]) -> None:
        parent = os.getppid()

        def check_parent() -> None:
            if os.getppid() != parent:
                os._exit(1)

        self._check_others = check_parent
        self._take_place(rank, len(self._arrivals))
        try:
            work()
        # The parent ends the training, but only this message names the cause.
        except Exception as error:  # noqa: BLE001
            print(f"training process {rank}: {type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
