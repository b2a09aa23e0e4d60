"""The command `mnist`: what is printed, where, and with which exit code."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist.dataset import read_raw
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from tests.handwriting import ink_of, written
from tests.recipe import ROOT
from tests.trained import TrainedProject


def photograph(path: Path, style: str, **options: object) -> Path:
    """Save a digit as a picture of dark ink on light paper."""
    sheet = next(sheet for sheet in written(pen=0.06) if sheet.style == style)
    Image.fromarray((230 - 200 * ink_of(sheet, 200)).astype(np.uint8)).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return photograph(tmp_path / "three.png", "3, hand 1, upright")


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    return photograph(tmp_path / "seven.jpg", "7, hand 1, upright", quality=80)


def test_each_picture_gets_a_line(trained: TrainedProject, three: Path, seven: Path) -> None:
    done = trained.mnist("predict", three, seven)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(re.escape(f"{three}: 3  (output ") + r"[01]\.\d{3}; next \d: 0\.\d{3}\)", first)
    assert second.startswith(f"{seven}: 7  ")


def test_a_picture_comes_through_standard_input(trained: TrainedProject, three: Path) -> None:
    done = trained.mnist("predict", "-", data=three.read_bytes())
    assert done.stdout.startswith("-: 3  ")
    assert done.returncode == 0


def test_json_holds_digit_and_outputs_or_the_error(trained: TrainedProject, three: Path, tmp_path: Path) -> None:
    done = trained.mnist("predict", "--json", three, tmp_path / "nothing.png")
    assert (done.returncode, done.stderr) == (1, "")
    good, bad = json.loads(done.stdout)
    assert (good["picture"], good["digit"]) == (str(three), 3)
    assert np.argmax(good["outputs"]) == 3
    assert sum(good["outputs"]) == pytest.approx(1, abs=1e-5)
    assert bad == {"picture": str(tmp_path / "nothing.png"), "error": "No such file or directory"}


def test_what_the_network_sees_can_be_shown(trained: TrainedProject, three: Path) -> None:
    *lines, answer = trained.mnist("predict", "--show", three).stdout.splitlines()
    assert len(lines) == 28
    assert sum(bool(line) for line in lines) == 20
    assert answer.startswith(f"{three}: 3")


def test_one_bad_picture_does_not_keep_the_others_from_being_read(
    trained: TrainedProject, three: Path, tmp_path: Path
) -> None:
    blank, text, cut = tmp_path / "blank.png", tmp_path / "text.png", tmp_path / "cut.png"
    Image.new("L", (1, 1), 255).save(blank)
    text.write_text("no picture")
    cut.write_bytes(three.read_bytes()[:300])
    done = trained.mnist("predict", blank, text, cut, tmp_path, three)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{three}: 3  ")
    errors = done.stderr.splitlines()
    assert errors[0] == f"{blank}: there is no digit in it: nothing stands out from the paper"
    assert errors[1] == f"{text}: it is not a picture of a kind that Pillow reads"
    assert errors[2].startswith(f"{cut}: the picture is damaged (")
    assert errors[3] == f"{tmp_path}: Is a directory"
    assert len(errors) == 4


@pytest.mark.parametrize("command", [["predict", "three.png"], ["summary"]])
def test_without_a_network_it_is_told_how_to_make_one(command: list[str], trained: TrainedProject) -> None:
    done = trained.mnist(*command, "--model", "models/none.safetensors")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: models/none.safetensors: there is no trained network yet; `dvc repro` makes one\n"


def test_a_damaged_network_is_named(trained: TrainedProject, three: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.safetensors"
    damaged.write_bytes((trained.root / "models/model.safetensors").read_bytes()[:-1])
    done = trained.mnist("predict", three, "--model", damaged)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {damaged}: is not a model of this project")


@pytest.mark.parametrize(
    "arguments", [[], ["predict"], ["show"], ["show", "seven"], ["sumary"], ["predict", "--jsn", "x.png"]], ids=str
)
def test_wrong_usage_is_code_2(arguments: list[str], trained: TrainedProject) -> None:
    done = trained.mnist(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: mnist")


def test_help_tells_the_exit_codes(trained: TrainedProject) -> None:
    for arguments in ([], ["predict"], ["show"]):
        done = trained.mnist(*arguments, "--help")
        assert done.returncode == 0
        assert "exit codes: 0 all is well, 1 something could not be read" in done.stdout


def test_the_summary_tells_layers_shapes_weights_and_recipe(trained: TrainedProject) -> None:
    done = trained.mnist("summary")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["1", "784", "x", "100", "0", "78,400", "relu"] in rows
    assert ["3", "100", "x", "10", "0", "1,000", "softmax"] in rows
    assert ["all", "89,400"] in rows
    assert ["epochs", "10"] in rows


def test_digits_of_the_data_are_shown_as_they_are(trained: TrainedProject) -> None:
    raw = trained.root / "data/raw"
    digits = read_raw(raw / TRAIN_IMAGES, raw / TRAIN_LABELS)
    done = trained.mnist("show", 7, 59_999)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"image 7, labelled {digits.labels[7]}"
    assert lines[29] == f"image 59999, labelled {digits.labels[59_999]}"
    shown = np.array([[character != " " for character in line.ljust(56)[::2]] for line in lines[1:29]])
    assert np.array_equal(shown, digits.images[7].reshape(28, 28) >= 52)


def test_a_terminal_without_blocks_gets_letters(trained: TrainedProject) -> None:
    done = trained.mnist("show", 7, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "##" in done.stdout


def test_a_name_that_the_terminal_has_no_letters_for_is_told_all_the_same(
    trained: TrainedProject, three: Path, tmp_path: Path
) -> None:
    picture = shutil.copy(three, tmp_path / "trois é.png")
    done = trained.mnist("predict", picture, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "trois \\xe9.png: 3" in done.stdout


def test_a_closed_standard_input_is_told(trained: TrainedProject) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m mnist predict - <&-"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=trained.root, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"-: there is no standard input\n")


@pytest.mark.parametrize("number", ["60000", "-1"])
def test_an_image_that_is_not_there_is_refused(number: str, trained: TrainedProject) -> None:
    done = trained.mnist("show", "--", number)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: there is no image {number}; the first one is 0 and the last one 59999\n"


def test_without_data_it_is_told_how_to_get_them(trained: TrainedProject) -> None:
    done = trained.mnist("show", 7, "--data", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: nowhere/{TRAIN_IMAGES}: is not there; `dvc repro download` brings it\n"


def test_who_stops_reading_gets_no_traceback(trained: TrainedProject) -> None:
    command = [sys.executable, "-m", "mnist", "show", *map(str, range(200)), "--data", str(trained.root / "data/raw")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_make_installs_the_command() -> None:
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert name == {"mnist": "mnist.__main__:main"}
    command = shutil.which("mnist", path=str(Path(sys.executable).parent))
    assert command is not None, (
        "`make` installs it; without make: pip install --no-deps --no-build-isolation --editable ."
    )
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: mnist")
