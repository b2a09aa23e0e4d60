"""Kills, damage, fuzzing and long load, for a quarter of an hour (`make torture`), and a table of the losses.

The tests run shorter versions of all trials.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from tqdm import tqdm

from mnist.data.dataset import encode_prepared, load_prepared
from mnist.data.idx import encode_idx, parse_idx
from mnist.data.published import DATASETS
from mnist.errors import MnistError
from mnist.model import Model, encode_model, load_model
from mnist.recipe import Recipe
from stages.pipeline import RAW
from tests.helpers import ROOT, VALUES, random_digits, recipe, some_novelty
from tests.pipeline.clone import Clone
from tests.stages.project import OUTPUTS, STAGES, Project


class Row(NamedTuple):
    """A kind of trial, the number of trials, the number of losses, and a remark."""

    tried: str
    times: int
    lost: int
    remark: str


def kill_stages(stages: Sequence[str] = STAGES, times: int = 50) -> Iterator[Row]:
    """Kill stages at random moments: at all times, every output equals the output of an uninterrupted run."""
    with tempfile.TemporaryDirectory() as folder:
        project, seconds = Project(Path(folder)), {}
        project.set(epochs=100)
        for stage in STAGES:
            start = time.monotonic()
            project.run(f"stages.{stage}")
            seconds[stage] = time.monotonic() - start
        for stage in stages:
            yield kill_stage(project, stage, seconds[stage], times)


def kill_stage(project: Project, stage: str, seconds: float, times: int) -> Row:
    """Kill a stage of a finished project, which takes so many seconds."""
    good, moments, lost = project.files(*OUTPUTS), random.Random(stage), 0
    for _ in tqdm(range(times), f"kill -9 in {stage}"):
        process = project.start("-m", f"stages.{stage}")
        time.sleep(moments.uniform(0.2, 1) * seconds)
        process.kill()
        process.communicate()
        found = {name: data for name, data in project.files(*OUTPUTS).items() if not name.endswith(".partial")}
        lost += found != good
        project.run(f"stages.{stage}")
        lost += project.files(*OUTPUTS) != good
    return Row(f"kill -9 in {stage}, then the stage again", times, lost, "every output whole at all times")


def kill_download(times: int = 50) -> Row:
    """Kill the download at random moments: each file is complete or missing; the next run downloads the rest."""
    moments, lost = random.Random(0), 0
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        raw = project.root / RAW
        shutil.rmtree(raw)
        files = DATASETS["mnist"].files
        project.run("stages.download")  # fills the user's cache, so that no mirror is asked fifty times
        for _ in tqdm(range(times), "kill -9 in download"):
            shutil.rmtree(raw)
            process = project.start("-m", "stages.download")
            time.sleep(moments.uniform(0.2, 1.5))
            process.kill()
            process.communicate()
            there = [file for file in files if (raw / file.name).exists()]
            lost += any(hashlib.sha256((raw / file.name).read_bytes()).hexdigest() != file.sha256 for file in there)
            project.run("stages.download")
            lost += not all((raw / file.name).exists() for file in files)
    return Row("kill -9 in download, then the stage again", times, lost, "every file whole or not there")


def kill_dvc(clone: Clone, times: int = 12) -> Row:
    """Kill DVC with all its children at random moments of a real run; the next run ends with the same bytes."""
    moments, lost, torn = random.Random(0), 0, 0
    clone.run("dvc", "repro", "--force")
    good = clone.read("models/model.safetensors"), clone.read("metrics/scores.json")
    for _ in tqdm(range(times), "kill -9 of dvc repro"):
        process = clone.start("dvc", "repro", "--force")
        time.sleep(moments.uniform(0.5, 8))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        # DVC does not write its own lock file atomically; the documentation says how to repair it.
        if "Unable to read RWLock-file" in (output := clone.call("dvc", "repro")).stderr + output.stdout:
            torn += 1
            (clone.root / ".dvc/tmp/rwlock").unlink()
        clone.run("dvc", "repro")
        lost += (clone.read("models/model.safetensors"), clone.read("metrics/scores.json")) != good
        lost += clone.call("dvc", "status", "--quiet").returncode != 0
    return Row(
        "kill -9 of dvc repro with its children, then dvc repro",
        times,
        lost,
        f"same bytes, clean status; DVC's own lock torn {torn} times",
    )


def fuzz(name: str, read: Callable[[bytes], object], whole: bytes, times: int) -> Row:
    """Read damaged files: each gives a documented error or its content, does not hang, and uses bounded memory."""
    rng, lost, refused = random.Random(name), 0, 0
    before = _peak_memory()
    for _ in tqdm(range(times), f"fuzz {name}"):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            kind, place = rng.randrange(4), rng.randrange(max(1, min(len(data), rng.choice([16, 400, 10**6]))))
            if kind == 0:
                data[place : place + 1] = rng.randbytes(1)
            elif kind == 1:
                del data[place:]
            elif kind == 2:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            else:
                data[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff"])
        try:
            read(bytes(data))
        except MnistError:
            refused += 1
        except Exception as error:  # noqa: BLE001 (any other error is a finding)
            lost += 1
            tqdm.write(f"{name}: {type(error).__name__}: {error}")
    growth = (_peak_memory() - before) / 2**20
    return Row(f"damaged {name}", times, lost, f"{refused:,} rejected, peak memory grew by {growth:.0f} MB")


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz_all() -> Iterator[Row]:
    """Fuzz every reader of files that may come from outside."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"

        def from_file(load: Callable[[Path], object]) -> Callable[[bytes], object]:
            def read(data: bytes) -> object:
                path.write_bytes(data)
                return load(path)

            return read

        digits = random_digits(3).images.reshape(3, 28, 28)
        yield fuzz("IDX files", lambda data: parse_idx(data, "fuzzed"), encode_idx(digits), 1_000_000)

        small = recipe(epochs=1, data={"validation": 2}, network={"hidden": [3]}, batch_size=2)
        prepared = small.prepare(random_digits(6))
        training, batches = small.start(prepared)
        model = Model(
            training.network, batches.normalisation, prepared.training.class_names, VALUES, 1.0, some_novelty()
        )
        yield fuzz("prepared data", from_file(load_prepared), encode_prepared(prepared), 20_000)
        yield fuzz("model files", from_file(load_model), encode_model(model), 20_000)
        yield fuzz("params.yaml", from_file(Recipe.load), yaml.safe_dump(VALUES).encode(), 5_000)


