"""The one kind of error that a user meets: what is wrong, where, and what to do about it."""


class MnistError(Exception):
    """Something outside the code is wrong (a file, a parameter, the network); the text is written for the user."""
