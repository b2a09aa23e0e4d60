"""DVC's queue made safe: with a DVC that fails in all the ways that the real one has been seen to."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mnist.hyperparameters import HyperparameterError
from sweeps import experiments
from sweeps.experiments import QueueError, Result, combinations, run_all, table
from tests.recipe import DEFAULT


class Dvc:
    """A queue whose experiments end as told: by eta, a list of ends, one a try."""

    def __init__(self, **ends: list[str]) -> None:
        self.ends = {eta.replace("_", "."): list(each) for eta, each in ends.items()}
        self.tasks: dict[str, str] = {}
        self.changes: dict[str, list[str]] = {}
        self.workers = 0
        self.killed: list[str] = []

    def __call__(self, *words: str, check: bool = True) -> str:
        assert isinstance(check, bool)
        match words:
            case ("exp", "run", "--queue", *rest):
                return "".join(self._queue(rest))
            case ("queue", "start", "--jobs", jobs):
                self.workers = int(jobs)
            case ("queue", "status"):
                return self._status()
            case ("queue", "kill", "--force", name):
                self.killed.append(name)
                self.tasks[name] = "Failed"
            case ("queue", "remove", name):
                del self.tasks[name]
            case ("queue", "logs", name):
                return (
                    "training\nerror: it diverged\nERROR: exit\n" if self.end(name) == "diverges" else "dulwich: lock\n"
                )
            case ("exp", "show", "--json"):
                return json.dumps([{"experiments": [self._shown(name) for name in self.tasks]}])
        return ""

    def end(self, name: str) -> str:
        return self.ends[self.changes[name][0].removeprefix("eta=")][int(name.split("-")[1])]

    def _queue(self, words: list[str]) -> Iterator[str]:
        (etas,) = [word.removeprefix("eta=") for word in words if word != "-S"]
        for eta in etas.split(","):
            tries = sum(changes == [f"eta={eta}"] for changes in self.changes.values())
            name = f"try{eta.replace('.', '')}-{tries}"
            self.tasks[name], self.changes[name] = "Queued", [f"eta={eta}"]
            overrides = {"params.yaml": [f"eta={eta}"]}
            yield f"Queueing with overrides '{overrides}'.\nQueued experiment '{name}' for future execution.\n"

    def _status(self) -> str:
        printed = "Task     Name        Created    Status\n"
        printed += "".join(f"abcdef1  {name}  08:17 AM   {state}\n" for name, state in self.tasks.items())
        printed += f"\nWorker status: {self.workers} active, 0 idle\n"
        for name, state in self.tasks.items():
            if state == "Queued" and self.workers:
                self.tasks[name] = "Running"
            elif state == "Running" and self.end(name) == "worker dies":
                self.workers = 0
            elif state == "Running":
                self.tasks[name] = "Success" if self.end(name) in {"succeeds", "leaves nothing"} else "Failed"
        return printed

    def _shown(self, name: str) -> dict[str, Any]:
        """Show the parent's figures, better than any, for what has none of its own: so does DVC."""
        own = self.end(name) == "succeeds"
        eta = float(self.changes[name][0].removeprefix("eta="))
        metrics = {"validation": {"accuracy": eta if own else 0.99, "loss": 0.1}}
        data = {"metrics": {experiments.METRICS: {"data": metrics}}}
        state = {"Success": "success", "Failed": "failed"}.get(self.tasks[name], "running")
        # No process has this number.
        executor = {"state": state, "local": {"pid": 2**22 + 1}}
        if self.end(name) == "leaves nothing":
            data = {"metrics": {}}
        return {"name": name, "executor": executor, "revs": [{"data": data}]}


def run(monkeypatch: pytest.MonkeyPatch, dvc: Dvc) -> dict[str, Result]:
    monkeypatch.setattr(experiments, "_dvc", dvc)
    monkeypatch.setattr(experiments, "_PAUSE", 0)
    results = run_all([f"eta={','.join(dvc.ends)}"], len(dvc.ends), jobs=2)
    assert len(results) == len(dvc.ends)
    return {result.changes[0].removeprefix("eta="): result for result in results}


def test_what_ends_well_has_its_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    results = run(monkeypatch, Dvc(**{"0_1": ["succeeds"], "0_2": ["succeeds"]}))
    assert [(eta, result.accuracy, result.reason) for eta, result in results.items()] == [
        ("0.1", 0.1, ""),
        ("0.2", 0.2, ""),
    ]


def test_what_a_stage_refuses_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dvc = Dvc(**{"0_1": ["succeeds"], "0_2": ["diverges"]})
    results = run(monkeypatch, dvc)
    assert results["0.2"].reason == "it diverged"
    assert results["0.2"].accuracy != results["0.2"].accuracy
    assert list(dvc.tasks) == ["try01-0", "try02-0"]


def test_what_fails_for_no_reason_of_its_own_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    results = run(monkeypatch, Dvc(**{"0_1": ["races", "races", "succeeds"], "0_2": ["leaves nothing", "succeeds"]}))
    assert [(result.accuracy, result.reason) for result in results.values()] == [(0.2, ""), (0.1, "")]


def test_after_some_tries_it_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    results = run(monkeypatch, Dvc(**{"0_1": ["races"] * 3}))
    assert results["0.1"].reason == "dulwich: lock"


def test_what_a_dead_worker_was_at_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dvc = Dvc(**{"0_1": ["worker dies", "succeeds"], "0_2": ["succeeds"]})
    results = run(monkeypatch, dvc)
    assert [result.reason for result in results.values()] == ["", ""]
    assert dvc.killed == ["try01-0"]


def test_the_table_has_the_best_first_and_the_failed_marked() -> None:
    nan = float("nan")
    results = [
        Result("a", ("eta=1",), nan, nan, "it diverged"),
        Result("b", ("eta=0.1",), 0.97, 0.1, ""),
        Result("c", ("eta=0.2",), 0.98, 0.05, ""),
    ]
    _, *lines = table(results).splitlines()
    assert [line.split() for line in lines] == [
        ["c", "eta=0.2", "98.00%", "0.0500"],
        ["b", "eta=0.1", "97.00%", "0.1000"],
        ["a", "eta=1", "FAILED:", "it", "diverged"],
    ]


def test_experiments_that_dvc_did_not_queue_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "_dvc", lambda *_, **__: "")
    with pytest.raises(QueueError, match="DVC has queued 0 of 2 experiments"):
        run_all(["eta=0.1,0.2"], 2, 1)


def test_combinations_are_counted() -> None:
    assert combinations(["eta=0.1,1e-2", "alpha=0.5,0.9", "hidden=[100,100],[300]"], DEFAULT) == 8


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        (["etta=1"], r"experiment {'etta': 1}:\n  etta: there is no such key; did you mean eta\?"),
        (["eta=0.1,-1"], "eta = -1: should be greater than 0"),
        (["eta="], "eta=: should be key=value,value"),
        (["eta"], "eta: should be key=value,value"),
        (["eta=[1"], "should be key=value,value"),
        (["eta=2024-13-01"], "eta=2024-13-01: should be key=value,value"),
        (["validation=5000,0"], r"experiment {'validation': 0}:\n  validation = 0: experiments are compared by"),
        ([f"seed={','.join(map(str, range(40)))}", f"epochs={','.join(map(str, range(1, 40)))}"], "more than 1,000"),
    ],
)
def test_nonsense_is_refused_before_it_is_queued(texts: list[str], fault: str) -> None:
    with pytest.raises(HyperparameterError, match=fault):
        combinations(texts, DEFAULT)
