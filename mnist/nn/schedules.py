"""Schedules of the learning rate: the factor of eta at `progress`, the fraction 0..1 of all updates that are done."""

import math


def constant(_: float) -> float:
    """1 throughout."""
    return 1.0


def linear(progress: float) -> float:
    """From 1 to 0 in a straight line."""
    return 1 - progress


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017, eq. 5, without restarts)."""
    return (1 + math.cos(math.pi * progress)) / 2
