"""Workers: what they hold, how what they do can end, and who can reach them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import threadpoolctl
from distributed import Client, LocalCluster

from mnist.errors import MnistError
from sweeps import cluster
from sweeps.cluster import Cluster, ClusterError, Outcome

PAYLOAD = list(range(1000))


def sums(payload: list[int], number: int) -> int:
    return sum(payload) + number


def process(_: list[int]) -> int:
    return os.getpid()


def threads(_: list[int]) -> list[int]:
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]


def says_no(_: list[int]) -> None:
    raise MnistError("no, and why")


def breaks(_: list[int]) -> None:
    raise KeyError("x")


def sleeps(_: list[int]) -> None:
    time.sleep(10_000)


def computes_and_lets_nobody_in(_: list[int]) -> None:
    # One instruction, which holds Python's lock for minutes.
    pow(7, 10**8)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster.local(2, PAYLOAD, tmp_path_factory.mktemp("scratch")) as two:
        yield two


def ended(workers: Cluster, count: int) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    while len(found) < count:
        found |= {outcome.key: outcome for outcome in workers.outcomes()}
    return found


def test_workers_call_functions_with_what_they_hold(workers: Cluster) -> None:
    for number in range(20):
        workers.submit(str(number), 60, sums, number)
    outcomes = ended(workers, 20)
    assert {key: outcome.value for key, outcome in outcomes.items()} == {str(n): sum(PAYLOAD) + n for n in range(20)}
    assert workers.free == 2


def test_workers_are_processes_of_one_thread(workers: Cluster) -> None:
    for number in range(8):
        workers.submit(str(number), 60, threads)
    assert all(set(outcome.value) <= {1} for outcome in ended(workers, 8).values())
    workers.submit("process", 60, process)
    assert ended(workers, 1)["process"].value != os.getpid()


def test_a_failure_is_told_in_words(workers: Cluster) -> None:
    workers.submit("no", 60, says_no)
    workers.submit("breaks", 60, breaks)
    outcomes = ended(workers, 2)
    assert outcomes["no"].failure == "no, and why"
    assert outcomes["breaks"].failure == "KeyError: 'x'"


def test_what_hangs_is_stopped_whatever_it_does(workers: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_GRACE", 0.5)
    workers.submit("sleeps", 1, sleeps)
    workers.submit("computes", 1, computes_and_lets_nobody_in)
    outcomes = ended(workers, 2)
    for outcome in outcomes.values():
        assert outcome.timed_out
        assert outcome.failure == "stopped after 1 s"
    # And the workers are back, with what they held.
    workers.submit("sum", 60, sums, 1)
    assert ended(workers, 1)["sum"].value == sum(PAYLOAD) + 1


def test_nothing_listens_but_on_the_loopback_device(workers: Cluster) -> None:
    assert workers.free == 2
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [
        connection.laddr.ip
        for one in ours
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_a_worker_with_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_code", lambda: "ours")
    with (
        pytest.raises(ClusterError, match="has another version of the project than this machine"),
        cluster.local(1, PAYLOAD, tmp_path),
    ):
        pass


def test_a_worker_with_other_code_that_joins_later_ends_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_code", lambda: "ours")
    with (
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=tmp_path,
        ) as empty,
        Client(empty) as client,
    ):
        late = Cluster(client, PAYLOAD)
        empty.scale(1)
        late.submit("sum", 60, sums, 1)
        with pytest.raises(ClusterError, match="has another version of the project than this machine"):
            ended(late, 1)
