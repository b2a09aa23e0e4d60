"""Where trials run: Dask, with a worker for each core of this machine, or the workers of a scheduler elsewhere."""

import faulthandler
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask
import distributed
from distributed import Client, LocalCluster, Security
from distributed.utils import sync

from mnist.data.dataset import Dataset
from mnist.errors import MnistError
from studies.sweep.trial import CODE, Leg

PATIENCE = 60
"""Seconds that a cluster has to answer, and that a worker has to start, which takes one or two."""

# What goes wrong is reported by the sweep: Dask's own log lines would tear the progress bar.
_SILENT = logging.CRITICAL + 1
for _name in ("distributed", "distributed.client"):
    logging.getLogger(_name).setLevel(_SILENT)

_held: list[Any] = []  # what a worker holds


class ClusterError(MnistError):
    """A cluster that cannot be reached, or whose workers cannot run trials."""


def dask_setup(server: Any) -> None:
    """Prepare a worker or scheduler that preloads this module: no HTTP pages, no retries but the sweep's own."""
    server.http_server.stop()
    server.allowed_failures = 0


def hold(code: str, digits: Dataset) -> None:
    """Keep the training images in a worker, and the digest of the driver's code."""
    _held[:] = code, digits


def run_leg(topic: str, leg: str, limit: float, work: Callable[..., Leg], *arguments: Any) -> Leg:
    """Run a leg in a worker, and publish that it starts.

    When the limit is over the worker ends itself, as nothing else ends all that can hang; its log shows where it hung.
    """
    worker, (code, digits) = distributed.get_worker(), _held
    if code != CODE:
        raise ClusterError(f"the worker {worker.address} has other code ({CODE}) than this machine ({code})")
    if worker.state.nthreads != 1:
        raise ClusterError(f"the worker {worker.address} has several threads; start it with --nthreads 1")
    sync(worker.loop, worker.scheduler.log_event, topic=topic, msg=leg)
    faulthandler.dump_traceback_later(limit, exit=True)
    try:
        return work(digits, *arguments)
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def local(count: int, log: Path, digits: Dataset) -> Iterator[tuple[Client, Callable[[], None]]]:
    """Run workers on this machine for the time of the block: yield the client, and a function that restarts dead ones.

    All listen on the loopback device only, and, since other users of the machine could reach that, speak TLS with
    certificates that are in no file.
    """
    security = Security.temporary()
    tls = security.get_tls_config_for_role("worker")
    config = {"comm": {"tls": {"ca-file": tls["ca_file"], "worker": {"cert": tls["cert"], "key": tls["key"]}}}}
    serialized, path = dask.config.serialize({"distributed": config}), os.pathsep.join(sys.path)
    environment = os.environ | {"DASK_INTERNAL_INHERIT_CONFIG": serialized, "PYTHONPATH": path}
    processes: list[subprocess.Popen[bytes]] = []

    def restart() -> None:
        processes[:] = [process for process in processes if process.poll() is None]
        while len(processes) < count:
            command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
            command += ["--host", "127.0.0.1", "--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
            command += ["--preload", __name__, "--death-timeout", "20"]
            with log.open("ab") as file:
                # A session of its own: Ctrl-C in a terminal does not reach workers; they end when their scheduler does.
                options: dict[str, Any] = {"stdout": file, "stderr": file, "start_new_session": True}
                processes.append(subprocess.Popen(command, env=environment, **options))  # noqa: S603

    options: dict[str, Any] = {"protocol": "tls://", "host": "127.0.0.1", "security": security, "n_workers": 0}
    options |= {"dashboard_address": None, "silence_logs": _SILENT, "scheduler_kwargs": {"preload": [__name__]}}
    try:
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            client.register_worker_callbacks(partial(hold, CODE, digits))
            yield client, restart
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def remote(address: str, digits: Dataset) -> Iterator[tuple[Client, Callable[[], None]]]:
    """Use the workers of a scheduler, with the certificates that Dask's configuration names; raises ClusterError."""
    try:
        client = Client(address, timeout=PATIENCE)
        client.register_worker_callbacks(partial(hold, CODE, digits))
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(f"{address}: no scheduler can be reached; docs/sweeps.md shows how: {error}") from error
    with client:
        yield client, lambda: None
