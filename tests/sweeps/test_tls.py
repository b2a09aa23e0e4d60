"""Certificates: whose keys nobody else reads, and what is said where they do not fit."""

import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeps.tls import AUTHORITY, CERTIFICATE, KEY, TlsError, check_scheduler, make_certificates


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_certificates(tmp_path / "ours")
    return tmp_path / "ours"


@pytest.fixture
def scheduler(folder: Path) -> Iterator[str]:
    """Return the address of something that speaks TLS and wants our certificate, as a scheduler does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / AUTHORITY))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            try:
                connection, _ = server.accept()
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(b"hello")
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tls://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_nobody_else_can_read_a_key(folder: Path) -> None:
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in (AUTHORITY, CERTIFICATE, KEY)] == [0o600] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_certificates_in_use_are_not_written_over(folder: Path) -> None:
    before = (folder / KEY).read_bytes()
    with pytest.raises(TlsError, match=r"ca.pem: is there already; remove the folder"):
        make_certificates(folder)
    assert (folder / KEY).read_bytes() == before


def test_a_scheduler_with_our_certificates_is_reached(folder: Path, scheduler: str) -> None:
    check_scheduler(scheduler, folder)


def test_a_scheduler_of_another_authority_is_refused(tmp_path: Path, scheduler: str) -> None:
    make_certificates(tmp_path / "others")
    with pytest.raises(TlsError, match=r"certificate is not of the authority in .*ca.pem"):
        check_scheduler(scheduler, tmp_path / "others")


def test_a_certificate_that_the_scheduler_refuses_is_told(tmp_path: Path, folder: Path, scheduler: str) -> None:
    make_certificates(tmp_path / "others")
    (tmp_path / "others" / AUTHORITY).write_bytes((folder / AUTHORITY).read_bytes())
    with pytest.raises(TlsError, match=r"the scheduler refuses .*cert.pem"):
        check_scheduler(scheduler, tmp_path / "others")


def test_a_certificate_that_does_not_fit_its_key_is_told(tmp_path: Path, folder: Path) -> None:
    make_certificates(tmp_path / "others")
    (folder / KEY).write_bytes((tmp_path / "others" / KEY).read_bytes())
    with pytest.raises(TlsError, match=r"cert.pem: does not fit .*key.pem"):
        check_scheduler("tls://127.0.0.1:1", folder)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (AUTHORITY, None, r"ca.pem: is missing; `python -m sweeps.tls .*` makes certificates"),
        (KEY, None, r"key.pem: is missing"),
        (AUTHORITY, b"rubbish", r"ca.pem: is not a certificate"),
        (CERTIFICATE, b"rubbish", r"cert.pem: does not fit"),
    ],
)
def test_files_that_are_no_certificates(folder: Path, name: str, content: bytes | None, fault: str) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(TlsError, match=fault):
        check_scheduler("tls://127.0.0.1:1", folder)


def test_a_key_that_others_can_read_is_not_used(folder: Path) -> None:
    (folder / KEY).chmod(0o644)
    with pytest.raises(TlsError, match=r"key.pem: can be read by others; `chmod 600"):
        check_scheduler("tls://127.0.0.1:1", folder)


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("tls://127.0.0.1:1", "no scheduler can be reached there"),
        ("tls://127.0.0.1", "should be the address of a scheduler, such as tls://host:8786"),
        ("tls://127.0.0.1:many", "should be the address of a scheduler"),
        ("tls://127.0.0.1:99999", "should be the address of a scheduler"),
    ],
)
def test_addresses_where_no_scheduler_is(folder: Path, address: str, fault: str) -> None:
    with pytest.raises(TlsError, match=fault):
        check_scheduler(address, folder)
