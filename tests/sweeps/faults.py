"""A sweep of small trials, some of which misbehave, driven by a process of its own that can be killed."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from mnist.hyperparameters import Hyperparameters
from sweeps import cluster
from sweeps.driver import run_sweep
from sweeps.space import Sweep
from sweeps.study import Row, opened
from sweeps.tls import AUTHORITY, CERTIFICATE, KEY, make_certificates
from sweeps.trial import Digits, Leg, advance
from tests.recipe import DEFAULT, ROOT, random_digits

DIGITS = Digits(random_digits(200))

# What a trial with this eta and this rotation does; with other rotations it is well.
ODD_ETA = 0.05
RAISES, HANGS, KILLS_ITS_WORKER = 1, 2, 3
DIVERGES = 1e9


def write(folder: Path, **changes: Any) -> Path:
    """Write a small recipe and a sweep around it, and return the sweep's file."""
    small = {"hidden": [8], "batch_size": 20, "validation": 50, "epochs": 4}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(DEFAULT | small))
    settings = {
        "recipe": str(folder / "recipe.yaml"),
        "method": "grid",
        "trials": "all",
        "seeds": [1, 2],
        "epochs": 4,
        "objective": "validation_accuracy",
        "halving": 2,
        "first_rung": 1,
        "time_limit": 60,
        "space": {"eta": [0.02, 0.1], "alpha": [0.0, 0.9]},
    }
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(settings | changes))
    return file


def write_odd(folder: Path, rotations: int) -> Path:
    """Write a sweep of ten times `rotations` trials, some of which diverge, and one each raises, hangs, kills."""
    etas = [0.01, 0.02, 0.03, ODD_ETA, 0.07, 0.1, 0.15, 0.2, 0.3, DIVERGES]
    return write(folder, time_limit=3, space={"eta": etas, "rotation": list(range(rotations))})


def work(digits: Digits, recipes: list[Hyperparameters], states: list[bytes] | None, epochs: int) -> Leg:
    """Train like `advance`, but for those that misbehave; all of them take a while."""
    recipe = recipes[0]
    time.sleep(0.1)
    if recipe.eta == ODD_ETA:
        if recipe.rotation == RAISES:
            raise RuntimeError("a fault of the code")
        if recipe.rotation == HANGS:
            time.sleep(10_000)
        if recipe.rotation == KILLS_ITS_WORKER:
            os._exit(1)
    return advance(digits, recipes, states, epochs)


def drive(folder: Path) -> list[Row]:
    """Run the sweep in a folder, or what is left of it."""
    scratch = folder / "scratch"
    connect = partial(cluster.local, 2, DIGITS, scratch)
    return run_sweep(Sweep.load(folder / "sweep.yaml"), folder / "kept", connect, work)


def start_driver(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that runs the sweep in a folder."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", __name__, str(folder)], cwd=ROOT, stdout=log, stderr=log)


