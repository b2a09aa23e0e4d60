"""Downloads files from http(s) addresses. Memory is bounded, whatever a server sends; the caller bounds the time."""

from contextlib import suppress
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from mnist.data.published import RawFile
from mnist.progress import tqdm

# Seconds without a byte.
_SILENCE = 10.0
# Two retries after a failure of the server, at once and after two seconds, whatever pause the server requests.
_RETRIES = Retry(
    2,
    status_forcelist=(429, 500, 502, 503, 504),
    backoff_factor=1,
    raise_on_status=False,
    respect_retry_after_header=False,
)
_MOST_REDIRECTS = 10
# The most bytes that one read takes from a server.
_CHUNK = 1 << 16


class SourceError(Exception):
    """A source failed in some way; the download asks the next source."""


class _NotThereError(SourceError):
    """A server answers that it does not have a file."""


class _Session(requests.Session):
    """A session that retries, and follows no redirects: requests would read their bodies, which may be endless."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=_RETRIES))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None for every response."""


def from_web(address: str, file: RawFile) -> bytes:
    """Return a file from an http(s) address, with or without the ending .gz; raises SourceError."""
    url = f"{address.rstrip('/')}/{file.name}"
    try:
        return _get(f"{url}.gz", file)
    except _NotThereError:
        # The first error is more informative than a second "not found".
        with suppress(_NotThereError):
            return _get(url, file)
        raise


def _get(url: str, file: RawFile) -> bytes:
    """Return the content of an address; raises SourceError."""
    try:
        return _receive(url, file)
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise SourceError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return the cause of an error, without the text that requests and urllib3 wrap around it."""
    inner = error.args[-1] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[-1]


def _receive(url: str, file: RawFile) -> bytes:
    """Return the body of an http(s) response, not decoded and never larger than the file; show a progress bar."""
    received = bytearray()
    with (
        _Session() as session,
        _answer(session, url) as response,
        tqdm(desc=file.name, unit="B", unit_scale=True, disable=None, leave=False) as bar,
    ):
        bar.total = int(response.headers.get("Content-Length", 0)) or None
        # read1 returns the bytes that have arrived; read would wait for all of them, which a slow server can delay.
        # Nothing is decoded: a Content-Encoding describes the .gz file itself, or hides a decompression bomb.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            received += chunk
            bar.update(len(chunk))
            if len(received) > file.size:
                raise SourceError("sends more bytes than the file has")
    return bytes(received)


def _answer(session: requests.Session, url: str) -> requests.Response:
    """Follow redirects, and return the final response with its body unread."""
    for _ in range(_MOST_REDIRECTS):
        response = session.get(url, stream=True, timeout=_SILENCE, headers={"Accept-Encoding": "identity"})
        if response.ok and not response.is_redirect:
            return response
        response.close()
        if not response.ok:
            raise _NotThereError(f"answers {response.status_code} {response.reason}")
        url = urljoin(url, response.headers["Location"])
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")
