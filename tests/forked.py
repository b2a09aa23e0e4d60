"""Runs commands of DVC and of the project as forks of a process that has already imported their modules.

A command in a new Python process spends most of its time on imports: `dvc status` spends 1.3 of 1.5 seconds. In all
other respects a fork is like a typed command: a separate process with its own folder, environment, streams, exit code.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

# Without the modules that the tests run: Python warns if a module is run after it was imported.
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
    """In a process that was just forked, do the same as `python -m` in a new process."""
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, str(cwd))
    sys.argv[1:] = words
    runpy.run_module(module, run_name="__main__", alter_sys=True)
