"""Kills, hangs and Ctrl-C, at any moment: every trial ends once, in its true state, and the same command resumes."""

import random
import signal
import time
from pathlib import Path

import psutil

from tests.sweep.faults import (
    Project,
    count_ended,
    faults_in,
    kill,
    start_sweep,
    wait_for,
    workers_of,
    write_odd_space,
    write_space,
)


def test_every_trial_ends_once_and_truly_whatever_is_killed(tmp_path: Path) -> None:
    write_odd_space(tmp_path)
    # The sweep, while it starts.
    sweep = start_sweep(tmp_path)
    time.sleep(random.uniform(0, 2))
    sweep.kill()
    sweep.communicate()
    # Each worker while it starts; one while it works; then all at once.
    sweep = start_sweep(tmp_path)
    wait_for(lambda: len(workers_of(sweep)) == 2, sweep)
    kill(*workers_of(sweep))
    wait_for(lambda: count_ended(tmp_path) >= 3, sweep)
    kill(*workers_of(sweep)[:1])
    wait_for(lambda: count_ended(tmp_path) >= 6, sweep)
    kill(sweep, *workers_of(sweep))
    sweep.communicate()
    # And to the end.
    sweep = start_sweep(tmp_path)
    printed = sweep.communicate()[0]
    assert sweep.returncode == 0, printed
    assert faults_in(tmp_path) == []


def test_ctrl_c_ends_in_one_line(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_space(tmp_path, space={"eta": [0.1], "alpha": [number / 1000 for number in range(900)]})
    for is_running in (False, True):
        # Nothing can catch Ctrl-C before the interpreter runs the command: until then the system ignores it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        sweep = project.start("--workers", "1")
        signal.signal(signal.SIGINT, before)
        time.sleep(random.uniform(0, 2))
        if is_running:
            wait_for(lambda: bool(workers_of(sweep)) and count_ended(tmp_path) >= 2, sweep)  # noqa: B023
        workers = workers_of(sweep)
        while sweep.poll() is None:
            sweep.send_signal(signal.SIGINT)
            time.sleep(0.1)
        printed = sweep.communicate()[0]
        assert sweep.returncode == 1, printed
        assert printed.splitlines()[-1].startswith("interrupted; earlier results are untouched"), printed
        assert "Traceback" not in printed
        if is_running:  # those that just start give up later, when their scheduler does not answer
            psutil.wait_procs(workers)
