"""Tries cases, each in a folder and a process of its own, and counts how they ended."""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from tests.helpers import ROOT
from tests.stages.project import OUTPUTS, Project

# A case that takes longer counts as hung. The address space of a case is limited to what any machine should have.
_PATIENCE = 60.0
_MOST_MEMORY = 12 * 2**30


@dataclass(frozen=True)
class Case:
    """A command in a copy of a finished project, and the unusual condition under which it runs."""

    family: str
    name: str
    words: list[str]  # after `python -m`
    arrange: Callable[[Path], object] = lambda _: None  # breaks the copy
    variables: dict[str, str] = field(default_factory=dict)
    shell: str = ""  # closes or redirects streams, sets limits
    signal: int = 0  # sent after `after` seconds; the same command then runs to its end
    after: float = 0.0


class Ending(NamedTuple):
    """How a case ended: accepted, rejected with a sentence, hung, lost or traceback."""

    case: Case
    verdict: str
    seconds: float
    megabytes: float
    output: str


def try_all(cases: Iterable[Case], finished: Project, jobs: int = 2) -> list[Ending]:
    """Return how each case ended, in the order of the cases."""
    cases = list(cases)
    with ThreadPoolExecutor(jobs) as pool:
        return list(tqdm(pool.map(lambda case: _try(case, finished), cases), total=len(cases), unit=" cases"))


def _try(case: Case, finished: Project) -> Ending:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = finished.copy_to(Path(folder) / "project")
        case.arrange(project.root)
        before = _results(project.root)
        code, output, seconds, megabytes = _run(case, project.root)
        if case.signal and code is not None:
            code, output, *_ = _run(Case(case.family, case.name, case.words), project.root)
        # Only a command that succeeds may replace a result, and only by whole files.
        after = _results(project.root) if project.root.exists() else before
        gone = before.keys() - after.keys()
        changed = gone if code == 0 else {name for name in before if after.get(name) != before[name]}
    unclean = "Traceback" in output or "Exception ignored" in output or any(mark in output for mark in "\x1b\x07\x9b")
    if code is None:
        verdict = "hung"
    elif changed:
        verdict = "lost"
    elif unclean or code not in (0, 1, 2):
        verdict = "traceback"
    else:
        verdict = "rejected" if code else "accepted"
    return Ending(case, verdict, seconds, megabytes, output[-2000:])


def _results(root: Path) -> dict[str, bytes]:
    """Return the files that stages write, without unreadable ones that a case has put there."""
    paths = (
        path
        for folder in OUTPUTS
        for path in root.joinpath(folder).rglob("*")
        if path.name[0] != "." and not path.is_symlink()
    )
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in paths
        if path.is_file() and path.stat().st_size < 1 << 30
    }


def _run(case: Case, folder: Path) -> tuple[int | None, str, float, float]:
    """Return exit code, output, seconds, and peak megabytes of a case; the exit code is None if it hangs."""
    command = [sys.executable, "-B", "-m", *case.words]
    if case.shell:
        command = ["bash", "-c", f'exec "$@" {case.shell}' if case.shell[0] in "<>2" else case.shell, "bash", *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder)} | case.variables
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_limit,  # noqa: PLW1509 (nothing but a system call)
            start_new_session=True,
        )
        killed = threading.Event()

        def kill() -> None:
            killed.set()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)

        timer = threading.Timer(_PATIENCE, kill)
        timer.start()
        if case.signal:
            time.sleep(case.after)
            os.kill(process.pid, case.signal)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        seconds = time.monotonic() - start
        output.seek(0)
        text = output.read(1 << 20).decode(errors="surrogateescape")
    return None if killed.is_set() else process.returncode, text, seconds, usage.ru_maxrss / 1024


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
