"""Where trials run: Dask, with a worker a core on this machine, or on the machines of a scheduler somewhere else."""

import hashlib
import logging
import queue
import signal
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import dask
import distributed
from distributed import Client, Future, LocalCluster, Security, WorkerPlugin

from mnist.errors import MnistError

# Seconds between two looks at the clocks of what runs.
_TICK = 0.25

# Seconds that a remote cluster has to answer, and to bring its first worker.
_PATIENCE = 30

# Seconds beyond its limit after which a task is missed of whose start nothing was heard.
_GRACE = 5

_PAYLOAD = "payload"

# A trial of another version of the code would be another trial.
_PACKAGES = ("mnist", "sweeps")


class ClusterError(MnistError):
    """A cluster that cannot be reached, has no workers, or has other code than ours."""


class ClusterLostError(ClusterError):
    """A cluster that was there and has gone away."""


class Outcome(NamedTuple):
    """How a task ended: with a value, or with a failure in words, or stopped at its time limit."""

    key: str
    value: Any = None
    failure: str | None = None
    timed_out: bool = False
    seconds: float = 0.0


@dataclass
class _Running:
    key: str
    future: Future[Any]
    limit: float
    submitted: float
    worker: str = ""
    since: float = 0.0


class Cluster:
    """Workers that each hold a payload, sent to them once, and call functions with it."""

    def __init__(self, client: Client, payload: object) -> None:
        self._client = client
        self._running: dict[str, _Running] = {}
        self._ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._last_worker = time.monotonic()
        self._topic = f"sweep-{uuid.uuid4().hex}"
        with _asking_the_scheduler():
            client.subscribe_topic(self._topic, self._on_start)
            client.register_plugin(_Payload(payload, _code()), name=_PAYLOAD)

    @property
    def free(self) -> int:
        """How many more tasks would start at once."""
        return sum(self._threads().values()) - len(self._running)

    def submit(self, key: str, limit: float, function: Callable[..., Any], *arguments: object) -> None:
        """Have a worker call `function(payload, *arguments)`.

        A worker that dies is replaced, and what it was at begins again elsewhere.

        Parameters
        ----------
        key : str
            What the outcome will be known by.
        limit : float
            Seconds after which the worker is stopped.
        """
        # One name for all, by which the scheduler knows them for many of a kind, and gives one to a free worker only.
        name = f"trial-{uuid.uuid4().hex}"
        future = self._client.submit(_call, self._topic, name, function, *arguments, key=name, pure=False)
        self._running[name] = _Running(key, future, limit, submitted=time.monotonic())
        future.add_done_callback(self._ended.put)

    def outcomes(self) -> Iterator[Outcome]:
        """Wait a moment, and yield what has ended, in whatever way.

        Raises
        ------
        ClusterLostError
            The scheduler has gone away.
        ClusterError
            A worker has joined that has another version of the code.
        """
        try:
            ended = [self._ended.get(timeout=_TICK)]
            while not self._ended.empty():
                ended.append(self._ended.get())
        except queue.Empty:
            ended = []
            self._check_workers()
        for future in ended:
            if future.key in self._running:
                yield self._outcome(future)
        if self._client.status != "running":
            raise ClusterLostError("the scheduler has gone away")
        self._find_silent()
        now = time.monotonic()
        for name, running in list(self._running.items()):
            if running.worker and now - running.since > running.limit:
                yield self._stop(name)

    def _outcome(self, future: Future[Any]) -> Outcome:
        running = self._running.pop(str(future.key))
        seconds = time.monotonic() - running.since if running.worker else 0.0
        if future.status == "finished":
            return Outcome(running.key, value=future.result(), seconds=seconds)
        if future.status != "error":
            raise ClusterLostError("the scheduler has gone away")
        error = future.exception()
        if isinstance(error, ClusterError):
            # Nothing the trial could help, and soon that worker would have had all of them.
            raise error
        return Outcome(running.key, failure=_in_words(error), seconds=seconds)

    def _stop(self, name: str) -> Outcome:
        """Give up a task whose time is over, and with it the worker process, which may never come back from it."""
        running = self._running.pop(name)
        seconds = time.monotonic() - running.since
        with _asking_the_scheduler():
            running.future.cancel(force=True)
            try:
                self._client.restart_workers([running.worker], timeout=_PATIENCE, raise_for_error=False)
            except ValueError:
                # Nobody looks after that worker who could start it again; nothing more is given to it.
                self._client.retire_workers([running.worker], close_workers=True)
        return Outcome(
            running.key,
            failure=f"stopped after {running.limit:g} s",
            timed_out=True,
            seconds=seconds,
        )

    def _on_start(self, event: tuple[float, dict[str, str]]) -> None:
        _, start = event
        if running := self._running.get(start["task"]):
            running.worker, running.since = start["worker"], time.monotonic()

    def _find_silent(self) -> None:
        """Find out where tasks are whose start nobody heard of: they let not even the worker itself speak."""
        now = time.monotonic()
        silent = [
            name
            for name, running in self._running.items()
            if not running.worker and now - running.submitted > running.limit + _GRACE
        ]
        if silent:
            busy = {running.worker for running in self._running.values()}
            with _asking_the_scheduler():
                processing = self._client.processing()
            for worker, tasks in processing.items():
                for name in silent:
                    # A worker that has this and is heard to be at nothing else is at this.
                    if name in tasks and worker not in busy:
                        running = self._running[name]
                        running.worker, running.since = worker, running.submitted

    def _check_workers(self) -> None:
        """Raise ClusterLostError where there have been no workers for long."""
        if self._client.status == "running" and self._threads():
            self._last_worker = time.monotonic()
        elif time.monotonic() - self._last_worker > _PATIENCE:
            raise ClusterLostError("all workers have gone away")

    def _threads(self) -> dict[str, int]:
        with _asking_the_scheduler():
            threads: dict[str, int] = self._client.nthreads()
        return threads


