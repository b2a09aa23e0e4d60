"""Synchronous data parallelism: several processes train one network together, step by step.

Each batch is cut into shards. A process computes the gradients of its shards, each with a replica of the network; the
weights of all replicas are the same shared memory. At a barrier all wait until every gradient is there. Then each
process adds up the gradients of one part of the weights, shard after shard, and updates that part. At a second barrier
all wait until every weight is new, and the next batch begins. PyTorch's DistributedDataParallel does the same with
messages between machines (Li et al. 2020). Each number is computed by one process in one order. So the bits depend on
the number of shards, which is a hyperparameter, but not on the number of processes.
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

# Forked processes share memory, code and data at once; elsewhere than on Linux one process does it all.
CAN_FORK = sys.platform == "linux"

# How often a process looks for the others before it sleeps, some 100 microseconds: they are seldom further behind.
# Where another program has their core, a process that sleeps leaves its own to them.
_LOOKS = 1000

# Seconds after which a process that sleeps looks whether the others are still alive.
_PATIENCE = 0.2


class ProcessDiedError(ChildProcessError):
    """A process that trains with others was killed, or failed."""


class Team:
    """The processes that train a network together, as one of them sees them.

    Parameters
    ----------
    network : Network
    shards : int
        Into how many parts each batch is cut.

    Attributes
    ----------
    shards : slice
        Which shards are for this process; those of the process that began are the first.
    weights : slice
        Which part of `network.theta` this process updates.
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
        """Wait for all replicas' gradients, and return their sum for the part `weights`, which may be overwritten."""
        self.wait()
        total, *others = (replica.gradient[self.weights] for replica in self._replicas)
        for other in others:
            # Into memory of this process: what another core has written is slow to write, and slower to read back.
            total = np.add(total, other, out=self._total)
        return total

    def add_scores(self, scores: Sequence[Score]) -> Score:
        """Wait for the scores of all shards, and return their sum; `scores` are those of this process."""
        self._scores[self.shards] = [(score.images, score.loss_sum, score.correct) for score in scores]
        self.wait()
        rows = self._scores.tolist()
        return sum((Score(int(images), loss_sum, int(correct)) for images, loss_sum, correct in rows), Score())

    def wait(self) -> None:
        """Wait until every process has come to its call of this; raises ProcessDiedError where one never will."""
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
        """Share the shards among so many processes for the time of the block, at most one for each; they do `work`."""
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
                        f"{process.exitcode}; -9: it was killed, perhaps for want of memory)"
                    )

        self._check_others = check_children
        # A child keeps Ctrl-C blocked: the parent alone answers it.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with warnings.catch_warnings():
                # Python warns of a fork beside threads. A child takes no lock that another thread may have held.
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
        # The parent ends the training, and this is the only word about the cause.
        except Exception as error:  # noqa: BLE001
            print(f"training process {rank}: {type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
