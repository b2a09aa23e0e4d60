"""Cases of files: parameters, pictures, models, results."""

import io
import json
import os
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from mnist.recipe import Recipe
from mnist.sealed import decode_sealed, encode_sealed
from tests.attacks.engine import Case
from tests.helpers import VALUES

_MODEL = "models/model.safetensors"
_ODD = ["seed\x1b[31m", "\u202eeta", "a" * 5000, "\ud800", "", "\0", "é\r\nerror: x", "<script>", "{{x}}", "../../x"]
_PLACES = ["fifo", "/dev/zero", "/dev/full", "/dev/tty", "/proc/kmsg", "/proc/self/mem", "loop", "folder", "nowhere"]


def place(path: Path, kind: str) -> None:
    """Put something that is not a regular file in the place of a file."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.symlink_to(path if kind == "loop" else kind)


def placed(name: str, kind: str) -> Callable[[Path], object]:
    """Return a function that puts it into a project."""
    return lambda root: place(root / name, kind)


def _write(name: str, data: bytes) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        path = root / os.fsdecode(os.fsencode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


def parameters() -> Iterator[Case]:
    """Yield params.yaml in odd spellings, sizes and shapes."""
    rng, keys = random.Random(1), list(Recipe.fields())
    whole = json.dumps(VALUES | {"data": VALUES["data"] | {"validation": 100}}, indent=1)

    def case(name: str, text: str | bytes) -> Case:
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        return Case("params.yaml", name, ["stages.prepare"], _write("params.yaml", data))

    pieces = [
        *"0123456789",
        "_",
        ".",
        "e",
        "-",
        "+",
        ":",
        "0x",
        "0o",
        "inf",
        "nan",
        "~",
        "'",
        '"',
        "#",
        " ",
        "\\x1b",
        ",",
    ]
    for number in range(70):
        key, value = rng.choice(keys).split(".")[-1], "".join(rng.choices(pieces, k=rng.randint(1, 6)))
        lines = [f'"{key}": {value},' if f'"{key}":' in line else line for line in whole.splitlines()]
        yield case(f"spelling {number}", "\n".join(lines))
    for odd in _ODD:
        yield case(f"key {odd[:9]!r}", json.dumps(VALUES | {odd: 1}))
        yield case(f"raw key {odd[:9]!r}", f'{whole[:-1]}, "{odd}": 1}}')
        yield case(f"value {odd[:9]!r}", json.dumps(VALUES | {"optimizer": odd}))
    for codec in ("utf-16", "utf-32", "utf-8-sig", "cp037", "utf-7"):
        yield case(codec, whole.encode(codec))
    for end in ("\r", "\r\n", "\x85", "\u2028", "\0", "\v"):
        yield case(f"lines end in {end!r}", whole.replace("\n", end))
    fill = 99_000
    for name, text in {
        "flow": "[" * 19 + "1," * (fill // 2) + "]" * 19, "blocks": "".join("- " * 9 + "1\n" for _ in range(fill // 20)),
        "keys": "".join(f"k{number}: 1\n" for number in range(fill // 9)), "one string": f"a: '{'x' * fill}'",
        "a folded string": "a: >\n" + "  x\n" * (fill // 4), "question marks": "? " * (fill // 2), "colons": ":" * fill,
        "quotes": '"' * fill, "spaces": " " * fill, "dashes": "- " * (fill // 2), "comments": "#\n" * (fill // 2),
        "directives": "%TAG ! x:\n" * (fill // 10), "documents": "---\n" * (fill // 4), "escapes": f'a: "{chr(92)}n' * 9000,
        "digits": f"seed: {'9' * 4000}", "hexadecimal": f"seed: 0x{'f' * fill}", "exponent": "eta: 1e999999999",
        "underscores": f"seed: 1{'_' * fill}1", "sexagesimal": f"seed: {'1:' * (fill // 2)}1", "open braces": "{" * fill,
        "brackets and keys": "{a: [" * 9 + "}]" * 9, "percent": "%" * fill, "bars": "a: |" + "9" * fill, "ats": "@" * fill,
        "two tables": whole + whole, "a merge": "<<: {eta: 1}\n" + whole, "bare merge": f"{whole[:-1]}, <<: 3}}",
        "colons without spaces": whole.replace(": ", ":"), "bells": whole.replace("seed", "seed\x07"),
    }.items():  # fmt: skip
        yield case(name, text)
    for kind in (*_PLACES, "sparse"):
        yield Case("params.yaml", kind, ["stages.prepare"], placed("params.yaml", kind))


def pictures() -> Iterator[Case]:
    """Yield pictures of many kinds, damaged and unusual ones, and files that are not pictures."""
    rng = random.Random(2)

    def case(name: str, data: bytes, file: str = "picture") -> Case:
        return Case("pictures", name, ["mnist", "predict", "--show", f"./{file}"], _write(file, data))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        end = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + end

    digit = np.full((60, 60), 230, np.uint8)
    digit[10:50, 27:34] = 20
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "ICO", "PPM", "TGA", "PCX", "SGI", "JPEG2000", "DDS"):
        file = io.BytesIO()
        Image.fromarray(digit).convert("RGB").save(file, kind)
        yield case(kind, file.getvalue())
        for number in range(5):
            spoilt = bytearray(file.getvalue())
            for _ in range(rng.randint(1, 12)):
                spoilt[rng.randrange(min(len(spoilt), 300))] = rng.choice([0, 255, 127, rng.randrange(256)])
            yield case(f"{kind} damaged {number}", bytes(spoilt))
    zeros = zlib.compress(bytes(200_000_000))
    text = PngImagePlugin.PngInfo()
    text.add_text("x", "y" * 10_000_000, zip=True)
    file = io.BytesIO()
    Image.fromarray(digit).save(file, "PNG", pnginfo=text)
    yield case("text of 10 MB", file.getvalue())
    yield case("text bomb", png(60, 60, chunk(b"zTXt", b"x\0\0" + zeros), data=bytes(61 * 60)))
    yield case("profile bomb", png(60, 60, chunk(b"iCCP", b"x\0\0" + zeros), data=bytes(61 * 60)))
    yield case("too much data", png(60, 60, data=bytes(100_000_000)))
    yield case("a thousand chunks", png(60, 60, *[chunk(b"tEXt", b"x\0y")] * 100_000, data=bytes(61 * 60)))
    for width, height in [
        (0, 0),
        (0, 9),
        (99_999, 1),
        (1, 99_999),
        (7000, 7000),
        (500, 99_999),
        (2**31, 1),
        (100_001, 1),
    ]:
        yield case(f"{width} x {height}", png(width, height, data=bytes(min(10**8, (width + 1) * height))))
        yield case(f"{width} x {height} ppm", b"P5 %d %d 255 " % (width, height) + bytes(min(10**8, width * height)))
    for name, data in {
        "svg": b"<svg/>", "pdf": b"%PDF-1.7", "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "zip": b"PK\3\4",
        "ppm of text": b"P2 9 9 255 " + b"9 " * 81, "ppm without end": b"P2 " + b"9" * 10**6, "gif": b"GIF89a\xff\xff\xff\xff",
        "tiff": b"II*\0\x08\0\0\0\xff\xff" + bytes(99), "tiff loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "ico": b"\0\0\1\0\xff\xff",
        "xbm": b"#define x_width 99999\n#define x_height 99999\n", "bmp": b"BM" + b"\xff" * 60, "fits": b"SIMPLE  = T" + bytes(9),
        "xpm": b"/* XPM */", "icns": b"icns\0\0\0\x10ic10\0\0\0\0", "mpo": b"\xff\xd8\xff\xe2", "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
        "one colour": png(28, 28, data=bytes(29 * 28)), "noise": png(40, 40, data=rng.randbytes(41 * 40)), "empty": b"",
    }.items():  # fmt: skip
        yield case(name, data)
    for number, name in enumerate(
        ["\x1b[31mred", "a\nb", "\udcff\udcfe", "\u202egnp", "-", "--model", "'$(x)'", "x" * 200]
    ):
        yield case(f"file name {number}", b"no picture", name)
    for kind in (*_PLACES, "sparse"):
        words = ["mnist", "predict", "picture"]
        yield Case("pictures", kind, words, placed("picture", kind))


def _mutations(value: Any, rng: random.Random, count: int) -> Iterator[tuple[str, Any]]:
    """Yield copies of a JSON value with one part removed or replaced, and the name of the part."""
    paths: list[list[Any]] = [[]]
    for path in paths:
        part = value
        for key in path:
            part = part[key]
        if isinstance(part, dict | list):
            paths += [[*path, key] for key in (part if isinstance(part, dict) else range(min(2, len(part))))]
    others: list[Any] = [
        None,
        [],
        {},
        "",
        0,
        -1,
        10**30,
        1e308,
        True,
        "\ud800",
        "\x1b[31m",
        [[[]]],
        {"": {"": {}}},
        "x" * 10**5,
    ]
    for number in range(count):
        copy = json.loads(json.dumps(value))
        *path, last = paths[1 + number % (len(paths) - 1)]
        part = copy
        for key in path:
            part = part[key]
        other = rng.choice(others)
        if number < len(paths) - 1:
            del part[last]
        else:
            part[last] = other
        yield f"{number}: {'.'.join(map(str, [*path, last]))}", copy


def models() -> Iterator[Case]:
    """Yield sealed models with unusual descriptions, and damaged models, for all commands that load a model."""
    rng = random.Random(3)

    def described(description: dict[str, Any]) -> Callable[[Path], object]:
        def rewrite(root: Path) -> None:
            (root / _MODEL).write_bytes(encode_sealed(decode_sealed((root / _MODEL).read_bytes())[1], description))

        return rewrite

    def damage(seed: int) -> Callable[[Path], object]:
        def rewrite(root: Path) -> None:
            moment, data = random.Random(seed), bytearray((root / _MODEL).read_bytes())
            for _ in range(moment.randint(1, 3)):
                data[moment.randrange(min(len(data), 2000))] = moment.randrange(256)
            (root / _MODEL).write_bytes(data[: moment.choice([8, 100, len(data) - 1, len(data)])])

        return rewrite

    commands = [["stages.report"], ["stages.evaluate"], ["mnist", "summary"]]
    like = {
        "network": {
            "sizes": [784, 16, 10],
            "activation": "relu",
            "output": "softmax",
            "bias": False,
            "dtype": "float32",
        },
        "normalisation": [0.0, 255.0],
        "class_names": [str(digit) for digit in range(10)],
        "recipe": VALUES,
        "temperature": 1.0,
        "novelty": [0.1, 2.0, 0.2, 0.25, 0.1, -1.5],
    }
    for name, changed in _mutations(like, rng, 90):
        yield Case("models", name, rng.choice(commands), described(changed))
    for number in range(30):
        yield Case("models", f"damage {number}", commands[number % 3], damage(number))
    for kind in (*_PLACES, "sparse"):
        for words in commands[1:]:
            yield Case("models", kind, words, placed(_MODEL, kind))


def results() -> Iterator[Case]:
    """Yield damaged results of other stages for the report, and for evaluation."""
    rng = random.Random(4)

    def changed(name: str, number: int) -> Callable[[Path], object]:
        def rewrite(root: Path) -> None:
            value = json.loads((root / name).read_text())
            *_, (_, other) = _mutations(value, random.Random(number), number + 1)
            (root / name).write_text(json.dumps(other))

        return rewrite

    def damage(name: str, seed: int) -> Callable[[Path], object]:
        def rewrite(root: Path) -> None:
            moment, data = random.Random(seed), bytearray((root / name).read_bytes())
            for _ in range(moment.randint(1, 3)):
                data[moment.randrange(min(len(data), 300))] = moment.choice([0, 10, 34, 44, 57, 255])
            (root / name).write_bytes(data[: moment.choice([0, len(data) // 2, len(data)])])

        return rewrite

    for name in ("metrics/scores.json", "metrics/baseline.json"):
        for number in range(30):
            yield Case("results", f"{name} {number}", ["stages.report"], changed(name, number))
    for name in (
        "plots/history.csv",
        "plots/predictions.csv",
        "plots/examples.npy",
        "plots/vega.js",
        "data/prepared.npz",
    ):
        for number in range(8):
            yield Case("results", f"{name} {number}", ["stages.report"], damage(name, rng.randrange(10**6)))
