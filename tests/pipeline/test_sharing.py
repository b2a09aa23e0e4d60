"""What docs/sharing.md says: one machine trains, others get the results from a remote without training."""

import json
import shutil
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.pipeline.clone import Clone, finished_clone, stages_run

RESULTS = ["models/model.safetensors", "metrics/scores.json", "reports/index.html", "plots/history.csv"]


class Team:
    """A machine that trained, the bare repository and the remote that it shares, and the machines of colleagues."""

    def __init__(self, first: Clone, folder: Path, remote: str) -> None:
        self.first, self.folder = first, folder
        self.repository = str(folder / "shared.git")
        self.first.run("dvc", "remote", "add", "--quiet", "--default", "storage", remote)
        self.first.commit()
        self.first.run("git", "tag", "--annotate", "--message", "First", "mnist@v1.0.0")
        self.first.run("git", "init", "--quiet", "--bare", self.repository)
        self.first.run("git", "remote", "add", "origin", self.repository)
        self.first.run("git", "push", "--quiet", "--tags", "origin", "HEAD")
        self.first.run("dvc", "push", "--run-cache")

    def colleague(self, name: str) -> Clone:
        """Return a fresh clone, with a cache and a folder for temporary files of its own."""
        self.first.run("git", "clone", "--quiet", self.repository, str(self.folder / name))
        return Clone(self.folder / name, self.folder / f"site of {name}")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    first = finished_clone(tmp_path_factory)
    return Team(first, tmp_path_factory.mktemp("team"), str(tmp_path_factory.mktemp("storage")))


def test_a_colleague_gets_model_metrics_and_report_without_training(team: Team) -> None:
    colleague = team.colleague("second")
    colleague.run("dvc", "pull")
    assert [colleague.read(name) for name in RESULTS] == [team.first.read(name) for name in RESULTS]
    assert colleague.repro() == []
    assert colleague.run("dvc", "status").strip() == "Data and pipelines are up to date."
    assert colleague.run("git", "status", "--porcelain") == ""
    assert "784-100-100-10" in colleague.run("mnist", "summary")


def test_repro_with_pull_takes_what_is_there_and_trains_only_what_is_new(team: Team) -> None:
    colleague = team.colleague("third")
    assert stages_run(colleague.run("dvc", "repro", "--pull")) == []
    assert [colleague.read(name) for name in RESULTS] == [team.first.read(name) for name in RESULTS]


def test_experiments_travel_through_the_repository_and_the_remote(team: Team) -> None:
    team.first.run("dvc", "exp", "run", "--name", "slow", "-S", "eta=0.02")
    team.first.run("dvc", "exp", "push", "origin", "slow")
    expected = team.first.read("models/model.safetensors")
    assert team.first.restore() == []
    colleague = team.colleague("fourth")
    colleague.run("dvc", "exp", "pull", "origin", "slow")
    colleague.run("dvc", "exp", "apply", "slow")
    assert "eta: 0.02" in colleague.read("params.yaml").decode()
    assert colleague.read("models/model.safetensors") == expected


def test_the_model_alone_is_downloaded_by_path_and_by_tag_and_reads_pictures(team: Team, tmp_path: Path) -> None:
    anywhere = Clone(tmp_path, tmp_path / "site")
    anywhere.run("dvc", "get", team.repository, "models/model.safetensors", "--out", "by-path.safetensors")
    anywhere.run("dvc", "artifacts", "get", team.repository, "mnist", "--rev", "v1.0.0", "--out", "by-tag")
    model = team.first.read("models/model.safetensors")
    assert anywhere.read("by-path.safetensors") == anywhere.read("by-tag") == model
    picture = str(team.first.root / "plots/first_layer.png")
    (read,) = json.loads(anywhere.run("mnist", "predict", "--json", "--model", "by-tag", picture))
    assert len(read["outputs"]) == 10


def test_the_same_through_storage_that_speaks_s3(team: Team) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{address}/results", timeout=300).raise_for_status()
    try:
        colleague = team.colleague("fifth")
        for clone in (team.first, colleague):
            clone.run("dvc", "remote", "add", "--quiet", "--local", "cloud", "s3://results/mnist")
            for key, value in (("endpointurl", address), ("access_key_id", "a"), ("secret_access_key", "b")):
                clone.run("dvc", "remote", "modify", "--local", "cloud", key, value)
        team.first.run("dvc", "push", "--remote", "cloud")
        colleague.run("dvc", "pull", "--remote", "cloud")
    finally:
        server.stop()
    assert [colleague.read(name) for name in RESULTS] == [team.first.read(name) for name in RESULTS]
    assert colleague.repro() == []
    # Now nobody answers at its address.
    assert "Could not connect" in colleague.fail("dvc", "push", "--remote", "cloud")
    assert [colleague.read(name) for name in RESULTS] == [team.first.read(name) for name in RESULTS]


def test_a_lock_of_another_format_and_a_clone_without_git_are_named_in_a_sentence(team: Team) -> None:
    colleague = team.colleague("seventh")
    lock = colleague.read("dvc.lock").decode()
    (colleague.root / "dvc.lock").write_text(lock.replace("schema: '2.0'", "schema: '3.0'"))
    assert "dvc.lock" in colleague.fail("dvc", "status")
    colleague.run("git", "checkout", "--quiet", "HEAD", "dvc.lock")
    shutil.rmtree(colleague.root / ".git")
    assert "not a git repository" in colleague.fail("dvc", "status").lower()
    colleague.run("dvc", "config", "--local", "core.no_scm", "true")
    colleague.run("dvc", "pull")
    assert colleague.repro() == []
