"""The one kind of error that a user meets (what is wrong, where, what to do), and how commands end with it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class MnistError(Exception):
    """Something outside the code is wrong (a file, a parameter, the network); the text is written for the user."""


@contextmanager
def plain_errors(interrupted: str = "the same command resumes") -> Iterator[None]:
    """End the program with a message and no traceback where something is wrong that the user can mend.

    `interrupted` is what to know after Ctrl-C, besides that nothing is lost.
    """
    try:
        yield
    except (MnistError, FloatingPointError, ChildProcessError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
    except MemoryError as error:
        sys.exit(f"error: there is not enough memory: {error}; narrower layers and a smaller batch_size need less")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; earlier results are untouched, and {interrupted}")
