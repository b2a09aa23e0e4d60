"""Cases of the environment: kills, streams, variables, limits, mirrors, folders and npm."""

import gzip
import itertools
import random
import shutil
import signal
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.attacks.engine import Case
from tests.attacks.files import place
from tests.attacks.impatient import CONTENT
from tests.stages.project import STAGES


def kills() -> Iterator[Case]:
    """Yield signals at random moments of every stage; the same command then runs to its end."""
    rng = random.Random(5)
    for stage, name in itertools.product(
        STAGES, ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE", "SIGXFSZ", "SIGQUIT")
    ):
        for _ in range(2):
            after, number = rng.uniform(0.05, 1.2), int(signal.Signals[name])
            yield Case(
                "kills", f"{name} in {stage} after {after:.2f} s", [f"stages.{stage}"], signal=number, after=after
            )


def environments() -> Iterator[Case]:
    """Yield closed and broken streams, unusual variables, low limits, and missing or unusual folders."""
    words = [["stages.prepare"], ["stages.train"], ["stages.evaluate"], ["stages.report"], ["mnist", "summary"]]
    streams = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"]
    for redirection, command in itertools.product(streams, words):
        yield Case("environments", f"{redirection} {command[-1]}", command, shell=redirection)
    for name, values in {
        "LC_ALL": ["C", "POSIX", "xx_XX.none"], "PYTHONIOENCODING": ["ascii", "utf-16", "cp1252:strict"], "COLUMNS": ["0", "x"],
        "OMP_NUM_THREADS": ["0", "-1", "x", "99999999999"], "OPENBLAS_NUM_THREADS": ["0", "x", "64"], "TERM": ["", "\x1b[31m"],
        "PYTHONUTF8": ["0", "1"], "PYTHONOPTIMIZE": ["2"], "PYTHONWARNINGS": ["error"], "PYTHONMALLOC": ["debug"], "PATH": [""],
        "DVC_ROOT": ["/nowhere", "/proc", "\x1b", "x" * 5000], "TMPDIR": ["/nowhere"], "HOME": ["/nowhere", ""], "TZ": ["x"],
        "OPENBLAS_CORETYPE": ["Haswell", "x"], "PYTHONUNBUFFERED": ["1"], "PYTHONDEVMODE": ["1"],
    }.items():  # fmt: skip
        for value in values:
            yield Case("environments", f"{name}={value[:9]!r}", ["stages.train"], variables={name: value})
    for limit in ("-n 9", "-n 24", "-f 0", "-f 50", "-v 400000", "-v 1000000", "-t 1", "-s 128", "-u 1", "-l 0"):
        for command in words[:2]:
            yield Case("environments", f"ulimit {limit} {command[-1]}", command, shell=f'ulimit {limit}; exec "$@"')
    for name, line in {
        "no data": "rm -r data", "data is a file": "rm -r data; : > data", "no params": "rm params.yaml",
        "models is a link to nowhere": "rm -r models; ln -s /nowhere/x models", "models is a file": "mv models m; : > models",
        "a partial is a folder": "mkdir -p models/.model.safetensors.partial/x", "checkpoints is a file": ": > .checkpoints",
        "plots is read-only": "chmod 555 plots", "output is a folder": "rm plots/history.csv; mkdir plots/history.csv",
        "a loop": "rm -r models; ln -s models models", "prepared data is a pipe": "rm data/prepared.npz; mkfifo data/prepared.npz",
        "leftovers of all kinds": "touch -d yesterday data/.x.partial data/raw/.x.tmp .checkpoints.x",
    }.items():  # fmt: skip
        yield Case("environments", name, ["stages.train"], partial(_run_shell, line))
    for name, shell in {
        "umask": "umask 777",
        "niceness": "renice 19 $$ >/dev/null",
        "no folder": 'rm -r "$PWD"',
    }.items():
        yield Case("environments", name, ["stages.train"], shell=f'{shell}; exec "$@"')


def _run_shell(line: str, root: Path) -> None:
    subprocess.run(["sh", "-c", line], cwd=root, check=True)


_Script = list[
    tuple[bytes, float, int]
]  # (bytes that a server sends, the pause in seconds before, the number of repetitions)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    scripts: dict[bytes, _Script]
    closing = threading.Event()


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            request = self.request.recv(4096)
            for piece, pause, times in self.server.scripts[request.split(b"/")[1].split(b" ")[0]]:
                for _ in range(times):
                    if pause and self.server.closing.wait(pause):
                        return
                    self.request.sendall(piece)


_FOREVER = 10**9


