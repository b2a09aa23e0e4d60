"""Files from http(s) addresses, in bounded memory whatever a server sends; who asks for one bounds the time."""

import time
from contextlib import suppress
from typing import Final
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from mnist.data.published import RawFile
from mnist.progress import tqdm

# Seconds without a byte.
_SILENCE: Final = 10.0
# Seconds before an address is asked again after the server's own failure, whatever pause the server asks for.
_PAUSES: Final = (0.0, 2.0)
_SERVER_FAILURES: Final = (429, 500, 502, 503, 504)
_MOST_REDIRECTS: Final = 10
# Bytes that are taken from a server at a time.
_CHUNK: Final = 1 << 16


class SourceError(Exception):
    """A source fails in some way; the next one is asked."""


class _NotThereError(SourceError):
    """A server answers that it does not have a file."""


class _Session(requests.Session):
    """A session that follows no redirect: requests would read its body, which may not end."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, whatever the answer says."""


def from_web(address: str, file: RawFile) -> bytes:
    """Return a file from an http(s) address, which has it with the ending .gz or without; raises SourceError."""
    url = f"{address.rstrip('/')}/{file.name}"
    try:
        return _get(f"{url}.gz", file)
    except _NotThereError:
        # The first failure says more than a second "not found" would.
        with suppress(_NotThereError):
            return _get(url, file)
        raise


def _get(url: str, file: RawFile) -> bytes:
    """Return what a server has at an address; raises SourceError."""
    try:
        return _receive(url, file)
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise SourceError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return what went wrong without the wrappings that requests and urllib3 put around it."""
    inner = error.args[-1] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[-1]


def _receive(url: str, file: RawFile) -> bytes:
    """Return the body of an http(s) response as the server stores it, no more than the file can need; with a bar."""
    received = bytearray()
    with (
        _Session() as session,
        _answer(session, url) as response,
        tqdm(desc=file.name, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        bar.total = int(response.headers.get("Content-Length", 0)) or None
        # read1 returns the bytes that have come so far; read would wait for all of them, which a server can drip.
        # Nothing is decoded: a Content-Encoding is that of the file or hides a bomb.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            received += chunk
            bar.update(len(chunk))
            if len(received) > file.size:
                raise SourceError("sends more bytes than the file has")
    return bytes(received)


def _answer(session: requests.Session, url: str) -> requests.Response:
    """Return a server's answer, its body unread, after redirects."""
    for _ in range(_MOST_REDIRECTS):
        response = _retry(session, url)
        if response.ok and not response.is_redirect:
            return response
        response.close()
        if not response.ok:
            raise _NotThereError(f"answers {response.status_code} {response.reason}")
        url = urljoin(url, response.headers["Location"])
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")


def _retry(session: requests.Session, url: str) -> requests.Response:
    """Return the answer to a request, asked again after a failure of the server."""
    for pause in (*_PAUSES, None):
        try:
            response = session.get(url, stream=True, timeout=_SILENCE, headers={"Accept-Encoding": "identity"})
            if pause is None or response.status_code not in _SERVER_FAILURES:
                return response
            response.close()
        except (requests.ConnectionError, requests.Timeout):
            if pause is None:
                raise
        time.sleep(pause)
    raise AssertionError("the last answer is returned or raised")
