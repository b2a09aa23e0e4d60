"""How a gradient changes the weights.

An optimizer owns all that it remembers: `state` maps a name to an array, and a checkpoint saves and restores those
arrays without knowing what they mean. All arrays are flat and of one length, so that several processes can each update
a part of the weights.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from mnist.nn.arrays import FloatArray, shared_zeros

ALL = slice(None)

# A velocity that no gradient feeds decays by alpha in each step, down to denormal numbers (float32: below 1e-38), which
# many processors handle a hundred times slower. Added to a weight, so small a number makes no difference.
_NEGLIGIBLE = 1e-30


class Optimizer(Protocol):
    """Changes weights in place, step by step."""

    state: dict[str, FloatArray]

    def step(self, gradient: FloatArray, eta: float, part: slice = ALL) -> None:
        """Update a part of the weights by its gradient at learning rate `eta`; the gradient is used up."""

    def flush(self, part: slice = ALL) -> None:
        """Set numbers to 0 that are too small to matter, in a part of the state; called every twenty steps or so."""


Rule = Callable[[FloatArray, FloatArray, FloatArray, float, float], None]
"""(theta, velocity, gradient, eta, alpha) -> None: changes theta and velocity in place and uses the gradient up."""


class SGD:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    theta : FloatArray, shape (weights,)
        The weights, which `step` changes in place.
    rule : Rule
        How the gradient and the velocity change the weights.
    alpha : float
        Momentum: how much of the last update goes into the next; 0: none.
    weight_decay : float
        The part of each weight that a step takes off, times eta. It is decoupled from the gradient, so that momentum
        does not carry it (Loshchilov & Hutter 2019); scaled by eta, so that one value serves every schedule.
    """

    def __init__(self, theta: FloatArray, rule: Rule, *, alpha: float, weight_decay: float) -> None:
        self._theta = theta
        self._rule = rule
        self._alpha = alpha
        self._weight_decay = weight_decay
        self.state = {"velocity": shared_zeros(theta.size, theta.dtype)}

    def step(self, gradient: FloatArray, eta: float, part: slice = ALL) -> None:
        """Update a part of the weights by its gradient at learning rate `eta`; the gradient is used up."""
        theta = self._theta[part]
        if self._weight_decay:
            theta *= 1 - eta * self._weight_decay
        self._rule(theta, self.state["velocity"][part], gradient, eta, self._alpha)

    def flush(self, part: slice = ALL) -> None:
        """Set velocities to 0 that are too small to matter; called every twenty steps or so."""
        velocity = self.state["velocity"][part]
        np.copyto(velocity, 0, where=np.abs(velocity) < _NEGLIGIBLE)


def heavy_ball(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """v <- alpha v - eta g;  theta <- theta + v  (Polyak 1964)."""
    gradient *= eta
    velocity *= alpha
    velocity -= gradient
    theta += velocity


def nesterov(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """v <- alpha (v - eta g);  theta <- theta + v - eta g  (Nesterov 1983, as in Sutskever et al. 2013, eq. 3-4).

    The theta kept here is the paper's look-ahead point theta + alpha v, where the gradient was taken, and the v kept
    here is the paper's alpha v: this takes five passes over the weights, where the paper's own variables take six.
    """
    gradient *= eta
    velocity -= gradient
    velocity *= alpha
    theta -= gradient
    theta += velocity
