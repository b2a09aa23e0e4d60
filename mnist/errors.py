"""The one kind of error that a user meets (what is wrong, where, what to do), and how commands end with it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_LINES = 100
_LONGEST_LINE = 1000


class MnistError(Exception):
    """Something outside the code is wrong (a file, a parameter, the network); the text is written for the user."""


def printable(text: object) -> str:
    """Return text that may come from outside as a terminal can show it.

    Control characters other than line ends are escaped, long lines and long texts cut.
    """
    lines = str(text).split("\n")[:_MOST_LINES]
    shown = (f"{line[:_LONGEST_LINE]}{' ...' if len(line) > _LONGEST_LINE else ''}" for line in lines)
    return "\n".join("".join(map(_escape, line)) for line in shown)


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


@contextmanager
def plain_errors(interrupted: str = "the same command resumes") -> Iterator[None]:
    """End the program with a message and no traceback where something is wrong that the user can mend.

    `interrupted` is what to know after Ctrl-C, besides that nothing is lost.
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
    """Give a closed stdout and stderr (`>&-`), which Python sets to None, a place: a file might get their number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            null = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
            # Where only stderr is closed, messages go to stdout.
            setattr(sys, name, sys.stdout or null)
