"""Commands of DVC and of the project, begun as forks of a process that has imported what they need.

A command that starts Python anew spends most of its time on imports: `dvc status` 1.3 of 1.5 seconds. All else is as
when a user types it: a process of its own, with its folder, environment, streams and exit code.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

# Not the modules that are run: Python warns of a module that runs after it was imported.
_IMPORTED = """
dvc.cli.parser dvc.cachemgr dvc.compare dvc.data_cloud dvc.render.convert dvc.ui.table dvc.repo.artifacts
dvc.repo.datasets dvc.repo.experiments.queue.celery dvc.repo.experiments.show dvc.repo.graph dvc.repo.index
dvc.repo.open_repo dvc.repo.plots dvc.repo.reproduce networkx pygit2
mnist.checkpoint mnist.cores mnist.data.download mnist.own report.page stages.pipeline
"""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(_IMPORTED.split())


def run_module(module: str, *arguments: str, cwd: Path, environment: Mapping[str, str]) -> "CompletedProcess[str]":
    """Run `python -m MODULE ARGUMENTS` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        for stream in streams:
            stream.touch()
        process = _FORKS.Process(target=_become, args=(module, arguments, cwd, dict(environment), streams))
        process.start()
        process.join()
        _, out, err = (stream.read_text() for stream in streams)
    return CompletedProcess([module, *arguments], process.exitcode or 0, out, err)


def _become(module: str, words: tuple[str, ...], cwd: Path, environment: dict[str, str], streams: list[Path]) -> None:
    """Do in a process that was just forked what `python -m` does in a new one."""
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, str(cwd))
    sys.argv[1:] = words
    runpy.run_module(module, run_name="__main__", alter_sys=True)
