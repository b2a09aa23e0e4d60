"""Where trials run: Dask, with a worker for each core of this machine, or the workers of a scheduler elsewhere."""

import faulthandler
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import dask
import distributed
from distributed import Client, Future, KilledWorker, LocalCluster, Security, WorkerPlugin
from distributed.utils import sync

from mnist.errors import MnistError
from mnist.recipe import Recipe
from studies.sweep.study import State
from studies.sweep.trial import Digits, Leg, digest_code

Work: TypeAlias = Callable[[Digits, Recipe, bytes | None, int], Leg]
"""What a worker does for a leg: `advance`."""

# Seconds between two looks at what has ended.
_TICK = 0.25
# Seconds that a cluster has to answer, and a worker to start; a start takes one or two.
_PATIENCE = 60
# Seconds after its limit when a leg is ended that does not let even the interpreter work.
_GRACE = 5
# A leg whose workers die so often fails; so does a cluster whose workers do, with none that works between.
_DEATHS = 4
_STARTS = 20
_PLUGIN = "sweep"


class ClusterError(MnistError):
    """A cluster that cannot be reached, or whose workers cannot run trials."""


class ClusterLostError(ClusterError):
    """A cluster that was there and has gone away."""


class Outcome(NamedTuple):
    """How the leg of a trial ended: reached its rung, or failed, or timed out, with the reason."""

    number: int
    leg: Leg | None = None
    state: State = "failed"
    reason: str = ""


@dataclass
class _Running:
    number: int
    limit: float
    arguments: tuple[Any, ...]
    deaths: int = 0
    started: float | None = None
    hung: str | None = None


