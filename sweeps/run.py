"""Run a sweep and write what came of it: every trial, the best recipe, three plots; the test images stay closed."""

import argparse
import hashlib
import os
from functools import partial
from pathlib import Path

from mnist.dataset import read_raw
from mnist.errors import MnistError
from mnist.files import together
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS, refuse_others
from stages.checkpoint import name_of
from stages.command import RAW, told_in_words
from sweeps import cluster, plots, table
from sweeps.driver import Connect, run_sweep
from sweeps.space import Sweep
from sweeps.study import best_of
from sweeps.tls import TlsError, check_scheduler
from sweeps.trial import Digits

DEFAULT = Path("params.yaml")

# What decides, beside `mnist/` and `stages/`, which trials there are and what they give.
_CODE = ("space.py", "study.py", "trial.py")


class SweepError(MnistError):
    """A sweep that came to nothing."""


def kept_in(sweep: Sweep) -> Path:
    """Return the folder that a sweep goes on from: named by the sweep, its recipe, the code and the training images.

    `trials` is no part of the name, except in a grid: with more of them the same sweep goes on.
    """
    digest = hashlib.sha256(sweep.settings.model_dump_json(exclude={"trials"}).encode())
    digest.update(str(sweep.grid).encode())
    for path in [Path(__file__).with_name(name) for name in _CODE] + [
        RAW / TRAIN_IMAGES,
        RAW / TRAIN_LABELS,
    ]:
        digest.update(path.read_bytes())
    # DVC runs queued experiments in folders that it deletes when they are killed; DVC_ROOT stays.
    return Path(os.environ.get("DVC_ROOT", "")) / ".sweeps" / name_of(sweep.recipe, digest.hexdigest())


def connection(arguments: argparse.Namespace, digits: Digits) -> Connect:
    """Return how to open the cluster that the command line asks for.

    Raises
    ------
    TlsError
        It would run anybody's code, or its certificates do not fit, or it cannot be reached.
    """
    if arguments.scheduler is None:
        scratch = Path(os.environ.get("DVC_ROOT", "")).resolve() / ".sweeps"
        return partial(cluster.local, arguments.workers, digits, scratch)
    if arguments.scheduler.startswith("tls://"):
        if arguments.certificates is None:
            raise TlsError(
                f"{arguments.scheduler}: needs --certificates, a folder; `python -m sweeps.tls FOLDER` makes one"
            )
        check_scheduler(arguments.scheduler, arguments.certificates)
        return partial(cluster.remote, arguments.scheduler, cluster.tls(arguments.certificates), digits)
    if not arguments.insecure_anyone_can_run_code:
        raise TlsError(
            f"{arguments.scheduler}: is not protected: whoever reaches this scheduler can run any program as you, on "
            "all its workers. Use tls:// (`python -m sweeps.tls FOLDER` makes certificates), or, in a network that "
            "nobody else can reach, add --insecure-anyone-can-run-code"
        )
    return partial(cluster.remote, arguments.scheduler, None, digits)


def main() -> None:
    """Read the command line, run the sweep, write its outputs, print what to do next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sweep", type=Path, nargs="?", default=Path("sweeps/sweep.yaml"), help="what to try (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="on this machine (%(default)s, its cores)")
    parser.add_argument("--scheduler", metavar="tls://HOST:PORT", help="of a Dask cluster, in place of this machine")
    parser.add_argument("--certificates", type=Path, metavar="FOLDER", help="ca.pem, cert.pem and key.pem")
    parser.add_argument("--insecure-anyone-can-run-code", action="store_true", help="let --scheduler go without TLS")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers should be 1 or more")
    with told_in_words():
        default = Hyperparameters.load(DEFAULT)
        sweep = Sweep.load(arguments.sweep)
        refuse_others(sweep.recipe.dataset, RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
        digits = Digits(read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS))
        sweep.check_fits(len(digits.all))
        connect = connection(arguments, digits)
        seeds = ", ".join(map(str, sweep.settings.seeds))
        print(f"{sweep.trials} trials of up to {sweep.settings.epochs} epochs, seed {seeds}", flush=True)
        journal, folder = kept_in(sweep), arguments.sweep.parent
        rows = run_sweep(sweep, journal, connect)

        best = best_of(rows, sweep)
        if best is None:
            reasons = "".join(f"\n  {reason}" for reason in dict.fromkeys(row.reason for row in rows if row.reason))
            raise SweepError(
                f"none of {len(rows)} trials came to its end, for these reasons:{reasons}\n"
                f"If they lay outside the trials, delete {journal}, and the same command tries all of them again"
            )
        with together():
            table.save_trials(folder / "trials.csv", sweep, rows)
            plots.save(folder, sweep, rows)
            recipe = table.save_best(folder / "best.yaml", sweep, best)
        print(table.summary(rows, best))
        print(table.command(recipe, default))


if __name__ == "__main__":
    main()