def _scripts() -> dict[bytes, _Script]:
    """Return the responses of servers by name: all combinations of heads, framings and bodies."""
    packed = gzip.compress(CONTENT)
    heads = {
        "ok": b"200 OK", "created": b"201 \x1b[31mred", "partial": b"206 Partial", "none": b"204 No", "not-modified": b"304 Not",
        "moved": b"301 M\r\nLocation: /good", "see": b"303 S\r\nLocation: ../../../good/images", "loop": b"307 L\r\nLocation: ?",
        "away": b"302 A\r\nLocation: ftp://x/", "nowhere": b"308 N\r\nLocation: http://[", "gone": b"410 " + b"Gone " * 3000,
        "busy": b"503 B\r\nRetry-After: 99999999", "odd": b"999 \xff\xfe", "upgrade": b"101 Switching\r\nUpgrade: x", "zero": b"000 x",
    }  # fmt: skip
    framings = {
        "length": b"Content-Length: %d" % len(packed), "negative": b"Content-Length: -5", "huge": b"Content-Length: 9999999999999999999999",
        "chunked": b"Transfer-Encoding: chunked", "encoded": b"Content-Encoding: br, gzip, zstd, deflate", "none": b"X: y",
    }  # fmt: skip
    bodies: dict[str, _Script] = {
        "right": [(packed, 0, 1)], "dripped": [(b"5\r\n", 0.02, _FOREVER)], "endless": [(bytes(1 << 16), 0, _FOREVER)],
    }  # fmt: skip
    scripts: dict[bytes, _Script] = {
        f"{head}-{framing}-{body}".encode(): [
            (b"HTTP/1.1 " + heads[head] + b"\r\n" + framings[framing] + b"\r\n\r\n", 0.0, 1), *bodies[body]
        ]
        for number, (head, framing, body) in enumerate(itertools.product(heads, framings, bodies))
        if head == "ok" or number % 3 == 0
    }  # fmt: skip
    good: _Script = [(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed), 0, 1)]
    odd: dict[bytes, _Script] = {
        b"good": good,
        b"headers-of-1-MB": [(b"HTTP/1.1 200 OK\r\nX: ", 0, 1), (b"x" * 1000, 0, _FOREVER)],
        b"a-thousand-headers": [(b"HTTP/1.1 200 OK\r\n", 0, 1), (b"X: y\r\n", 0, _FOREVER)],
        b"folded-headers": [(b"HTTP/1.1 200 OK\r\nX: y", 0, 1), (b"\r\n ", 0.01, _FOREVER)],
        b"version-9": [(b"HTTP/9.9 200 OK\r\n\r\n", 0, 1)],
        b"bells": [(b"\x07\x1b]0;x\x07\r\n\r\n", 0, 1)],
        b"nothing": [],
        b"zeros": [(bytes(1 << 16), 0, _FOREVER)],
        b"early-hints": [(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n", 0, _FOREVER)],
        b"two-lengths": [(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 0, 1)],
        b"negative-chunk": [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nxxxxx\r\n", 0, 1)],
        b"huge-chunk": [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 1), (b"f" * 999, 0, _FOREVER)],
    }
    return scripts | odd


@contextmanager
def mirrors() -> Iterator[Iterator[Case]]:
    """Run the servers, and yield a case for each."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.scripts = _scripts()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield (
            Case("mirrors", name.decode(), ["tests.attacks.impatient", f"{address}/{name.decode()}"])
            for name in server.scripts
        )
        server.closing.set()
        server.shutdown()


def folders() -> Iterator[Case]:
    """Yield mirrors that are folders or invalid addresses, and programs named npm that misbehave."""

    def arranged(kind: str, name: str) -> Callable[[Path], object]:
        def arrange(root: Path) -> None:
            (root / "mirror").mkdir()
            place(root / "mirror" / name, kind)

        return arrange

    for name in ("images", "images.gz"):
        for kind in (
            "fifo",
            "/dev/zero",
            "/dev/random",
            "/proc/kmsg",
            "/proc/self/mem",
            "loop",
            "folder",
            "sparse",
            "nowhere",
        ):
            yield Case("folders", f"{name}: {kind}", ["tests.attacks.impatient", "mirror"], arranged(kind, name))
    for text in ("", "-", "\x1b[31mred", "x" * 5000, "http:/x", "http://", "https://127.0.0.1:1", "HTTPS://[", "http://x y/",
                 "ftp://127.0.0.1", "file:///etc", "~", "$HOME", "\udcff", "http://me:pass@127.0.0.1:1", "//", "mirror\nx",
                 "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://\u202e/", "http://xn--/", "http://" + "a" * 300):  # fmt: skip
        yield Case("folders", f"address {text[:20]!r}", ["tests.attacks.impatient", text])
    for number, line in enumerate([
        "yes >&2", "yes", "yes > x.tgz", "sleep 99", "cat /dev/zero > a", "printf '\\033[31m' >&2; exit 1", "exit 77", "kill -9 $$",
        "ln -s /dev/zero x.tgz", "mkfifo x.tgz", "mkdir x.tgz", "ln -s x.tgz x.tgz", "echo > x.tgz", "yes | head -c 9999 > x.tgz",
        "head -c 60000000 /dev/zero | gzip > x.tgz", "exit 1", "trap '' TERM; sleep 99",
    ]):  # fmt: skip

        def install(root: Path, line: str = line) -> None:
            (root / "bin").mkdir()
            (root / "bin/npm").write_text(f"#!/bin/sh\n{line}\n")
            (root / "bin/npm").chmod(0o755)
            shutil.rmtree(root / "nothing", ignore_errors=True)

        shell = 'PATH="$PWD/bin:$PATH" exec "$@"'
        yield Case("folders", f"npm {number}: {line}", ["tests.attacks.impatient", "npm"], install, shell=shell)