def workers_of(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the worker processes of a driver."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(driver.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def torment(folder: Path, *, driver_kills: int, worker_kills: int, seconds: float) -> int:
    """Run the sweep in a folder, killing its workers and its driver at random moments; return how many died."""
    moments, died = random.Random(0), 0
    for _ in range(driver_kills):
        driver = start_driver(folder)
        died += _kill_workers(driver, worker_kills // (driver_kills + 1), moments, seconds)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    driver = start_driver(folder)
    died += _kill_workers(driver, worker_kills // (driver_kills + 1), moments, seconds)
    assert driver.wait() == 0, (folder / "log").read_text()
    return died


def _kill_workers(driver: subprocess.Popen[bytes], times: int, moments: random.Random, seconds: float) -> int:
    """Kill workers while a driver runs, from when it has some on, and return how many."""
    while not workers_of(driver) and driver.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    died = 0
    for _ in range(times):
        time.sleep(moments.uniform(0.5, 1.5) * seconds / times)
        if workers := workers_of(driver):
            with contextlib.suppress(psutil.NoSuchProcess):
                moments.choice(workers).kill()
                died += 1
    return died


class RemoteCluster:
    """A scheduler and a worker with TLS, as somebody would start them on other machines."""

    def __init__(self, folder: Path) -> None:
        self.certificates = folder / "certificates"
        make_certificates(self.certificates)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tls://127.0.0.1:{free.getsockname()[1]}"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start scheduler and worker."""
        files = {"--tls-ca-file": AUTHORITY, "--tls-cert": CERTIFICATE, "--tls-key": KEY}
        options = [word for option, name in files.items() for word in (option, str(self.certificates / name))]
        port = self.address.split(":")[-1]
        serve = ["scheduler", "--host", "127.0.0.1", "--port", port, "--protocol", "tls", "--no-dashboard"]
        work = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder)]
        for command in (serve, work):
            dask = [sys.executable, "-m", "dask", *command, *options]
            self._processes.append(
                subprocess.Popen(
                    dask,
                    cwd=self._folder,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

    def kill(self) -> None:
        """Kill all of it at once."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()


def lose_scheduler(folder: Path, kills: int) -> int:
    """Run a sweep on a cluster that is killed and started again, and return how many of its trials are not right."""
    sweep = Sweep.load(write(folder, space={"eta": [0.02, 0.05, 0.1, 0.2], "alpha": [0.0, 0.5, 0.7, 0.9]}))
    remote = RemoteCluster(folder)
    remote.start()

    def trouble() -> None:
        for number in range(kills):
            journal = folder / "kept/journal.log"
            # Each time when some more trials have begun or ended, as the journal numbers that.
            while not journal.exists() or journal.read_text().count('"op_code":6') <= 4 * number:
                time.sleep(0.05)
            remote.kill()
            time.sleep(1)
            remote.start()

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        connect = partial(cluster.remote, remote.address, cluster.tls(remote.certificates), DIGITS)
        rows = run_sweep(sweep, folder / "kept", connect, work)
    finally:
        thread.join()
        remote.kill()
    wrong = [fault for row in rows for fault in _faults_of_good(sweep, row)]
    return len(wrong) + int([row.number for row in rows] != list(range(sweep.trials)))


def faults_in(folder: Path) -> list[str]:
    """Return what is wrong with the trials of a sweep that `write_odd` wrote: one lost, twice, or in a false state."""
    sweep = Sweep.load(folder / "sweep.yaml")
    with opened(folder / "kept", sweep) as study:
        rows = study.rows()
    found = [] if [row.number for row in rows] == list(range(sweep.trials)) else ["trials are lost, or there twice"]
    points = sorted(map(str, sweep.grid or []))
    found += [] if sorted(str(row.values) for row in rows) == points else ["the trials are not those of the grid"]
    return found + [f"{row}: {fault}" for row in rows for fault in _faults_of(sweep, row)]


def _faults_of(sweep: Sweep, row: Row) -> Iterator[str]:
    odd = int(row.values["rotation"]) if row.values["eta"] == ODD_ETA else 0
    died = ("failed", "each worker that ran it died")
    expected = {
        RAISES: [("failed", "a fault of the code")],
        # It runs for so long that whoever kills workers at random may hit each that it is given, which is true as well.
        HANGS: [("timed out", "stopped after"), died],
        KILLS_ITS_WORKER: [died],
    }
    if odd in expected or row.values["eta"] == DIVERGES:
        allowed = [("failed", "training diverged")] if row.values["eta"] == DIVERGES else expected[odd]
        if not any(row.state == state and reason in row.reason for state, reason in allowed):
            yield f"should be one of {allowed}"
    else:
        yield from _faults_of_good(sweep, row)


def _faults_of_good(sweep: Sweep, row: Row) -> Iterator[str]:
    if row.state not in {"complete", "pruned"} or (row.state == "complete") != (row.epochs == sweep.settings.epochs):
        yield "should be complete or pruned"
    else:
        direct = advance(DIGITS, sweep.recipes(row.values), None, row.epochs)
        if (direct.losses, direct.accuracies) != (row.losses, row.accuracies):
            yield f"should have the figures of one that nobody disturbed: {direct.losses}, {direct.accuracies}"


if __name__ == "__main__":
    drive(Path(sys.argv[1]))