class Cluster:
    """Workers that each hold the training images, and run legs of trials."""

    def __init__(self, client: Client, digits: Digits, restart_workers: Callable[[bool], None]) -> None:
        self._client = client
        self._restart_workers = restart_workers
        self._running: dict[Future[Leg], _Running] = {}
        self._topic = f"sweep-{uuid.uuid4().hex}"
        self._last_seen = time.monotonic()
        client.subscribe_topic(self._topic, self._note)
        # Each worker receives it when it joins, also one that replaces another.
        client.register_plugin(_Images(digits), name=_PLUGIN)

    def free(self) -> int:
        """Return how many more legs would start at once; raises ClusterError where there are no workers for long."""
        with _connection():
            workers = len(self._client.nthreads())
        self._restart_workers(workers > 0)
        if workers:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > _PATIENCE:
            raise ClusterError(f"{self._client.scheduler.address}: there are no workers; start some with `dask worker`")
        return workers - len(self._running)

    def submit(self, number: int, limit: float, *arguments: Any) -> None:
        """Have a worker run a leg of a trial.

        Parameters
        ----------
        number : int
            Of the trial.
        limit : float
            Seconds after which the worker ends itself.
        *arguments
            What to run: a function of digits, recipe, state and epochs; and the last three.
        """
        self._submit(_Running(number, limit, arguments))

    def wait(self) -> Iterator[Outcome]:
        """Wait a moment, and yield what has ended; raises ClusterLostError where the scheduler has gone away."""
        with _connection():
            try:
                ended = distributed.wait(list(self._running), timeout=_TICK, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                ended = set()
        if self._client.status != "running":
            raise ClusterLostError("the scheduler has gone away")
        if not self._running:
            time.sleep(_TICK)
        for future in ended:
            yield from self._end(future)

    def _submit(self, running: _Running) -> None:
        # The scheduler knows by the first part of the name that these are of one kind, and how long they take.
        name = f"leg-{uuid.uuid4().hex}"
        with _connection():
            future = self._client.submit(
                _run_leg, self._topic, name, running.limit, *running.arguments, key=name, pure=False
            )
        self._running[future] = running

    def _end(self, future: Future[Leg]) -> Iterator[Outcome]:
        running = self._running.pop(future)
        if future.status == "finished":
            with _connection():
                yield Outcome(running.number, future.result())
            return
        error = future.exception()
        if isinstance(error, ClusterError):
            raise error
        if not isinstance(error, KilledWorker):
            reason = (
                str(error) if isinstance(error, MnistError | FloatingPointError) else f"{type(error).__name__}: {error}"
            )
            yield Outcome(running.number, reason=reason)
        elif running.hung is not None or (running.started and time.monotonic() - running.started >= running.limit):
            place = f", at {running.hung}" if running.hung else ""
            yield Outcome(running.number, state="timed out", reason=place)
        elif running.deaths + 1 < _DEATHS:
            self._submit(_Running(running.number, running.limit, running.arguments, running.deaths + 1))
        else:
            yield Outcome(running.number, reason=f"{_DEATHS} workers that ran it died; its memory may not suffice")

    def _note(self, event: tuple[float, dict[str, str]]) -> None:
        """Note what a worker says of a leg: that it starts it, or where it hangs."""
        _, note = event
        for future, running in list(self._running.items()):
            if future.key == note["leg"]:
                running.started = running.started or time.monotonic()
                running.hung = note.get("hung")


class _Images(WorkerPlugin):
    """What a worker holds."""

    def __init__(self, digits: Digits) -> None:
        self.digits, self.code = digits, digest_code()


def _run_leg(topic: str, name: str, limit: float, work: Work, *arguments: Any) -> Leg:
    """Run a leg in a worker, which ends itself when the limit is over: nothing else ends a computation that hangs."""
    worker = distributed.get_worker()
    images = worker.plugins[_PLUGIN]
    if (code := digest_code()) != images.code:
        raise ClusterError(f"the worker {worker.address} has other code ({code}) than this machine ({images.code})")
    if worker.state.nthreads != 1:
        raise ClusterError(f"the worker {worker.address} has several threads; start it with --nthreads 1")

    def tell(**note: str) -> None:
        sync(worker.loop, worker.scheduler.log_event, topic=topic, msg={"leg": name} | note, callback_timeout=_GRACE)

    def give_up() -> None:
        try:
            frame = traceback.extract_stack(sys._current_frames()[thread])[-1]  # noqa: SLF001 (its documented name)
            tell(hung=f"{frame.filename}:{frame.lineno}, {frame.name}")
        finally:
            os._exit(1)

    thread = threading.get_ident()
    tell()
    timer = threading.Timer(limit, give_up)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(limit + _GRACE, exit=True)
    try:
        return work(images.digits, *arguments)
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _connection() -> Iterator[None]:
    try:
        yield
    except (OSError, CancelledError) as error:
        raise ClusterLostError(f"the scheduler has gone away ({error})") from error


@contextmanager
def local(workers: int, scratch: Path, digits: Digits) -> Iterator[Cluster]:
    """Run a cluster on this machine for the time of the block.

    It listens on the loopback device only, and, since other users of the machine could reach that, speaks TLS with
    certificates that are in no file.
    """
    _be_quiet()
    security = Security.temporary()
    tls = security.get_tls_config_for_role("worker")
    config = {
        "distributed": {
            "comm": {"tls": {"ca-file": tls["ca_file"], "worker": {"cert": tls["cert"], "key": tls["key"]}}}
        }
    }
    settings = {
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.preload": [f"{__package__}.worker"],
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=0, protocol="tls://", host="127.0.0.1", security=security, dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        _LocalWorkers(workers, cluster.scheduler_address, scratch, dask.config.serialize(config)) as processes,
    ):  # fmt: skip
        yield Cluster(client, digits, processes.restart)


class _LocalWorkers:
    """Worker processes on this machine; those that end are started again."""

    def __init__(self, count: int, scheduler: str, scratch: Path, config: str) -> None:
        self._log = scratch / "workers.log"
        self._command = [
            sys.executable, "-m", f"{__package__}.worker", scheduler, "--host", "127.0.0.1", "--no-nanny", "--nthreads", "1",
            "--no-dashboard", "--memory-limit", "0", "--death-timeout", str(_PATIENCE), "--preload", f"{__package__}.worker",
            "--local-directory", str(scratch),
        ]  # fmt: skip
        self._environment = os.environ | {
            "DASK_INTERNAL_INHERIT_CONFIG": config,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self._starts = 0
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count

    def __enter__(self) -> "_LocalWorkers":
        self._log.write_bytes(b"")
        return self

    def restart(self, alive: bool) -> None:
        """Start those that do not run; raises ClusterError where they end again and again, and none is alive."""
        self._starts = 0 if alive else self._starts
        for place, process in enumerate(self._processes):
            if process is None or process.poll() is not None:
                self._starts += 1
                if self._starts > max(_STARTS, 3 * len(self._processes)):
                    raise ClusterError(f"the worker processes end as soon as they start; {self._log} says why")
                with self._log.open("ab") as log:
                    # A session of its own: Ctrl-C in a terminal reaches the process that ends them, and not them.
                    self._processes[place] = subprocess.Popen(
                        self._command,
                        env=self._environment,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )

    def __exit__(self, *_: object) -> None:
        for process in filter(None, self._processes):
            process.kill()
            process.wait()


@contextmanager
def remote(address: str, digits: Digits) -> Iterator[Cluster]:
    """Use the cluster of a scheduler, with the certificates that Dask's own configuration names; raises ClusterError."""
    _be_quiet()
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(f"{address}: no scheduler of Dask can be reached: {error}") from error
    with client:
        yield Cluster(client, digits, lambda _: None)


def _be_quiet() -> None:
    """Outcomes say what went wrong: Dask's own log lines would tear the progress bar."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="distributed")
