"""Certificates, without which no scheduler on the network is used: making them, and telling whether they fit.

Whoever reaches a Dask scheduler can run any program on all its workers. With TLS it answers those alone who have a
certificate of the same authority.
"""

import argparse
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from mnist.errors import MnistError
from stages.command import told_in_words

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"

# Dask has workers give every freed array back to the system, which makes training take half as long again.
MALLOC = "MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=33554432"

# Seconds that a scheduler has to answer.
_PATIENCE = 10


class TlsError(MnistError):
    """Certificates that are missing or do not fit, or an address that goes without."""


def make_certificates(folder: Path) -> None:
    """Write an authority, a certificate of it and its key, for scheduler, workers and driver alike.

    Raises
    ------
    TlsError
        There are some already: others may be using them.
    """
    if existing := [name for name in (AUTHORITY, CERTIFICATE, KEY) if (folder / name).exists()]:
        raise TlsError(f"{folder / existing[0]}: is there already; remove the folder to have new certificates")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="MNIST sweeps")
    # The key of the authority is nowhere kept: nobody can add a certificate.
    certificate = authority.issue_cert("mnist-sweeps")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    for name, data in {
        AUTHORITY: authority.cert_pem.bytes(),
        CERTIFICATE: chain,
        KEY: certificate.private_key_pem.bytes(),
    }.items():
        # Readable by nobody else from the first moment on.
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)


def check_scheduler(address: str, folder: Path) -> None:
    """Reach a scheduler with the certificates of a folder, and say in words what does not fit.

    Raises
    ------
    TlsError
        A certificate is missing or does not fit its key or authority, or the scheduler refuses it or cannot be reached.
    """
    context = _context(folder)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise TlsError(f"{address}: should be the address of a scheduler, such as tls://host:8786")
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            # A scheduler speaks first; one that refuses our certificate says so only now.
            if not secure.recv(1):
                raise TlsError(f"{address}: what listens there is no scheduler of Dask")
    except ssl.SSLCertVerificationError as error:
        raise TlsError(
            f"{address}: the scheduler's certificate is not of the authority in {folder / AUTHORITY} "
            f"({error.verify_message})"
        ) from None
    except TimeoutError:
        raise TlsError(f"{address}: no answer within {_PATIENCE} s") from None
    except ssl.SSLError as error:
        raise TlsError(
            f"{address}: the scheduler refuses {folder / CERTIFICATE}, or speaks no TLS ({error.reason})"
        ) from None
    except OSError as error:
        raise TlsError(f"{address}: no scheduler can be reached there: {error.strerror or error}") from None


def _context(folder: Path) -> ssl.SSLContext:
    for name in (AUTHORITY, CERTIFICATE, KEY):
        if not (folder / name).is_file():
            raise TlsError(f"{folder / name}: is missing; `python -m sweeps.tls {folder}` makes certificates")
    if os.name == "posix" and (folder / KEY).stat().st_mode & 0o077:
        raise TlsError(f"{folder / KEY}: can be read by others; `chmod 600 {folder / KEY}`")
    try:
        context = ssl.create_default_context(cafile=str(folder / AUTHORITY))
        # Whom to believe is a matter of the authority, which is ours alone, not of names.
        context.check_hostname = False
    except ssl.SSLError as error:
        raise TlsError(f"{folder / AUTHORITY}: is not a certificate ({error.reason})") from None
    try:
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    except ssl.SSLError as error:
        raise TlsError(f"{folder / CERTIFICATE}: does not fit {folder / KEY} ({error.reason})") from None
    return context


def main() -> None:
    """Read the command line, write certificates, say how they are used."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where they go; copy it to every machine of the cluster")
    folder = parser.parse_args().folder
    with told_in_words():
        make_certificates(folder)
        options = f"--tls-ca-file {folder / AUTHORITY} --tls-cert {folder / CERTIFICATE} --tls-key {folder / KEY}"
        print(
            f"Certificates are in {folder}. Whoever has the key can run programs on the cluster.\n\n"
            f"  dask scheduler --protocol tls {options}\n"
            f"  {MALLOC} \\\n  dask worker tls://HOST:8786 --nworkers CORES --nthreads 1 {options}\n"
            f"  python -m sweeps.run --scheduler tls://HOST:8786 --certificates {folder}"
        )


if __name__ == "__main__":
    main()
