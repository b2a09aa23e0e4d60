"""`python -m studies.sweep SPACE.yaml`, which Ctrl-C ends in one line, from its first import on."""

import os
import signal

from mnist.errors import plain_errors

_INTERRUPTED = b"interrupted; earlier results are untouched, and the same command resumes\n"

if __name__ == "__main__":
    # At once: a sweep can be killed at any moment, and libraries swallow a KeyboardInterrupt now and then.
    signal.signal(signal.SIGINT, lambda *_: os._exit(os.write(2, b"\n" * os.isatty(2) + _INTERRUPTED) and 1))
    with plain_errors():
        from studies.sweep.run import main

        main()
