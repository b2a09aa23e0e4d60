"""DVC's own queue, made safe: every combination becomes an experiment, failures are seen, told, and mended if not real.

`dvc queue start` by itself leaves a task whose worker died running for ever, loses tasks to races between two workers,
and ends well whatever failed.
"""

import argparse
import ast
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from tqdm import tqdm

from mnist.errors import MnistError
from mnist.hyperparameters import HyperparameterError, Hyperparameters, read_yaml
from stages.command import told_in_words

PARAMS = Path("params.yaml")
METRICS = "metrics/scores.json"
LIMIT = 1000

# Seconds between two looks at the queue: a look takes half a second of a core.
_PAUSE = 4

# How often an experiment is tried that failed for no reason of its own.
_TRIES = 3

_TASK = re.compile(r"^\w{7}\s+(\S+)\s.*\s(Queued|Running|Success|Failed)\s*$", re.MULTILINE)
_WORKERS = re.compile(r"^Worker status: (\d+) active, (\d+) idle", re.MULTILINE)
_QUEUED = re.compile(r"^Queueing with overrides '(.*)'\.\nQueued experiment '(.*)' for", re.MULTILINE)


class QueueError(MnistError):
    """A queue that DVC does not run, or experiments that failed."""


class Experiment(NamedTuple):
    """An experiment in the queue: its changes to params.yaml as DVC has them, and how often it has been tried."""

    changes: tuple[str, ...]
    tries: int


class Result(NamedTuple):
    """How an experiment ended; `reason` is empty where it ended well."""

    name: str
    changes: tuple[str, ...]
    accuracy: float
    loss: float
    reason: str


def combinations(texts: Sequence[str], default: dict[str, Any]) -> int:
    """Check all combinations of `key=value,value` texts, and return how many there are.

    Raises
    ------
    HyperparameterError
        One of them is no recipe, a list is empty, or there are too many.
    """
    lists = {}
    for text in texts:
        name, _, values = text.partition("=")
        try:
            lists[name] = yaml.safe_load(f"[{values}]")
        # PyYAML lets through what its constructors raise, as for a date that no calendar has.
        except (yaml.YAMLError, ValueError):
            raise HyperparameterError(f"{text}: should be key=value,value") from None
        if not lists[name]:
            raise HyperparameterError(f"{text}: should be key=value,value, with one value at least")
    points = [
        dict(zip(lists, point, strict=True))
        for point in itertools.islice(itertools.product(*lists.values()), LIMIT + 1)
    ]
    if len(points) > LIMIT:
        raise HyperparameterError(
            f"more than {LIMIT:,} experiments are too many for DVC's queue; see sweeps/sweep.yaml"
        )
    for point in points:
        if not Hyperparameters.check(f"experiment {point}", default | point).validation:
            raise HyperparameterError(
                f"experiment {point}:\n  validation = 0: experiments are compared by validation images; hold some back"
            )
    return len(points)


def run_all(texts: Sequence[str], count: int, jobs: int) -> list[Result]:
    """Queue every combination, keep `jobs` workers at it until all have ended, and return what came of each."""
    waiting = {name: Experiment(changes, 1) for name, changes in _queue(texts)}
    if len(waiting) != count:
        raise QueueError(f"DVC has queued {len(waiting)} of {count} experiments; `dvc queue status` shows them")
    ended: list[Result] = []
    # disable=None: no bar where nobody looks, as in a log file.
    with tqdm(total=count, unit=" experiments", disable=None) as bar:
        while waiting:
            status, workers = _status()
            if workers < jobs and "Queued" in status.values():
                _dvc("queue", "start", "--jobs", str(jobs))
            if list(status.values()).count("Running") > workers:
                _end_those_whose_worker_died(status)
            done = [name for name in waiting if status.get(name) not in {"Queued", "Running"}]
            for name, result in zip(done, _results({name: waiting[name] for name in done}), strict=True):
                experiment = waiting.pop(name)
                if result.reason and experiment.tries < _TRIES and not _own_fault(name):
                    bar.write(f"{name} failed for no reason of its own ({result.reason}); once more")
                    waiting |= {
                        new: Experiment(experiment.changes, experiment.tries + 1) for new in _again(name, experiment)
                    }
                    continue
                ended.append(result)
                bar.update()
                bar.set_postfix_str(_best(ended))
            if waiting:
                time.sleep(_PAUSE)
    return ended


def table(results: list[Result]) -> str:
    """Return the experiments as lines, the best first, the failed ones marked."""
    order = sorted(results, key=lambda result: (bool(result.reason), -result.accuracy))
    width = max(len(" ".join(result.changes)) for result in results)
    lines = [f"{'experiment':16}{'':{width + 2}}validation accuracy, loss"]
    for result in order:
        figures = f"FAILED: {result.reason}" if result.reason else f"{result.accuracy:.2%}  {result.loss:.4f}"
        lines.append(f"{result.name:16}{' '.join(result.changes):{width + 2}}{figures}")
    return "\n".join(lines)


