"""A scheduler and workers on other machines, simulated by network namespaces if the system allows them."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.helpers import ROOT

# One namespace with a cable to each of two others; all end when their input ends, at the latest with the test.
_CABLES = """
exec 3<&0
ip link set lo up
for number in 1 2; do
  unshare --net cat <&3 & machine=$!
  while [ $(readlink /proc/$machine/ns/net) = $(readlink /proc/self/ns/net) ]; do sleep 0.02; done
  ip link add port$number type veth peer name eth0 netns $machine
  ip address add 10.22.0.1 peer 10.22.0.1$number/32 dev port$number
  ip link set port$number up
  nsenter --target $machine --net ip address add 10.22.0.1$number peer 10.22.0.1/32 dev eth0
  nsenter --target $machine --net ip link set eth0 up
  machines="$machines $machine"
done
echo $$ $machines
exec cat
"""


class Machines:
    """The words before a command that run it on another machine: on `hub`, or on one of `others`, which reach the hub.

    If the system allows no namespaces, there are no such words, and all programs use the loopback device.
    """

    def __init__(self) -> None:
        found: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-ec", _CABLES]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._holder = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
            found = self._holder.stdout.readline().split()
        enter = ["nsenter", "--user", "--net", "--preserve-credentials", "--target"]
        self.hub, *self.others = [[*enter, number] for number in found] or [[], [], []]
        self.address = "10.22.0.1" if found else "127.0.0.1"

    def close(self) -> None:
        """Remove them."""
        with contextlib.suppress(AttributeError):
            self._holder.communicate()


class RemoteCluster:
    """A scheduler and two workers with TLS, as the documentation starts them on other machines."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        page = (ROOT / "docs/sweeps.md").read_text()
        make_certificate, *_ = re.findall(r"^\$ (openssl .*)$", page, re.MULTILINE)
        subprocess.run(make_certificate.split(), cwd=folder, capture_output=True, check=True)
        self.machines = Machines()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.address = f"tls://{self.machines.address}:{self._port}"
        files = {"CERT": "cert.pem", "KEY": "key.pem"}
        tls = {f"{role}__{name}": file for role in ("SCHEDULER", "WORKER", "CLIENT") for name, file in files.items()}
        tls["CA_FILE"] = "cert.pem"
        self.environment = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(folder / file) for name, file in tls.items()}
        self.environment["PYTHONPATH"] = str(ROOT)
        self.log = folder / "cluster.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the scheduler and both workers."""
        where = ["--host", self.machines.address, "--port", self._port]
        self._run(self.machines.hub, "scheduler", "--protocol", "tls", *where)
        for machine in self.machines.others:
            self._run(machine, "worker", self.address, "--nthreads", "1", "--local-directory", str(self.log.parent))

    def _run(self, machine: list[str], *words: str) -> None:
        command = [
            *machine,
            sys.executable,
            "-m",
            "dask",
            *words,
            "--no-dashboard",
            "--preload",
            "studies.sweep.cluster",
        ]
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command, cwd=self.log.parent, env=os.environ | self.environment, stdout=log, stderr=log
                )
            )

    def kill_a_worker(self) -> None:
        """Kill all programs on the last machine at once."""
        self._kill(self._processes.pop())

    def kill(self) -> None:
        """Kill the scheduler and all workers."""
        while self._processes:
            self._kill(self._processes.pop())

    def close(self) -> None:
        """Kill all of it, and remove the machines."""
        self.kill()
        self.machines.close()

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()
