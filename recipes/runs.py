"""Many runs of the pipeline: several at a time, in silence, each kept so that an interrupted study goes on."""

import contextlib
import io
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple, TypeVar

from mnist.environment import THREAD_VARIABLES
from mnist.errors import MnistError
from mnist.files import DamagedFileError, load_numbers, save_csv, sha256_of
from mnist.hyperparameters import Hyperparameters
from mnist.training import Epoch
from stages.checkpoint import name_of
from stages.command import RAW, Workspace
from stages.prepare import prepare
from stages.train import train_network

RUNS = Path("recipes/runs")

Item = TypeVar("Item")
Result = TypeVar("Result")


class StudyError(MnistError):
    """A run that the system has ended."""


class Trained(NamedTuple):
    """What training wrote, and the seconds it took."""

    workspace: Workspace
    history: list[Epoch]
    seconds: float


@contextlib.contextmanager
def trained(parameters: Hyperparameters) -> Iterator[Trained]:
    """Prepare and train, in a folder that is there while the block runs; nothing is printed in it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        workspace = Workspace(Path(folder))
        prepare(parameters, workspace)
        start = time.perf_counter()
        train_network(parameters, workspace)
        seconds = round(time.perf_counter() - start, 1)
        rows = load_numbers(workspace.history, Epoch._fields)
        history = [Epoch(int(epoch), *figures) for epoch, *figures in map(dict.values, rows)]
        yield Trained(workspace, history, seconds)


def kept(
    kind: str,
    parameters: Hyperparameters,
    raw: tuple[str, ...],
    names: tuple[str, ...],
    run: Callable[[], tuple[float, ...]],
) -> tuple[float, ...]:
    """Return the figures of a run that was made before with this recipe, code and data, or make it.

    Parameters
    ----------
    kind : str
        What the name of its file begins with.
    parameters : Hyperparameters
    raw : tuple of str
        The files of `data/raw` that it reads.
    names : tuple of str
        What its figures are called.
    run : callable
        Makes them.
    """
    digits = [sha256_of(RAW / name) for name in raw]
    file = RUNS / f"{kind}-{name_of(parameters, f'{parameters.evaluation_images} {names} {digits}')}.csv"
    # One that is not there or damaged is made again.
    with contextlib.suppress(FileNotFoundError, DamagedFileError, ValueError):
        (figures,) = load_numbers(file, names)
        return tuple(figures.values())
    made = run()
    save_csv(file, names, [made])
    return made


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """Yield the result for each item as it comes, `jobs` at a time, each on one core.

    Raises
    ------
    StudyError
        A process was killed.
    """
    # Several small products at a time are faster on a core each than one after another on all of them.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    # A fresh interpreter for each: only then does NumPy look at these variables.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, fresh, _live_as_long_as_the_parent) as pool:
        try:
            for future in as_completed([pool.submit(work, item) for item in items]):
                yield future.result()
        except BaseException as error:
            # Nobody waits for what they are at.
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise StudyError(
                    "a training was killed, perhaps for want of memory: try fewer --jobs. What is finished is kept, "
                    "and the same command goes on"
                ) from error
            raise


def _live_as_long_as_the_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it is killed, instead of an hour later with a result for nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after_the_parent, daemon=True).start()


def _end_after_the_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