def _queue(changes: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    printed = _dvc("exp", "run", "--queue", *(word for change in changes for word in ("-S", change)))
    return [(name, tuple(ast.literal_eval(overrides)[str(PARAMS)])) for overrides, name in _QUEUED.findall(printed)]


def _again(name: str, experiment: Experiment) -> list[str]:
    _dvc("queue", "remove", name, check=False)
    return [new for new, _ in _queue(experiment.changes)]


def _status() -> tuple[dict[str, str], int]:
    """Return the state of each experiment in the queue, and the number of workers."""
    for _ in range(10):
        printed = _dvc("queue", "status", check=False)
        if workers := _WORKERS.search(printed):
            return dict(_TASK.findall(printed)), sum(map(int, workers.groups()))
        # Another process holds DVC's lock just now.
        time.sleep(_PAUSE)
    raise QueueError(f"`dvc queue status` does not tell the state of the queue: {printed.strip()[-500:]}")


def _shown() -> dict[str, dict[str, Any]]:
    """Return what `dvc exp show` knows of each experiment, by name."""
    shown = json.loads(_dvc("exp", "show", "--json"))
    return {entry["name"]: entry for revision in shown for entry in revision.get("experiments") or []}


def _end_those_whose_worker_died(status: dict[str, str]) -> None:
    """Have DVC see that experiments have failed that it takes for running."""
    shown = _shown()
    for name, state in status.items():
        pid = ((shown.get(name, {}).get("executor") or {}).get("local") or {}).get("pid")
        if state == "Running" and pid and not _lives(pid):
            _dvc("queue", "kill", "--force", name, check=False)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True


def _results(experiments: dict[str, Experiment]) -> list[Result]:
    shown = _shown() if experiments else {}
    return [_result(name, experiment, shown.get(name, {})) for name, experiment in experiments.items()]


def _result(name: str, experiment: Experiment, shown: dict[str, Any]) -> Result:
    """Return what came of an experiment; the figures that DVC shows for a failed one are those of its parent."""
    if (shown.get("executor") or {}).get("state") == "success":
        metrics = (shown["revs"][-1]["data"] or {}).get("metrics", {}).get(METRICS, {}).get("data", {})
        if validation := metrics.get("validation"):
            return Result(name, experiment.changes, validation["accuracy"], validation["loss"], "")
    nothing = float("nan")
    return Result(name, experiment.changes, nothing, nothing, _reason(name))


def _reason(name: str) -> str:
    lines = [line for line in _dvc("queue", "logs", name, check=False).splitlines() if line.strip()]
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (told or lines or ["it left no log"])[-1]


def _own_fault(name: str) -> bool:
    """Return whether a stage said why it failed: it would again."""
    return "\nerror: " in f"\n{_dvc('queue', 'logs', name, check=False)}"


def _best(ended: list[Result]) -> str:
    good = [result for result in ended if not result.reason]
    best = max(good, key=lambda result: result.accuracy, default=None)
    return f"best {best.accuracy:.2%} ({' '.join(best.changes)})" if best else ""


def _dvc(*words: str, check: bool = True) -> str:
    """Run DVC and return what it prints."""
    # Its workers run stages with the `python` that they find.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "dvc", *words]
    environment = os.environ | {"PATH": path}
    # Into a file: workers that DVC starts would keep a pipe open for as long as they live.
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
        done = subprocess.run(  # noqa: S603 (DVC, with words that are checked)
            command, env=environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=told, text=True, check=False
        )
        printed.seek(0)
        told.seek(0)
        output, errors = printed.read(), told.read()
    if check and done.returncode:
        raise QueueError(f"dvc {' '.join(words)}: {(errors or output).strip()[-500:]}")
    return output


def main() -> None:
    """Run every combination as a DVC experiment, through DVC's queue; the exit code is 1 where one failed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("changes", nargs="+", metavar="KEY=VALUE,VALUE", help="such as eta=0.05,0.1 alpha=0.8,0.9")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time (%(default)s, the cores)")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error("--jobs should be 1 or more")
    with told_in_words("DVC's workers go on by themselves; `dvc queue stop --kill` ends them"):
        count = combinations(arguments.changes, read_yaml(PARAMS))
        print(f"{count} experiments, {arguments.jobs} at a time", flush=True)
        results = run_all(arguments.changes, count, arguments.jobs)
        print(table(results))
        if failed := [result for result in results if result.reason]:
            raise QueueError(f"{len(failed)} of {count} experiments failed; `dvc queue logs NAME` tells more of one")
        print("keep one: dvc exp apply NAME, or dvc exp branch NAME BRANCH")


if __name__ == "__main__":
    main()
