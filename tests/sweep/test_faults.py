"""Kills, hangs and Ctrl-C at any moment: every trial ends once, in the right state, and the same command resumes."""

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


def test_every_trial_ends_once_in_the_right_state_after_any_kill(tmp_path: Path) -> None:
    write_odd_space(tmp_path)
    # Kill the sweep while it starts.
    sweep = start_sweep(tmp_path)
    time.sleep(random.uniform(0, 2))
    sweep.kill()
    sweep.communicate()
    # Kill each worker while it starts, then one while it works, then all at once.
    sweep = start_sweep(tmp_path)
    wait_for(lambda: len(workers_of(sweep)) == 2, sweep)
    kill(*workers_of(sweep))
    wait_for(lambda: count_ended(tmp_path) >= 3, sweep)
    kill(*workers_of(sweep)[:1])
    wait_for(lambda: count_ended(tmp_path) >= 6, sweep)
    kill(sweep, *workers_of(sweep))
    sweep.communicate()
    # Then let the sweep run to its end.
    sweep = start_sweep(tmp_path)
    printed = sweep.communicate()[0]
    assert sweep.returncode == 0, printed
    assert faults_in(tmp_path) == []


def test_ctrl_c_ends_in_one_line(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_space(tmp_path, space={"eta": [0.1], "alpha": [number / 1000 for number in range(900)]})
    for is_running in (False, True):
        # No code can catch Ctrl-C before the interpreter runs the command, so the system ignores it until then.
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
        if is_running:  # workers that are starting give up later, when their scheduler does not answer
            psutil.wait_procs(workers)
