"""Gradient descent with momentum: how a gradient changes the weights.

All rules work in place on flat arrays of one length: `theta` (the weights), `velocity` (what the rule remembers) and
`gradient`, which they use up as scratch space: a new array of this size for each update would cost more than the sums.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mnist.arrays import FloatArray

Update: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray, float, float], None]


def heavy_ball(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """v <- alpha v - eta g;  theta <- theta + v  (Polyak 1964)."""
    gradient *= eta
    velocity *= alpha
    velocity -= gradient
    theta += velocity


def nesterov(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """v <- alpha (v - eta g);  theta <- theta + v - eta g  (Nesterov 1983, as in Sutskever et al. 2013, eq. 3-4).

    The theta kept here is the paper's look-ahead point theta + alpha v, where the gradient was taken, and the v kept
    here is the paper's alpha v: so five sweeps over the weights do, where theta and v themselves would take six.
    """
    gradient *= eta
    velocity -= gradient
    velocity *= alpha
    theta -= gradient
    theta += velocity


def last_step(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """theta <- theta - eta g + alpha v;  v <- -eta g: the notebook's, which remembers one gradient and no more."""
    velocity *= alpha
    theta += velocity
    np.multiply(gradient, -eta, out=velocity)
    theta += velocity


MOMENTUM_RULES: dict[str, Update] = {"heavy_ball": heavy_ball, "nesterov": nesterov, "last_step": last_step}
"""`momentum` in params.yaml -> the rule (theta, velocity, gradient, eta, alpha) -> None."""
