"""Paper: test digits on 40 kinds of paper, photographed, and the accuracy with which each kind is read.

A kind is one or two things that happen to paper (lines, squares, dots, shadows, a table, a fold, a thumb, a thin pen),
with colours, sizes, noise and JPEG quality drawn from a generator that the kind's number seeds. Each picture has
140 x 140 pixels and goes the way of a user's file, through `read_grey` and `read_digit`, to the network of `models/`.
Writes `benchmarks/results/paper.csv`. On two cores, all 10,000 digits take 45 minutes, and `--digits 1000` five.
"""

import argparse
import io
import itertools
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.machine import save_results
from mnist.cores import count_cores
from mnist.data.dataset import read_raw
from mnist.data.published import TEST_IMAGES, TEST_LABELS
from mnist.errors import plain_errors
from mnist.model import load_model
from mnist.progress import tqdm
from mnist.reading.ink import read_digit
from mnist.reading.picture import read_grey
from mnist.reading.placement import ByteArray, FloatArray, NoDigitError
from stages.pipeline import RAW, Workspace

SIDE = 140
KINDS = (
    *["plain"] * 4, *["lined"] * 5, *["squared"] * 5, *["dotted"] * 3, *["soft shadow"] * 3, *["hard shadow"] * 3,
    *["table"] * 3, *["fold"] * 2, *["thumb"] * 2, "thin pen", "thin pen, lined", "thin pen, squared",
    "lined, soft shadow", "lined, hard shadow", "lined, table", "squared, soft shadow", "squared, fold",
    "squared, thumb", "dotted, table",
)  # fmt: skip


class Read(NamedTuple):
    """How well a kind of paper is read."""

    number: int
    kind: str
    digits: int
    accuracy: float


