"""The command `mnist`: read digits in pictures, tell what a trained network is, show digits of the data."""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mnist.arrays import ByteArray
from mnist.dataset import SIDE, read_raw
from mnist.drawing import NoDigitError, read_digit
from mnist.errors import MnistError
from mnist.pictures import PictureError, read_grey
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from mnist.storage import Model, load_model

_EXIT_CODES = "exit codes: 0 all is well, 1 something could not be read (the message says what), 2 wrong usage"
_STANDARD_INPUT = "-"
_LONGEST_INPUT = 200_000_000
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .+*#"


def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a picture may have letters that the terminal has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.exit(arguments.run(arguments))
    except MnistError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing more can be written, not even at the end of the program.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mnist", description=__doc__, epilog=_EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="read a handwritten digit in each picture", epilog=_EXIT_CODES)
    predict.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file with one digit; -: standard input")
    predict.add_argument("--json", action="store_true", help="print a JSON list, with the outputs for all ten digits")
    predict.add_argument("--show", action="store_true", help="also print what the network sees")
    predict.set_defaults(run=_predict)

    summary = commands.add_parser("summary", help="tell the layers, shapes and weights of the network")
    summary.set_defaults(run=_summary)
    for command in (predict, summary):
        command.add_argument(
            "--model", type=Path, default=Path("models/model.safetensors"), help="a trained network (%(default)s)"
        )

    show = commands.add_parser("show", help="print training images as characters", epilog=_EXIT_CODES)
    show.add_argument("numbers", nargs="+", type=int, metavar="NUMBER", help="which, 0 the first")
    show.add_argument("--data", type=Path, default=Path("data/raw"), help="folder of MNIST's files (%(default)s)")
    show.set_defaults(run=_show)
    return parser


def _predict(arguments: argparse.Namespace) -> int:
    model = _load(arguments.model)
    results: list[dict[str, Any]] = []
    for name in arguments.pictures:
        try:
            seen = _see(name)
        except (PictureError, NoDigitError) as error:
            results.append({"picture": name, "error": str(error)})
        except OSError as error:
            results.append({"picture": name, "error": error.strerror or str(error)})
        else:
            outputs = model.network.forward(seen.reshape(1, -1))[-1].a[0]
            results.append({"picture": name, "digit": int(outputs.argmax()), "outputs": outputs.tolist()})
            if arguments.show:
                print(_as_text(seen), file=sys.stderr if arguments.json else sys.stdout)
        if not arguments.json:
            _print_result(results[-1], model.class_names)
    if arguments.json:
        print(json.dumps(results, indent=2))
    return int(any("error" in result for result in results))


def _see(name: str) -> ByteArray:
    """Return the digit in a picture as the network wants it, (28, 28)."""
    if name != _STANDARD_INPUT:
        with Path(name).open("rb") as file:
            return read_digit(read_grey(file))
    if sys.stdin is None:
        raise PictureError("there is no standard input")
    data = sys.stdin.buffer.read(_LONGEST_INPUT + 1)
    if len(data) > _LONGEST_INPUT:
        raise PictureError(f"it has more than {_LONGEST_INPUT:,} bytes")
    return read_digit(read_grey(io.BytesIO(data)))


def _print_result(result: dict[str, Any], names: Sequence[str]) -> None:
    if "error" in result:
        print(f"{result['picture']}: {result['error']}", file=sys.stderr)
        return
    outputs = result["outputs"]
    first, second = np.argsort(outputs)[:-3:-1]
    runner_up = f"next {names[second]}: {outputs[second]:.3f}"
    print(f"{result['picture']}: {names[first]}  (output {outputs[first]:.3f}; {runner_up})")


def _summary(arguments: argparse.Namespace) -> int:
    model = _load(arguments.model)
    architecture = model.network.architecture
    print(f"{arguments.model}: {architecture}\n")
    rows = [("layer", "weights", "biases", "numbers", "then")]
    last = len(architecture.weight_shapes) - 1
    for layer, (fan_in, fan_out) in enumerate(architecture.weight_shapes):
        biases = fan_out if architecture.bias else 0
        then = architecture.output if layer == last else architecture.activation
        rows.append((str(layer + 1), f"{fan_in} x {fan_out}", str(biases), f"{fan_in * fan_out + biases:,}", then))
    rows.append(("all", "", "", f"{architecture.count:,}", ""))
    _print_table(rows)
    print("\ntrained with")
    _print_table([(key, json.dumps(value)) for key, value in model.hyperparameters.items()])
    return 0


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _show(arguments: argparse.Namespace) -> int:
    try:
        digits = read_raw(arguments.data / TRAIN_IMAGES, arguments.data / TRAIN_LABELS)
    except FileNotFoundError as error:
        raise MnistError(f"{error.filename}: is not there; `dvc repro download` brings it") from error
    for number in arguments.numbers:
        if not 0 <= number < len(digits):
            raise MnistError(f"there is no image {number}; the first one is 0 and the last one {len(digits) - 1}")
        print(f"image {number}, labelled {digits.labels[number]}")
        print(_as_text(digits.images[number]))
    return 0


def _load(path: Path) -> Model:
    try:
        return load_model(path)
    except FileNotFoundError as error:
        raise MnistError(f"{path}: there is no trained network yet; `dvc repro` makes one") from error


def _as_text(image: ByteArray) -> str:
    """Return an image in lines of characters, the ink bright as on a dark terminal, two characters a pixel."""
    try:
        _SHADES.encode(sys.stdout.encoding)
        shades = _SHADES
    except UnicodeEncodeError:
        shades = _ASCII_SHADES
    lines = np.array(list(shades))[image.reshape(SIDE, SIDE).astype(int) * len(shades) // 256]
    return "\n".join("".join(line.repeat(2)).rstrip() for line in lines)


if __name__ == "__main__":
    main()
