"""The command `mnist`: its output, its error messages and its exit codes."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pytest
from PIL import Image

from mnist import cli
from studies.handwriting import HANDS, Stroke, Written, ink_of, written
from tests.helpers import ROOT
from tests.trained import TrainedProject


class Done(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Mnist: TypeAlias = Callable[..., Done]


@pytest.fixture
def mnist(trained: TrainedProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mnist:
    """Return a function that runs the command in the folder of a trained network: `mnist("predict", file)`."""
    monkeypatch.chdir(trained.root)

    def run(*arguments: Any) -> Done:
        monkeypatch.setattr(sys, "argv", ["mnist", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        message = ended.value.code
        return Done(1, out, f"{err}{message}\n") if isinstance(message, str) else Done(int(message or 0), out, err)

    return run


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


def test_each_picture_gets_a_line(mnist: Mnist, three: Path, seven: Path) -> None:
    code, out, err = mnist("predict", three, seven)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert re.fullmatch(re.escape(f"{three}: a 3 (") + r"9\d\.\d%\)", first)
    assert second.startswith(f"{seven}: a 7 ")


def test_a_picture_comes_through_standard_input(mnist: Mnist, three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(three.read_bytes())))
    code, out, _ = mnist("predict", "-")
    assert (code, out[:8]) == (0, "-: a 3 (")


def test_json_holds_digit_and_outputs_or_the_error(mnist: Mnist, three: Path, tmp_path: Path) -> None:
    code, out, err = mnist("predict", "--json", three, tmp_path / "nothing.png")
    assert (code, err) == (1, "")
    good, bad = json.loads(out)
    assert (good["picture"], good["digit"]) == (str(three), 3)
    assert np.argmax(good["outputs"]) == 3
    assert sum(good["outputs"]) == pytest.approx(1, abs=1e-5)
    assert sum(good["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert good["looks_known"] == (good["novelty"] <= 1)
    assert good["answer"].startswith("a 3 (")
    (thing,) = good["things"]
    assert thing == {name: good[name] for name in thing}
    assert bad == {"picture": str(tmp_path / "nothing.png"), "error": "No such file or directory"}


def picture(path: Path, *strokes: Stroke) -> Path:
    """Save strokes, in a box of 1 x 1, as dark ink on light paper."""
    sheet = Written(0, list(strokes), 0.06, "")
    Image.fromarray((230 - 200 * ink_of(sheet, 200)).astype(np.uint8)).save(path)
    return path


def test_a_letter_is_not_called_a_digit_and_each_digit_in_a_row_is_read(mnist: Mnist, tmp_path: Path) -> None:
    letter = picture(tmp_path / "m.png", [(0.2, 0.8), (0.25, 0.2), (0.5, 0.6), (0.75, 0.2), (0.8, 0.8)])
    four, two = (
        [[(left + 0.35 * x, 0.25 + 0.5 * y) for x, y in stroke] for stroke in HANDS[digit][0]]
        for digit, left in ((4, 0.1), (2, 0.55))
    )
    row = picture(tmp_path / "row.png", *four, *two)
    code, out, err = mnist("predict", letter, row)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith(f"{letter}: this does not look like a digit; the nearest is ")
    assert re.fullmatch(re.escape(f"{row}: 42: a 4 (") + r"\d+(\.\d)?%\) and a 2 \(\d+(\.\d)?%\)", second)
    no_digit, several = json.loads(mnist("predict", "--json", letter, row).out)
    assert (no_digit["looks_known"], len(no_digit["things"])) == (False, 1)
    assert [thing["digit"] for thing in several["things"]] == [4, 2]
    assert all(thing["looks_known"] for thing in several["things"])
    assert f"{row}: {several['answer']}" == second
    *lines, _ = mnist("predict", "--show", row).out.splitlines()
    assert len(lines) == 28
    assert max(map(len, lines)) > 2 * 28  # both digits, two characters a pixel


def test_show_prints_the_28_lines_that_the_network_sees(mnist: Mnist, three: Path) -> None:
    *lines, answer = mnist("predict", "--show", three).out.splitlines()
    assert len(lines) == 28
    assert sum(bool(line) for line in lines) == 20
    assert answer.startswith(f"{three}: a 3 ")


def test_one_bad_picture_does_not_keep_the_others_from_being_read(mnist: Mnist, three: Path, tmp_path: Path) -> None:
    blank, text, cut = tmp_path / "blank.png", tmp_path / "text.png", tmp_path / "cut.png"
    Image.new("L", (1, 1), 255).save(blank)
    text.write_text("no picture")
    cut.write_bytes(three.read_bytes()[:300])
    code, out, err = mnist("predict", blank, text, cut, tmp_path, three)
    assert code == 1
    assert out.startswith(f"{three}: a 3 ")
    errors = err.splitlines()
    assert errors[0] == f"{blank}: there is no digit in it: nothing stands out from the paper"
    assert errors[1] == f"{text}: it is not a picture in a format that Pillow reads"
    assert errors[2].startswith(f"{cut}: the picture is damaged (")
    assert errors[3] == f"{tmp_path}: Is a directory"
    assert len(errors) == 4


@pytest.mark.parametrize("place", ["pipe", "/dev/zero"])
def test_a_path_that_is_not_a_file_is_an_error_of_that_picture_or_network(
    place: str, mnist: Mnist, three: Path, tmp_path: Path
) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / place)
    code, out, err = mnist("predict", tmp_path / place, three)
    assert (code, out[: len(str(three))]) == (1, str(three))
    assert err == f"{tmp_path / place}: is not a regular file\n"
    assert mnist("summary", "--model", tmp_path / place).err == f"error: {tmp_path / place}: is not a regular file\n"


def test_a_name_with_control_characters_is_escaped(mnist: Mnist, tmp_path: Path, three: Path) -> None:
    code, _, err = mnist("predict", shutil.copy(three, tmp_path / "\x1b[31mred.png"), "\x1b]0;x\x07")
    assert (code, err) == (1, "\\x1b]0;x\\x07: No such file or directory\n")


@pytest.mark.parametrize("command", [["predict", "three.png"], ["summary"]])
def test_without_a_network_the_message_names_the_folder_and_the_ways_to_one(
    command: list[str], mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for options, name in ([], "model.safetensors"), (["--model", "models/none.safetensors"], "none.safetensors"):
        code, out, err = mnist(*command, *options)
        assert (code, out) == (1, "")
        assert err == (
            f"error: there is no trained network {name} in the folder {tmp_path / 'models'}; "
            "name one with --model FILE, or train one with `dvc repro` in the folder of the project\n"
        )


def test_a_damaged_network_is_named(mnist: Mnist, trained: TrainedProject, three: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.safetensors"
    damaged.write_bytes((trained.root / "models/model.safetensors").read_bytes()[:-1])
    code, _, err = mnist("predict", three, "--model", damaged)
    assert code == 1
    assert err.startswith(f"error: {damaged}: is not a model of this project")


@pytest.mark.parametrize("arguments", [[], ["predict"], ["sumary"], ["predict", "--jsn", "x.png"]], ids=str)
def test_wrong_usage_is_code_2(arguments: list[str], mnist: Mnist) -> None:
    code, out, err = mnist(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: mnist")


def test_help_explains_the_exit_codes(mnist: Mnist) -> None:
    for arguments in ([], ["predict"]):
        code, out, _ = mnist(*arguments, "--help")
        assert code == 0
        assert "exit codes: 0 every picture has an answer, which may be that it is no digit; 1" in " ".join(out.split())


def test_the_command_prints_the_version_of_the_package(mnist: Mnist) -> None:
    assert mnist("--version") == (0, f"mnist {version('mnist-from-scratch')}\n", "")


def test_the_summary_shows_layers_shapes_weights_and_recipe(mnist: Mnist) -> None:
    code, out, _ = mnist("summary")
    assert code == 0
    assert "784-100-100-10 without biases, relu, softmax outputs, 89,400 weights in float32" in out
    assert "layer 1: 784 x 100 weights, then relu\n" in out
    assert "layer 3: 100 x 10 weights, then softmax\n" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["epochs", "3"] in rows
    assert ["network.hidden", "[100,", "100]"] in rows


def test_a_plain_terminal_gets_plain_letters_for_pictures_and_names(
    trained: TrainedProject, three: Path, tmp_path: Path
) -> None:
    picture = shutil.copy(three, tmp_path / "trois é.png")
    done = trained.mnist("predict", "--show", picture, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "##" in done.stdout
    assert "trois \\xe9.png: a 3" in done.stdout


def test_a_closed_standard_input_is_an_error_of_that_picture(trained: TrainedProject) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m mnist predict - <&-"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=trained.root, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"-: there is no standard input\n")


@pytest.mark.parametrize("arguments", [["summary"], ["predict", "--show", *["three.png"] * 100]])
def test_a_reader_that_ends_early_causes_no_traceback(
    arguments: list[str], trained: TrainedProject, three: Path
) -> None:
    words = [str(three) if word == "three.png" else word for word in arguments]
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "mnist", *words],
        cwd=trained.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    os.close(reading)
    _, err = process.communicate()
    assert (process.returncode, err) == (1, b"")


def test_make_installs_the_command() -> None:
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert name == {"mnist": "mnist.cli:main"}
    command = shutil.which("mnist", path=str(Path(sys.executable).parent))
    assert command is not None, (
        "`make` installs it; without make: pip install --no-deps --no-build-isolation --editable ."
    )
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: mnist")
