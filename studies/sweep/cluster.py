"""Runs trials with Dask, on a worker for each core of this machine, or on the workers of a scheduler elsewhere."""

import faulthandler
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import distributed
from distributed import Client, LocalCluster, Security, WorkerPlugin
from distributed.utils import sync

from mnist.data.dataset import Prepared, encode_prepared
from mnist.errors import MnistError
from studies.sweep.trial import CODE, Leg

STARTS = "sweep-starts"  # the topic of Dask's events under which a worker publishes that it starts a leg
PATIENCE = 60  # seconds within which a cluster should answer, and a worker start (which takes one or two)

_WORKER = f"import faulthandler as watchdog; watchdog.dump_traceback_later({PATIENCE}, exit=True)"
_WORKER += "; from distributed.cli.dask_worker import main; main()"
_OPTIONS = "--host 127.0.0.1 --no-nanny --nthreads 1 --memory-limit 0 --no-dashboard --death-timeout 20 --preload"


class ClusterError(MnistError):
    """A cluster cannot be reached, or its workers cannot run trials."""


class Digits(WorkerPlugin):
    """The images, which Dask sends to every worker; a digest names them, because other sweeps may share the workers."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared, self.code = prepared, CODE
        self.name = hashlib.sha256(encode_prepared(prepared) + CODE.encode()).hexdigest()


def dask_setup(server: Any) -> None:
    """Prepare a worker or scheduler that preloads this module: switch off HTTP pages and Dask's own retries."""
    faulthandler.cancel_dump_traceback_later()
    server.http_server.stop()
    server.allowed_failures = 0


def run_leg(limit: float, digits: str, work: Callable[..., Leg], *arguments: Any) -> Leg:
    """Run a leg in a worker, and publish its start. After `limit` seconds the worker logs a traceback and ends."""
    worker = distributed.get_worker()
    held: Any = worker.plugins[digits]
    if held.code != CODE:
        raise ClusterError(f"the worker {worker.address} has other code ({CODE}) than this machine ({held.code})")
    if worker.state.nthreads != 1:
        raise ClusterError(f"the worker {worker.address} has several threads; start it with --nthreads 1")
    sync(worker.loop, worker.scheduler.log_event, topic=STARTS, msg=worker.get_current_task())
    faulthandler.dump_traceback_later(limit, exit=True)
    try:
        return work(held.prepared, *arguments)
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def start_workers(count: int, log: Path) -> Iterator[Client]:
    """Run workers on this machine for the block; use TLS, because other users can also reach the loopback device."""
    security, processes = Security.temporary(), list[subprocess.Popen[bytes]]()
    tls = security.get_tls_config_for_role("worker")
    secrets = {"CA_FILE": tls["ca_file"], "WORKER__CERT": tls["cert"], "WORKER__KEY": tls["key"]}
    environment = os.environ | {f"DASK_DISTRIBUTED__COMM__TLS__{name}": text for name, text in secrets.items()}
    silent: Any = {"host": "127.0.0.1", "dashboard_address": None, "scheduler_kwargs": {"preload": [__name__]}}
    try:
        with LocalCluster(n_workers=0, security=security, **silent) as cluster, log.open("ab") as file:
            command = [sys.executable, "-c", _WORKER, cluster.scheduler_address, *_OPTIONS.split(), __name__]
            # In a session of its own, a worker does not receive Ctrl-C from the terminal; it ends with its scheduler.
            options: Any = {"env": environment, "stdout": file, "stderr": file, "start_new_session": True}

            def replace_dead_workers() -> None:
                processes[:] = [process for process in processes if process.poll() is None]
                processes.extend(subprocess.Popen(command, **options) for _ in range(count - len(processes)))  # noqa: S603
                cluster.loop.call_later(0.25, replace_dead_workers)

            cluster.loop.add_callback(replace_dead_workers)
            with Client(cluster) as client:
                yield client
    finally:
        for process in processes:
            process.kill()
            process.wait()


def reach_scheduler(address: str) -> Client:
    """Connect to a scheduler, with the certificates of Dask's configuration; raises ClusterError."""
    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(f"{address}: cannot reach a scheduler; see docs/sweeps.md: {error}") from error
