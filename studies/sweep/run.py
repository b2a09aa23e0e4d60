"""The loop of a sweep, which ends when all trials have, whatever fails on the way; and the command around it."""

import argparse
import hashlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import distributed
import filelock
import optuna
from distributed import Client, Future, KilledWorker
from distributed.comm.core import CommClosedError
from optuna.trial import FrozenTrial
from tqdm import tqdm

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS, check_dataset
from mnist.errors import MnistError
from mnist.files import save
from mnist.fingerprint import fingerprint
from mnist.recipe import PARAMS, Recipe
from stages.pipeline import RAW
from studies.sweep.cluster import PATIENCE, ClusterError, local, remote, run_leg
from studies.sweep.results import best_of, describe, encode_results, exp_command
from studies.sweep.space import Space
from studies.sweep.study import Study, state_of
from studies.sweep.trial import Leg, advance

Restart: TypeAlias = Callable[[], None]

SPACE = Path("studies/spaces/training.yaml")
KEPT, LOG = Path(".studies/sweep"), "workers.log"

# Seconds between two looks at what has ended; and how many workers may die in a leg of a trial.
_TICK, _DEATHS = 0.25, 3
_LOST = (CommClosedError, ConnectionError, TimeoutError, CancelledError)  # a scheduler that has gone away


class Sweep:
    """A sweep of a space, whose folder keeps its journal and unfinished trainings; `work` is done for a leg."""

    def __init__(self, space: Space, folder: Path, work: Callable[..., Leg] = advance) -> None:
        self._space, self._folder, self._work = space, folder, work
        self._running: dict[Future[Leg], tuple[optuna.Trial, float, int]] = {}
        self._starts, self._lasted = dict[str, float](), dict[str, float]()

    def run(self, connect: Callable[[], AbstractContextManager[tuple[Client, Restart]]]) -> list[FrozenTrial]:
        """Run all trials, or what is left of them, and return them; raises ClusterError and DamagedFileError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self._folder / "lock", timeout=0):
            study = self._study = Study(self._folder / "journal.log", self._space)
            ended = [trial for trial in study.trials() if state_of(trial) != "running"]
            # disable=None: no bar where nobody looks, as in a log file.
            with tqdm(total=self._space.trials, initial=len(ended), unit=" trials", disable=None) as bar:
                bar.write(f"resumes after {len(ended)} trials" if ended else f"{self._space.trials} trials")
                while len(ended) < self._space.trials:
                    try:
                        with connect() as (client, restart):
                            for number in self._drive(client, restart):
                                ended.append(trial := study.trials()[number])
                                best = best_of(ended, self._space)
                                if trial is best or "reason" in trial.user_attrs:
                                    bar.write(f"{state_of(trial)}: {describe(trial, self._space)}")
                                bar.set_postfix_str(f"best: {describe(best, self._space)}" if best else "")
                                bar.update()
                    except _LOST:
                        bar.write("the scheduler has gone away; looking for it again")
            return study.trials()

    def _drive(self, client: Client, restart: Restart) -> Iterator[int]:
        """Keep the workers busy until all trials have ended, and yield the number of each when it has."""
        self._client, self._topic = client, f"sweep-{uuid.uuid4().hex}"
        for topic in (self._topic, "all"):
            client.subscribe_topic(topic, self._note)
        self._running.clear()
        left, alive = self._study.unfinished(), time.monotonic()
        while self._running or left or len(self._study.trials()) < self._space.trials:
            restart()
            if workers := len(client.nthreads()):
                alive = time.monotonic()
            elif time.monotonic() - alive > PATIENCE:
                raise ClusterError(f"no worker could be started; {self._folder / LOG} or the cluster's log says why")
            while len(self._running) < workers and (trial := left.pop(0) if left else self._study.ask()):
                self._start(trial)
            ended: set[Future[Leg]] = set()
            if self._running:
                with suppress(TimeoutError):
                    ended = distributed.wait(list(self._running), timeout=_TICK, return_when="FIRST_COMPLETED").done
            else:
                time.sleep(_TICK)
            if client.status != "running":
                raise CommClosedError(client.status)
            yield from (number for future in ended if (number := self._end(future)) is not None)

    def _start(self, trial: optuna.Trial, deaths: int = 0) -> None:
        """Have a worker run a trial up to its next rung."""
        state = path.read_bytes() if (path := self._state(trial)).exists() else None
        rung = next(rung for rung in self._space.rungs if rung > trial.user_attrs.get("epochs", 0))
        limit = max(0.1, self._space.settings.time_limit - trial.user_attrs.get("seconds", 0))
        # By the first part of the name the scheduler knows that these are of one kind, and how long they take.
        name = f"leg-{uuid.uuid4().hex}"
        leg: Any = self._topic, name, limit, self._work, self._space.recipe_of(trial.params), state, rung
        self._running[self._client.submit(run_leg, *leg, key=name, pure=False)] = trial, limit, deaths

    def _end(self, future: Future[Leg]) -> int | None:
        """Record how a leg has ended, and return the number of its trial if that was the last one."""
        trial, limit, deaths = self._running.pop(future)
        try:
            if self._study.report(trial, leg := future.result()):
                save({self._state(trial): leg.state})
                self._start(trial)
                return None
        except KilledWorker:
            if self._lasted.get(str(future.key), 0.0) >= 0.99 * limit:
                reason = f"stopped after {self._space.settings.time_limit:g} s; the log of the worker shows where"
                self._study.fail(trial, "timed out", reason)
            elif deaths + 1 < _DEATHS:
                self._start(trial, deaths + 1)
                return None
            else:
                self._study.fail(trial, "failed", f"{_DEATHS} workers died of it; memory may not suffice")
        except (ClusterError, OSError, CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one trial, the others go on)
            kind = "" if isinstance(error, MnistError | ArithmeticError) else f"{type(error).__name__}: "
            self._study.fail(trial, "failed", f"{kind}{error}")
        self._state(trial).unlink(missing_ok=True)
        return trial.number

    def _note(self, event: tuple[float, Any]) -> None:
        """Note when a leg starts, and how long it lasted when its worker dies, by the scheduler's clock."""
        moment, fact = event
        if isinstance(fact, str):
            self._starts[fact] = moment
        elif fact.get("action") == "remove-worker":
            self._lasted |= {leg: moment - self._starts[leg] for leg in self._starts.keys() & fact["processing-tasks"]}

    def _state(self, trial: optuna.Trial) -> Path:
        return self._folder / f"{trial.number}.safetensors"


