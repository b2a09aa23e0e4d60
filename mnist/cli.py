"""The command `mnist`: read digits in pictures, describe a trained network."""

import argparse
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mnist.answer import Thing, choose_things, describe
from mnist.checked import flatten
from mnist.data.arrays import ByteArray
from mnist.errors import MnistError, plain_errors, printable
from mnist.files import read_file
from mnist.model import Model, load_model
from mnist.reading.ink import find_ink
from mnist.reading.picture import MOST_BYTES, PictureError, read_grey
from mnist.reading.pieces import split_digits
from mnist.reading.placement import SIDE, FloatArray, place_digit

_EXIT_CODES = (
    "exit codes: 0 every picture has an answer, which may be that it is no digit; 1 something could not be read (the "
    "message says what); 2 wrong usage"
)
_STANDARD_INPUT = "-"
_MODEL = Path("models/model.safetensors")
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .+*#"


def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a picture may have letters that the terminal does not have.
        sys.stdout.reconfigure(errors="backslashreplace")
    with plain_errors("the same command starts over"):
        try:
            code = arguments.run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # The program that reads this one's output has ended; Python would complain when it closes stdout.
            sys.stderr.close()
            code = 1
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mnist", description=__doc__, epilog=_EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"mnist {version('mnist-from-scratch')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="read a handwritten digit in each picture", epilog=_EXIT_CODES)
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file with one digit; -: standard input")
    predict.add_argument("--json", action="store_true", help="print a JSON list, with the outputs for all classes")
    predict.add_argument("--show", action="store_true", help="also print what the network sees")
    predict.set_defaults(run=_predict)

    summary = commands.add_parser("summary", help="describe the layers, shapes and weights of the network")
    summary.set_defaults(run=_summary)
    for command in (predict, summary):
        command.add_argument("--model", type=Path, default=_MODEL, help="a trained network (%(default)s)")

    return parser


def _predict(arguments: argparse.Namespace) -> int:
    model = _load(arguments.model)
    results: list[dict[str, Any]] = []
    for name in arguments.pictures:
        try:
            ink = _read(name)
        except MnistError as error:
            results.append({"picture": name, "error": str(error)})
        except OSError as error:
            results.append({"picture": name, "error": error.strerror or str(error)})
        else:
            result, seen = _answer(model, ink)
            results.append({"picture": name, **result})
            if arguments.show:
                print(_as_text(seen), file=sys.stderr if arguments.json else sys.stdout)
        if not arguments.json:
            _print_result(results[-1])
    if arguments.json:
        print(json.dumps(results, indent=2))
    return int(any("error" in result for result in results))


def _read(name: str) -> FloatArray:
    """Return the ink in a picture, (height, width)."""
    if name != _STANDARD_INPUT:
        return find_ink(read_grey(io.BytesIO(read_file(Path(name), MOST_BYTES))))
    if sys.stdin is None:
        raise PictureError("there is no standard input")
    return find_ink(read_grey(sys.stdin.buffer))


def _answer(model: Model, ink: FloatArray) -> tuple[dict[str, Any], ByteArray]:
    """Return what the network reads, and what it sees: an image (28, 28) for each thing, side by side."""
    parts = split_digits(ink)
    images = np.stack([place_digit(some) for some in (ink, *parts)]).reshape(len(parts) + 1, -1)
    probabilities, novelty, outputs = (values.tolist() for values in model.read(images))
    whole, *others = map(Thing, probabilities, novelty)
    things = choose_things(whole, others)
    first = 0 if things == [whole] else 1
    readings = [
        {
            "digit": (best := int(np.argmax(thing.probabilities))),
            "class": model.class_names[best],
            "outputs": output,
            "probabilities": thing.probabilities,
            "novelty": thing.novelty,
            "looks_known": thing.looks_known,
        }
        for thing, output in zip((whole, *others), outputs, strict=True)
    ]
    chosen = slice(first, first + len(things))
    answer = {"answer": describe(things, model.class_names), "things": readings[chosen]}
    return readings[0] | answer, np.concatenate(images[chosen].reshape(-1, SIDE, SIDE), axis=1)


def _print_result(result: dict[str, Any]) -> None:
    if "error" in result:
        print(printable(f"{result['picture']}: {result['error']}"), file=sys.stderr)
    else:
        print(printable(f"{result['picture']}: {result['answer']}"))


def _summary(arguments: argparse.Namespace) -> int:
    model = _load(arguments.model)
    network = model.network
    print(printable(f"{arguments.model}: {network}"), end="\n\n")
    for layer, weights in enumerate(network.weights, start=1):
        then = network.output if layer == len(network.weights) else network.activation
        biases = f" + {weights.shape[1]} biases" if network.biases else ""
        print(f"layer {layer}: {weights.shape[0]} x {weights.shape[1]} weights{biases}, then {then.name}")
    print("\ntrained with")
    for key, value in flatten(model.recipe).items():
        print(printable(f"{key:24}{json.dumps(value)}"))
    return 0


def _load(path: Path) -> Model:
    try:
        return load_model(path)
    except FileNotFoundError as error:
        raise MnistError(
            f"there is no trained network {path.name} in the folder {path.absolute().parent}; name one with "
            "--model FILE, or train one with `dvc repro` in the folder of the project"
        ) from error


def _as_text(image: ByteArray) -> str:
    """Return an image in lines of characters, the ink bright as on a dark terminal, two characters a pixel."""
    try:
        _SHADES.encode(sys.stdout.encoding)
        shades = _SHADES
    except UnicodeEncodeError:
        shades = _ASCII_SHADES
    lines = np.array(list(shades))[image.astype(int) * len(shades) // 256]
    return "\n".join("".join(line.repeat(2)).rstrip() for line in lines)
