"""`python -m studies.sweep SPACE.yaml`; from the first import on, Ctrl-C ends it with one line."""

import os
import signal

from mnist.errors import plain_errors

_INTERRUPTED = b"interrupted; earlier results are untouched, and the same command resumes\n"

if __name__ == "__main__":
    # End at once: libraries sometimes swallow a KeyboardInterrupt, and a sweep loses nothing when it is killed.
    signal.signal(signal.SIGINT, lambda *_: os._exit(os.write(2, b"\n" * os.isatty(2) + _INTERRUPTED) and 1))
    with plain_errors():
        from studies.sweep.run import main

        main()