def soak(epochs: int = 1000) -> Row:
    """Train for long: neither memory nor open files grow; the time of an epoch is a remark."""
    parameters = recipe(epochs=epochs, network={"hidden": [30]}, deformation={"rotation": 10, "elastic": 1})
    training, batches = parameters.start(parameters.prepare(random_digits(2000)))
    moments, memory, files = [], [], []
    for progress in tqdm(training.run(batches, []), "soak"):
        if progress.complete:
            moments.append(time.perf_counter())
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            files.append(len(list(Path("/proc/self/fd").iterdir())))
    seconds = np.diff(moments)
    slower = np.median(seconds[-100:]) / np.median(seconds[:100])
    growth = (memory[-1] - memory[99]) / 2**20
    lost = int(growth > 20) + int(files[-1] > files[99])
    remark = f"memory {growth:+.1f} MB, open files {files[-1] - files[99]:+d}, time of an epoch x {slower:.2f}"
    return Row("epochs of one training", epochs, lost, remark)


def experiments(clone: Clone, times: int) -> Row:
    """Run many experiments in a row: no files pile up outside DVC's cache."""
    seconds, lost = [], 0
    for number in tqdm(range(times), "dvc exp run"):
        start = time.perf_counter()
        lost += clone.call("dvc", "exp", "run", "-S", f"eta={0.01 + number / 10_000:.4f}").returncode != 0
        seconds.append(time.perf_counter() - start)
        clone.restore()
    tenth = max(1, times // 10)
    slower = np.median(seconds[-tenth:]) / np.median(seconds[:tenth])
    left = len(clone.run("git", "status", "--porcelain").splitlines())
    lost += int(left > 0) + len(list(clone.root.glob(".checkpoints/*.safetensors")))
    return Row("dvc exp run in a row", times, lost, f"files left over {left}, time of a run x {slower:.2f}")


def main() -> None:
    """Run all trials, and print the table; the exit code is 1 if something was lost."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print("| tried | times | lost | |\n|---|---|---|---|")
    lost = 0
    for row in try_all(times):
        print(f"| {row.tried} | {row.times:,} | {row.lost} | {row.remark} |", flush=True)
        lost += row.lost
    sys.exit(lost > 0)


def try_all(times: int) -> Iterator[Row]:
    """Yield a row for each kind of trial, with this many experiments."""
    yield kill_download()
    yield from kill_stages()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        clone = Clone(Path(folder), Path(scratch))
        clone.copy_project()
        clone.run("dvc", "repro")
        clone.commit()
        yield kill_dvc(clone)
        yield experiments(clone, times)
    yield from fuzz_all()
    yield soak()


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
