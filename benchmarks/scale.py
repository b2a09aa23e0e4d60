"""Scale: time and memory as the data grows a hundredfold, and time as the network grows wider, against its products.

The data are deformed copies of MNIST, written as IDX into a folder that is removed afterwards; 6 000 000 images and
what `prepare` makes of them take 10 GB there. Each stage runs as `dvc repro` would run it, in a process of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from benchmarks.machine import describe_machine
from benchmarks.race import PROJECT, RESULTS, race, rows_of
from mnist import idx
from mnist.dataset import Dataset, read_raw
from mnist.deformation import Strength, deform
from mnist.files import atomic_write, save_csv
from mnist.hyperparameters import DEFORMATIONS, Hyperparameters, read_yaml
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from stages.charts import save_chart
from stages.command import RAW, told_in_words

COUNTS = (60_000, 600_000, 6_000_000)
WIDTHS = (100, 300, 1000, 3000)
STAGES = ("prepare", "train")
RECIPE = Path("params.yaml")
PRODUCTS = "its matrix products alone"


class Images(NamedTuple):
    """What the stages took for a number of images: microseconds for each, and the largest resident memory in MiB."""

    images: int
    prepare_time: float
    train_time: float
    prepare_memory: float
    train_memory: float


class Width(NamedTuple):
    """A step of a batch of 100 with two hidden layers of `units`, in microseconds, and its ratio to its products."""

    units: int
    step: float
    products: float
    ratio: float


def write_copies(folder: Path, digits: Dataset, copies: int, strength: Strength) -> None:
    """Write two IDX files of the digits, deformed anew for each copy but the first."""
    rng = np.random.default_rng(0)
    with atomic_write(folder / TRAIN_IMAGES) as file:
        file.write(idx.header((copies * len(digits), 28, 28)))
        for copy in range(copies):
            file.write((deform(digits.images, strength, rng) if copy else digits.images).tobytes())
    with atomic_write(folder / TRAIN_LABELS) as file:
        file.write(idx.header((copies * len(digits),)))
        file.write(digits.labels.tobytes() * copies)


def measure_stage(stage: str, root: Path) -> tuple[float, float]:
    """Return the seconds and the MiB that a stage takes in `root`, whose data/raw is there."""
    command = [sys.executable, "-m", f"stages.{stage}"]
    peak, start = 0.0, time.perf_counter()
    process = subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(Path.cwd())})  # noqa: S603
    while process.poll() is None:
        peak = max(peak, _largest_resident(process.pid))
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"stages.{stage} failed; its message stands above")
    return time.perf_counter() - start, peak


def _largest_resident(process: int) -> float:
    """Return the most memory that a process has had so far, in MiB: Linux alone keeps it apart from its parent's."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), default=0)


def measure_images(counts: list[int], scratch: Path | None) -> list[Images]:
    """Return what prepare and an epoch of train take for each number of images, a multiple of 60 000."""
    digits = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
    strength = Strength.of(Hyperparameters.load(RECIPE))
    plain = dict.fromkeys(DEFORMATIONS, 0)
    recipe = read_yaml(RECIPE) | plain | {"epochs": 1, "order": "shuffled_blocks"}
    measured = []
    for count in counts:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            root = Path(folder)
            (root / "params.yaml").write_text(yaml.safe_dump(recipe))
            write_copies(root / RAW, digits, count // len(digits), strength)
            (prepare, prepare_memory), (train, train_memory) = (measure_stage(stage, root) for stage in STAGES)
        measured.append(Images(count, 1e6 * prepare / count, 1e6 * train / count, prepare_memory, train_memory))
        print(measured[-1], flush=True)
    return measured


def measure_widths(widths: list[int], rounds: int) -> list[Width]:
    """Return a step's time for each width, with all cores, beside its matrix products alone."""
    measured = []
    for units in widths:
        work = {"batch_size": 100, "hidden": (units, units), "images": 6000}
        own, products = rows_of(race([PROJECT, PRODUCTS], work, os.cpu_count() or 1, rounds), steps=60)
        measured.append(Width(units, own.microseconds_a_step, products.microseconds_a_step, 1 / products.ratio))
        print(measured[-1], flush=True)
    return measured


def chart(rows: Sequence[Images | Width], panels: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """Return a Vega-Lite chart over the rows' first field, with a panel for each (title, fields)."""
    x = rows[0]._fields[0]
    axis = {"values": [row[0] for row in rows]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "data": {"values": [row._asdict() for row in rows]},
        "resolve": {"scale": {"color": "independent"}},
        "hconcat": [
            {
                "width": 300,
                "transform": [{"fold": fields}],
                "mark": {"type": "line", "point": True},
                "encoding": {
                    "x": {"field": x, "type": "quantitative", "scale": {"type": "log"}, "axis": axis},
                    "y": {"field": "value", "type": "quantitative", "title": title},
                    "color": {"field": "key", "type": "nominal", "title": None},
                },
            }
            for title, fields in panels
        ],
    }


def main() -> None:
    """Read the command line, measure, write tables and charts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="*", default=list(COUNTS), help="multiples of 60 000")
    parser.add_argument("--widths", type=int, nargs="*", default=list(WIDTHS), help="units of both hidden layers")
    parser.add_argument("--rounds", type=int, default=5, help="for each width (%(default)s)")
    parser.add_argument("--scratch", type=Path, help="a folder on a disk with room for the images")
    arguments = parser.parse_args()
    if any(count < 60_000 or count % 60_000 for count in arguments.images):
        parser.error("--images should be multiples of 60 000, the copies of MNIST's training set")
    with told_in_words("the same command begins anew"):
        print(describe_machine())
        if arguments.images:
            images = measure_images(arguments.images, arguments.scratch)
            save_csv(RESULTS / "images.csv", Images._fields, images)
            panels = [
                ("microseconds an image", ["prepare_time", "train_time"]),
                ("largest resident memory, MiB", ["prepare_memory", "train_memory"]),
            ]
            save_chart(RESULTS / "images.svg", chart(images, panels))
        if arguments.widths:
            widths = measure_widths(arguments.widths, arguments.rounds)
            save_csv(RESULTS / "widths.csv", Width._fields, widths)
            panels = [("microseconds a step", ["step", "products"]), ("step to its products", ["ratio"])]
            save_chart(RESULTS / "widths.svg", chart(widths, panels))


if __name__ == "__main__":
    main()
