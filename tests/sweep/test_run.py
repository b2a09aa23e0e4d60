"""The command that runs a sweep: its results, the address it listens on, its errors; and sweeps on many machines."""

import csv
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from mnist.recipe import PARAMS, Recipe
from studies.experiment import exp_command
from studies.sweep import cluster as cluster_module
from studies.sweep.trial import CODE, advance
from tests.helpers import recipe
from tests.sweep.faults import (
    DIGITS,
    Project,
    count_ended,
    faults_in,
    start_sweep,
    wait_for,
    workers_of,
    write_space,
)
from tests.sweep.machines import RemoteCluster


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_sweep_writes_all_trials_the_best_one_and_a_picture(project: Project) -> None:
    write_space(project.root, space={"network.hidden": [[8], [8, 4]], "eta": [0.05, 0.1, 1e9]})
    printed = project.run("--workers", "1")
    folder = project.root / ".studies/sweep/small"
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [row["trial"] for row in rows] == list("012345")
    for row in rows:
        assert (row["state"] == "failed") == (row["eta"] == "1000000000.0") == ("diverged" in row["reason"])
        assert f"-S eta={row['eta']}" in row["command"] or row["eta"] == "0.1"
        assert f"network.hidden={row['network.hidden'].replace(' ', '')}" in row["command"]
    complete = [row for row in rows if row["state"] == "complete"]
    best = max(complete, key=lambda row: float(row["validation_accuracy"]))
    assert printed.splitlines()[-1] == best["command"]
    overlay = Recipe.load_overlay(folder / "best.yaml", project.root / PARAMS)
    assert (str(overlay.eta), str(overlay.network.hidden), overlay.epochs) == (best["eta"], best["network.hidden"], 4)
    picture = ET.fromstring((folder / "trials.svg").read_text())
    assert len([mark for mark in picture.iter() if mark.get("aria-roledescription") == "circle"]) == 2 * 4

    # A second run has no trials left, and writes the same files.
    files = {name: (folder / name).read_bytes() for name in ("trials.csv", "best.yaml", "trials.svg")}
    (folder / "trials.csv").unlink()
    assert "resumes after 6 trials" in project.run()
    assert {name: (folder / name).read_bytes() for name in files} == files

    # A sweep without a complete trial does not change the last results.
    write_space(project.root, space={"eta": [1e9]})
    assert "no trial is complete; delete" in project.run("--workers", "1", code=1)
    assert {name: (folder / name).read_bytes() for name in files} == files


def test_a_sweep_listens_only_on_loopback_and_does_not_answer_http(project: Project) -> None:
    write_space(project.root, space={"eta": [0.1], "alpha": [number / 1000 for number in range(900)]})
    sweep = project.start("--workers", "1")
    wait_for(lambda: count_ended(project.root) >= 1, sweep)
    listening = [
        connection.laddr
        for process in (psutil.Process(sweep.pid), *workers_of(sweep))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    answers = []
    for address in listening:
        for scheme in ("http", "https"):
            try:
                answers.append(
                    urllib.request.urlopen(f"{scheme}://{address.ip}:{address.port}/", context=anyone, timeout=20)
                )
            except urllib.error.HTTPError as error:
                answers.append(error)
            except OSError:
                pass
    sweep.kill()
    sweep.communicate()
    assert len(listening) >= 2
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert answers == []


@pytest.mark.parametrize(
    ("changes", "words", "fault"),
    [
        ({"space": {"etta": [1]}}, [], "small.yaml, space:\n  etta: there is no such key; did you mean eta?"),
        ({}, ["--scheduler", "tcp://127.0.0.1:8786"], "8786: anyone who reaches it can run any program as you"),
        ({}, ["--scheduler", "tls://127.0.0.1:1"], "tls://127.0.0.1:1: "),
    ],
)
def test_bad_commands_end_before_the_first_trial(
    project: Project, changes: dict[str, Any], words: list[str], fault: str
) -> None:
    write_space(project.root, **changes)
    assert fault in project.run(*words, code=1)
    assert count_ended(project.root) == 0


@pytest.mark.parametrize(("code", "threads", "fault"), [("0", 1, "has other code"), (CODE, 2, "has several threads")])
def test_a_worker_that_could_give_other_results_is_rejected(
    monkeypatch: pytest.MonkeyPatch, code: str, threads: int, fault: str
) -> None:
    held = cluster_module.Digits(recipe().prepare(DIGITS))
    held.code = code
    state = SimpleNamespace(nthreads=threads)
    worker = SimpleNamespace(address="tls://worker", plugins={held.name: held}, state=state)
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    with pytest.raises(cluster_module.ClusterError, match=f"the worker tls://worker {fault}"):
        cluster_module.run_leg(1, held.name, advance)


def test_a_worker_that_hangs_while_it_starts_ends(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("import time; time.sleep(10_000)")
    program = cluster_module.__dict__["_WORKER"].replace(f"({cluster_module.PATIENCE},", "(0.1,")
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"distributed.py" in done.stderr  # where it hung


def test_a_folder_that_cannot_be_written_is_named(project: Project) -> None:
    (project.root / ".studies").write_text("")
    assert "error: .studies" in project.run(code=1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RemoteCluster]:
    cluster = RemoteCluster(tmp_path / "cluster")
    cluster.start()
    yield cluster
    cluster.close()


def test_a_sweep_on_other_machines_survives_one_of_them_and_the_scheduler(
    tmp_path: Path, cluster: RemoteCluster
) -> None:
    write_space(tmp_path, space={"eta": [0.02, 0.05, 0.1, 0.2], "deformation.rotation": [5, 6, 7, 8]})
    sweep = start_sweep(tmp_path, cluster)
    wait_for(lambda: count_ended(tmp_path) >= 2, sweep)
    cluster.kill_a_worker()
    wait_for(lambda: count_ended(tmp_path) >= 4, sweep)
    cluster.kill()
    cluster.start()
    printed = sweep.communicate()[0]
    assert sweep.returncode == 0, printed
    assert "the scheduler is gone; trying to reach it again" in printed
    assert "Traceback" not in printed
    assert faults_in(tmp_path) == []


def test_a_certificate_that_does_not_fit_is_named(project: Project, cluster: RemoteCluster) -> None:
    other = RemoteCluster(project.root / "other")
    other.close()
    sweep = project.start("--scheduler", cluster.address, before=cluster.machines.hub, **other.environment)
    printed = sweep.communicate()[0]
    assert sweep.returncode == 1, printed
    assert "certificate" in printed.lower()
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eta": 0.05, "epochs": 8}, "dvc exp run -S eta=0.05 -S epochs=8"),
        ({"network": {"hidden": [300, 100], "bias": True}}, "-S 'network.hidden=[300,100]' -S network.bias=true"),
        ({"weight_decay": 1e-05, "network": {"activation": "tanh"}}, "weight_decay=1e-05 -S network.activation=tanh"),
    ],
)
def test_the_command_names_the_differences_from_the_default(changes: dict[str, Any], words: str) -> None:
    assert words in exp_command(recipe(**changes), recipe())