@contextmanager
def _asking_the_scheduler() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClusterLostError(f"the scheduler has gone away ({error})") from error


class _Payload(WorkerPlugin):
    """What every worker gets once, when it joins, also in place of one that died."""

    def __init__(self, payload: object, code: str) -> None:
        self.payload = payload
        self.fault = ""
        self._code = code

    def setup(self, worker: distributed.Worker) -> None:
        _be_quiet()
        if worker.nanny:
            # Ctrl-C in a terminal reaches workers too; their parent ends them in order.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if (code := _code()) != self._code:
            self.fault = (
                f"the worker {worker.address} has another version of the project than this machine ({code}, not "
                f"{self._code}); install the same one there"
            )
            # Seen by whoever starts the sweep; where a worker joins later, Dask keeps it to itself: `_call` tells.
            raise ClusterError(self.fault)


def _call(topic: str, task: str, function: Callable[..., Any], *arguments: object) -> Any:
    worker = distributed.get_worker()
    worker.log_event(topic, {"task": task, "worker": worker.address})
    plugin = cast("_Payload", worker.plugins[_PAYLOAD])
    if plugin.fault:
        raise ClusterError(plugin.fault)
    return function(plugin.payload, *arguments)


@contextmanager
def local(workers: int, payload: object, scratch: Path) -> Iterator[Cluster]:
    """Run a cluster on this machine, of single-threaded processes, for the time of the block.

    It listens on the loopback device only, and, since other users of the machine could reach that, speaks TLS with
    certificates that are in no file.
    """
    _be_quiet()
    settings = {
        "distributed.scheduler.worker-saturation": 1.0,
        "temporary-directory": str(scratch),
        # Dask has workers give every freed array back to the system, which makes training take half as long again.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            security=True,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield Cluster(client, payload)


@contextmanager
def remote(address: str, security: Security | None, payload: object) -> Iterator[Cluster]:
    """Use the cluster of a scheduler, with TLS where `security` is given.

    Raises
    ------
    ClusterError
        It cannot be reached, has no workers, or its workers have another version of the code.
    """
    _be_quiet()
    try:
        client = Client(address, security=security, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"{address}: no scheduler of Dask answers there: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ClusterError(f"{address}: the scheduler has no workers; start some with `dask worker`") from None
        yield Cluster(client, payload)


def tls(folder: Path) -> Security:
    """Return what Dask needs of the certificates in a folder: ca.pem, cert.pem and key.pem."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    return Security(
        require_encryption=True, tls_ca_file=str(folder / "ca.pem"), tls_client_cert=cert, tls_client_key=key
    )


def _code() -> str:
    """Return a digest of the code that a trial runs."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(path for package in _PACKAGES for path in (root / package).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _in_words(error: BaseException | None) -> str:
    if isinstance(error, MnistError):
        return str(error)
    if isinstance(error, distributed.KilledWorker):
        return "each worker that ran it died; its memory may not suffice"
    return f"{type(error).__name__}: {error}"


def _be_quiet() -> None:
    """Leave it to outcomes to tell what went wrong: Dask's own log lines would tear the progress bar."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="distributed")
