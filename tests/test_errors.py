"""Messages: one sentence for any quoted text and any streams; a failure to print loses no result."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist.errors import printable
from tests.stages.project import OUTPUTS, Project


@given(st.text(st.characters(), max_size=50))
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = printable(text)
    assert all(character.isprintable() for character in shown if character != "\n")
    shown.encode()


def test_text_that_a_terminal_can_show_stays_as_it_is() -> None:
    assert printable("params.yaml:\n  eta = 'é': 数") == "params.yaml:\n  eta = 'é': 数"
    assert printable("\x1b[31m\x07\t\x9b\u202e\ud800") == "\\x1b[31m\\x07\\t\\x9b\\u202e\\ud800"


def test_long_text_is_cut() -> None:
    assert len(printable("x" * 1_000_000)) < 1010
    assert printable("\n" * 1_000_000).count("\n") < 100


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("streams"))
    project.run("stages.prepare", "stages.train")
    return project


def shell(project: Project, redirection: str, stage: str) -> "subprocess.CompletedProcess[str]":
    """Run a stage with its streams redirected."""
    words = ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m stages.{stage} {redirection}"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, cwd=project.root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirection", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_closed_stream_stops_no_stage(redirection: str, project: Project) -> None:
    before = project.files("models", "plots")
    project.root.joinpath("models/model.safetensors").unlink()
    done = shell(project, redirection, "train")
    assert (done.returncode, done.stderr) == (0, "")
    assert project.files("models", "plots") == before


def test_with_stderr_closed_the_message_comes_on_stdout(project: Project, tmp_path: Path) -> None:
    broken = project.copy_to(tmp_path / "broken")
    (broken.root / "params.yaml").write_text("eta: 1\n")
    done = shell(broken, "2>&-", "train")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("error: params.yaml:\n")


@pytest.mark.parametrize(("redirection", "message"), [(">/dev/full", "No space left"), ("| true", "has ended")])
def test_output_that_cannot_be_written_loses_no_result(redirection: str, message: str, project: Project) -> None:
    done = shell(project, redirection, "evaluate")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert {"metrics/scores.json", "plots/predictions.csv", "plots/examples.npy"} < project.files(*OUTPUTS).keys()
