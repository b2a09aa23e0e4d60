"""Race: everybody trains the same network on the same work in turns, each in a process of their own.

Prints a table of the seconds that an epoch takes and their ratio to this project's, and writes it with a chart to
`benchmarks/results/`. The mean loss of the first epoch proves that the work is the same.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from benchmarks.contestants import CONTESTANTS, installed
from benchmarks.machine import describe_machine, kernels
from benchmarks.work import Work
from mnist.environment import THREAD_VARIABLES
from mnist.errors import MnistError
from mnist.files import save_csv
from stages.charts import save_chart
from stages.command import told_in_words

RESULTS = Path("benchmarks/results")
PROJECT = next(iter(CONTESTANTS))
IMAGES = 60_000


class Turn(NamedTuple):
    """What one epoch gave."""

    seconds: float
    loss: float


class Row(NamedTuple):
    """A line of the table: medians over all rounds, ratios to this project's time in the same round."""

    name: str
    seconds: float
    microseconds_a_step: float
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    first_loss: float


@contextmanager
def contestant(name: str, work: dict[str, Any], cores: int) -> Iterator[Connection]:
    """Start a process that trains an epoch whenever it is sent something, and answers with a Turn."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, name, work), daemon=True)
    with _on_cores(cores):
        process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


@contextmanager
def _on_cores(count: int) -> Iterator[None]:
    """Have what starts in this context see so many cores, and start as many threads as it thinks right for them.

    Elsewhere than on Linux, which alone can do that, it sees all there are.
    """
    if sys.platform != "linux":
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def _serve(connection: Connection, name: str, work: dict[str, Any]) -> None:
    train, _ = CONTESTANTS[name]
    try:
        epochs = train(Work.load(**work))
        while connection.recv():
            start = time.perf_counter()
            loss = next(epochs)
            connection.send(Turn(time.perf_counter() - start, loss))
    # Whatever a peer trips over is its own: the race goes on without it, and says why.
    except Exception as error:  # noqa: BLE001
        connection.send(f"{type(error).__name__}: {error}".splitlines()[0])


def race(names: list[str], work: dict[str, Any], cores: int, rounds: int) -> dict[str, list[Turn]]:
    """Return everybody's turns at `Work.load(**work)`, `rounds` of them after a first one in which they warm up."""
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    with ExitStack() as stack:
        runners = {name: stack.enter_context(contestant(name, work, cores)) for name in names}
        for _ in tqdm(range(rounds + 1), "rounds", disable=None):
            for name in list(turns):
                runners[name].send(True)
                turn = runners[name].recv()
                if isinstance(turn, str):
                    if name == PROJECT:
                        raise MnistError(f"{name} does not run: {turn}")
                    tqdm.write(f"{name} does not run: {turn}")
                    del turns[name]
                else:
                    turns[name].append(turn)
    return turns


def rows_of(turns: dict[str, list[Turn]], steps: int) -> list[Row]:
    """Return the table, in the order of `turns`, of which this project is one; an epoch has so many steps."""
    rows = []
    for name, (first, *others) in turns.items():
        ratios = [turn.seconds / own.seconds for turn, own in zip(others, turns[PROJECT][1:], strict=True)]
        seconds = statistics.median(turn.seconds for turn in others)
        rows.append(
            Row(name, seconds, 1e6 * seconds / steps, statistics.median(ratios), min(ratios), max(ratios), first.loss)
        )
    return rows


def markdown(rows: list[Row]) -> str:
    """Return the table for people."""
    lines = [
        "| who | an epoch, s | a step, µs | ratio to this project (lowest to highest) | loss of the first epoch |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = f"{row.ratio:.2f} ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f})"
        loss = "none" if row.first_loss != row.first_loss else f"{row.first_loss:.3f}"
        lines.append(f"| {row.name} | {row.seconds:.3f} | {row.microseconds_a_step:.0f} | {ratio} | {loss} |")
    return "\n".join(lines)


def chart(rows: list[Row], title: str) -> dict[str, Any]:
    """Return a Vega-Lite chart of the ratios."""
    # Without the losses: where there is none, it is no number that JSON knows.
    figures = ("name", "ratio", "lowest_ratio", "highest_ratio")
    values = [{figure: getattr(row, figure) for figure in figures} | {"label": f"{row.ratio:.2f}"} for row in rows]
    names = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 220}}
    across = {"type": "quantitative", "scale": {"type": "log"}, "title": "time for the same work (logarithmic)"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": title,
        "background": "white",
        "width": 480,
        "height": {"step": 30},
        "data": {"values": values},
        "encoding": {"y": names},
        "layer": [
            {"mark": {"type": "rule", "color": "#9aa5b1", "strokeWidth": 4},
             "encoding": {"x": across | {"field": "lowest_ratio"}, "x2": {"field": "highest_ratio"}}},
            {"mark": {"type": "point", "filled": True, "size": 90, "color": "#1f5fa8"},
             "encoding": {"x": across | {"field": "ratio"}}},
            {"mark": {"type": "text", "dy": -10, "fontSize": 12},
             "encoding": {"x": across | {"field": "ratio"}, "text": {"field": "label"}}},
        ],
    }  # fmt: skip


def main() -> None:
    """Read the command line, race, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2, help="that each may use (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="after one to warm up (%(default)s)")
    arguments = parser.parse_args()
    if min(arguments.batch_size, arguments.cores, arguments.rounds) < 1:
        parser.error("--batch-size, --cores and --rounds should be 1 or more")
    with told_in_words("the same command begins anew"):
        turns = race(installed(CONTESTANTS), {"batch_size": arguments.batch_size}, arguments.cores, arguments.rounds)
    rows = rows_of(turns, steps=-(-IMAGES // arguments.batch_size))
    kind = f"batch {arguments.batch_size}, {arguments.cores} core{'s' if arguments.cores > 1 else ''}"
    file = RESULTS / f"race-batch{arguments.batch_size}-cores{arguments.cores}-{kernels()}"
    for variable in THREAD_VARIABLES:
        if threads := os.environ.get(variable):
            kind, file = f"{kind}, {variable}={threads}", file.with_name(f"{file.name}-{variable}-{threads}")
    print(f"{kind}: {describe_machine()}\n\n{markdown(rows)}\n")
    save_csv(file.with_suffix(".csv"), Row._fields, rows)
    save_chart(file.with_suffix(".svg"), chart(rows, kind))


if __name__ == "__main__":
    main()