class Paper:
    """A kind of paper: what is drawn once for the kind, and pictures of digits on it."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kinds, self.seed = kind.split(", "), seed
        rng = np.random.default_rng(seed)
        self.paper = rng.uniform(0.78, 1, 3)
        self.pen = rng.uniform(0.02, 0.22) + np.array([0, 0, rng.uniform(0, 0.3)])
        self.lines = self.paper * rng.uniform(0.55, 0.85) + rng.uniform(-0.08, 0.08, 3)
        self.spacing, self.thickness = rng.uniform(0.1, 0.25) * SIDE, rng.uniform(1, 2.5)
        self.tilt = np.radians(rng.uniform(-4, 4))
        self.dark = rng.uniform(0.45, 0.75)
        self.soft = rng.uniform(0.08, 0.4) * SIDE
        self.table = rng.uniform(0.1, 0.6) * np.array([1, rng.uniform(0.7, 1), rng.uniform(0.5, 1)])
        self.noise, self.quality = rng.uniform(0.005, 0.03), int(rng.integers(50, 96))

    def photograph(self, image: ByteArray, number: int) -> io.BytesIO:
        """Return the JPEG of one digit (28, 28) on this paper; `number` seeds what differs between pictures."""
        rng = np.random.default_rng((self.seed, number))
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        turn = self.tilt + np.radians(rng.uniform(-1, 1) + rng.uniform(-12, 12) * ("table" in self.kinds))
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        scene = np.ones((SIDE, SIDE, 3)) * self.paper
        scene = _mix(scene, self.lines, self._ruled(along, across, rng))
        scene = _mix(scene, self.pen, self._digit(image, rng))
        if "table" in self.kinds:
            half = rng.uniform(0.38, 0.47, 2) * SIDE
            inside = np.minimum(half[0] - np.abs(along), half[1] - np.abs(across))
            scene = _mix(scene, self.table, np.clip(0.5 - inside, 0, 1))
        scene *= self._light(x, y, rng)[..., None]
        if "thumb" in self.kinds:
            place, depth = rng.uniform(-0.3, 0.3) * SIDE, rng.uniform(0.08, 0.15) * SIDE
            tip = ((x - place) / (0.12 * SIDE)) ** 2 + ((y - SIDE / 2 - depth) / (2 * depth)) ** 2
            scene = _mix(scene, np.array([0.8, 0.6, 0.5]), np.clip((1 - tip) * 4, 0, 1))
        scene += rng.normal(0, self.noise, scene.shape)
        file = io.BytesIO()
        Image.fromarray((255 * scene.clip(0, 1) + 0.5).astype(np.uint8)).save(file, "JPEG", quality=self.quality)
        file.seek(0)
        return file

    def _digit(self, image: ByteArray, rng: np.random.Generator) -> FloatArray:
        """Return the ink of a digit, enlarged so that its box takes 40% to 60% of the picture."""
        size = int(rng.uniform(0.4, 0.6) * SIDE * 28 / 20)
        large = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) / 255
        if "thin pen" in self.kinds:
            large = np.clip((large - 0.55) / 0.3, 0, 1)
        ink = np.zeros((SIDE, SIDE))
        top, left = (int((SIDE - size) / 2 + rng.uniform(-0.06, 0.06) * SIDE) for _ in range(2))
        ink[top : top + size, left : left + size] = large
        return ink

    def _ruled(self, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return how much of each pixel is covered by what is printed on the paper."""
        phases = rng.uniform(0, self.spacing, 2)
        distances = [
            np.abs((place + phase) % self.spacing - self.spacing / 2)
            for place, phase in zip((across, along), phases, strict=True)
        ]
        if "dotted" in self.kinds:
            return np.asarray(np.clip(self.thickness / 2 + 1 - np.hypot(*distances), 0, 1))
        lines, others = (np.clip(self.thickness / 2 + 0.5 - distance, 0, 1) for distance in distances)
        ruled, squared = ("lined" in self.kinds or "squared" in self.kinds), "squared" in self.kinds
        return np.asarray(np.maximum(lines * ruled, others * squared))

    def _light(self, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return how much light falls on each pixel."""
        slope = rng.uniform(-0.1, 0.1, 2) / SIDE
        light = 0.95 + slope[0] * x + slope[1] * y
        angle = rng.uniform(0, 2 * np.pi)
        edge = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.3, 0.3) * SIDE
        if "soft shadow" in self.kinds:
            light *= 1 - (1 - self.dark) * np.clip(edge / self.soft + 0.5, 0, 1)
        if "hard shadow" in self.kinds:
            light *= 1 - (1 - self.dark) * np.clip(edge + 0.5, 0, 1)
        if "fold" in self.kinds:
            light *= 1 - 0.3 * (1 - self.dark) * (edge > 0) - 0.25 * np.clip(1.5 - np.abs(edge), 0, 1)
        return np.asarray(light)


def _mix(below: FloatArray, colour: FloatArray, cover: FloatArray) -> FloatArray:
    return np.asarray(below + cover[..., None] * (colour - below))


def read_kind(kind: str, seed: int, images: ByteArray) -> ByteArray:
    """Return the network's input for each digit on a kind of paper, (images, 784); zeros where no digit is found."""
    paper, found = Paper(kind, seed), np.zeros((len(images), 784), np.uint8)
    for number, image in enumerate(images):
        with suppress(NoDigitError):
            found[number] = read_digit(read_grey(paper.photograph(image.reshape(28, 28), number))).ravel()
    return found


def main() -> None:
    """Read the test digits on all kinds of paper, print the accuracy by kind, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", type=int, default=10_000, help="read so many of the test digits on each kind")
    count = parser.parse_args().digits
    with plain_errors("the same command starts over"), ProcessPoolExecutor(count_cores()) as pool:
        model, test = load_model(Workspace(Path()).model), read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS)
        # The first half of the test images is easier to read than the second.
        digits = test[np.linspace(0, len(test) - 1, count).astype(int)]
        papers = pool.map(read_kind, KINDS, itertools.count(), itertools.repeat(digits.images))
        rows = []
        for number, found in enumerate(tqdm(papers, "papers", len(KINDS), disable=None)):
            kind = KINDS[number]
            right = model(found).argmax(axis=1) == digits.labels
            rows.append(Read(number, kind, len(right), float(right.mean())))
            tqdm.write(f"{number:2} {kind:24} {right.mean():.2%}")
        save_results("paper", rows)


if __name__ == "__main__":
    main()