def main() -> None:
    """Run the command; raises MnistError where something is wrong that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m studies.sweep", description=__doc__)
    parser.add_argument("space", type=Path, nargs="?", default=SPACE, help="YAML file of what to try (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="on this machine (%(default)s, its cores)")
    parser.add_argument("--scheduler", metavar="tls://HOST:PORT", help="of a Dask cluster, instead of this machine")
    parser.add_argument("--insecure-anyone-can-run-code", action="store_true", help="allow a --scheduler without TLS")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers should be 1 or more")
    address = arguments.scheduler
    if address and not address.startswith("tls://") and not arguments.insecure_anyone_can_run_code:
        danger = "anyone who reaches it can run any program as you, on all its workers"
        allowed = "use tls://, as docs/sweeps.md shows, or, in a network of your own, --insecure-anyone-can-run-code"
        raise ClusterError(f"{address}: is not protected: {danger}; {allowed}")
    default, files = Recipe.load(PARAMS), [RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS]
    digits = read_raw(*files)
    space = Space.load(arguments.space, digits)
    check_dataset(space.recipe.data.dataset, *files)
    # Named by all that its trials follow from, but their number: with more of them the same sweep continues.
    code = [Path(__file__).with_name(name) for name in ("space.py", "study.py", "trial.py")]
    settings = space.settings.model_dump_json(exclude={"trials"})
    name = hashlib.sha256(f"{settings} {fingerprint(space.recipe, [*code, *files])}".encode()).hexdigest()[:16]
    folder = KEPT / arguments.space.stem
    here = partial(local, arguments.workers, folder / name / LOG, digits)
    trials = Sweep(space, folder / name).run(partial(remote, address, digits) if address else here)

    epochs = sum(trial.user_attrs.get("epochs", 0) for trial in trials)
    counts = ", ".join(f"{count} {state}" for state, count in Counter(map(state_of, trials)).items())
    print(f"{counts}; {epochs} epochs, where {len(trials) * space.settings.epochs} would have been without pruning")
    if (best := best_of(trials, space)) is None:
        raise MnistError(f"no trial is complete; delete {folder / name} to try again, if that was not their own fault")
    contents = encode_results(trials, best, space, default)
    save({folder / name: data for name, data in contents.items()})
    print(f"results: {', '.join(str(folder / name) for name in contents)}\nbest: {describe(best, space)}")
    print(exp_command(space.recipe_of(best.params), default))
