"""The error class for everything that a user can mend, and the way in which commands print it and end.

A message says what is wrong, where, and what to do.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_LINES = 100
_LONGEST_LINE = 1000


class MnistError(Exception):
    """Something outside the code is wrong (a file, a parameter, the network); the text is written for the user."""


def printable(text: object) -> str:
    """Make text from outside safe for a terminal.

    Escapes control characters other than line ends, and cuts long lines and long texts.
    """
    lines = str(text).split("\n")[:_MOST_LINES]
    shown = (f"{line[:_LONGEST_LINE]}{' ...' if len(line) > _LONGEST_LINE else ''}" for line in lines)
    return "\n".join("".join(map(_escape, line)) for line in shown)


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


@contextmanager
def plain_errors(interrupted: str = "the same command resumes") -> Iterator[None]:
    """On an error that the user can mend, end the program with a message and without a traceback.

    The message after Ctrl-C says that nothing is lost, and then `interrupted`.
    """
    _open_closed_streams()
    try:
        yield
        sys.stdout.flush()
    except (MnistError, FloatingPointError, ChildProcessError) as error:
        sys.exit(f"error: {printable(error)}")
    except BrokenPipeError:
        # Python would complain a second time when it closes stdout.
        sys.stdout = sys.stderr
        sys.exit("error: the program that reads the output has ended")
    except OSError as error:
        sys.exit(f"error: {printable(error.filename or 'input or output')}: {printable(error.strerror or error)}")
    except MemoryError as error:
        sys.exit(f"error: there is not enough memory: {error}; narrower layers and a smaller batch_size need less")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; earlier results are untouched, and {interrupted}")


def _open_closed_streams() -> None:
    """Open a closed stdout or stderr (`>&-`), which Python sets to None: the next file would get its descriptor."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            null = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
            # If only stderr is closed, messages go to stdout.
            setattr(sys, name, sys.stdout or null)
