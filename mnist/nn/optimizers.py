"""How a gradient changes the weights.

An optimizer owns all that it remembers: `state` maps a name to an array, and a checkpoint saves and restores those
arrays without knowing what they mean. All arrays are flat and of one length.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from mnist.nn.arrays import FloatArray


class Optimizer(Protocol):
    """Changes weights in place, step by step."""

    state: dict[str, FloatArray]

    def step(self, gradient: FloatArray, eta: float) -> None:
        """Update the weights by one gradient at learning rate `eta`; the gradient is used up as scratch space."""


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
        self.state = {"velocity": np.zeros_like(theta)}

    def step(self, gradient: FloatArray, eta: float) -> None:
        """Update the weights by one gradient at learning rate `eta`; the gradient is used up as scratch space."""
        if self._weight_decay:
            self._theta *= 1 - eta * self._weight_decay
        self._rule(self._theta, self.state["velocity"], gradient, eta, self._alpha)


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
