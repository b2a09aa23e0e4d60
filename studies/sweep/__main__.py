"""`python -m studies.sweep SPACE.yaml`, which Ctrl-C ends in one line, from its first import on."""

import os
import signal

from mnist.errors import plain_errors


def interrupt(*_: object) -> None:
    """End at once: a sweep can be killed at any moment, and libraries swallow a KeyboardInterrupt now and then."""
    os.write(2, b"\n" * os.isatty(2) + b"interrupted; earlier results are untouched, and the same command resumes\n")
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupt)
    with plain_errors():
        from studies.sweep.run import main

        main()
