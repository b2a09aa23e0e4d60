"""Optimizers: rules by which a gradient changes the weights.

An optimizer owns everything that it remembers. Its `state` maps names to arrays, and a checkpoint saves and restores
these arrays without knowing their meaning. All arrays are flat and have the same length, so that several processes can
each update a part of the weights.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from mnist.nn.arrays import FloatArray, shared_zeros

ALL = slice(None)

# Without a gradient, a velocity shrinks by the factor alpha in each step, down to denormal numbers (float32: below
# 1e-38). Many processors are a hundred times slower with these, and so small a number does not change a weight.
_NEGLIGIBLE = 1e-30


class Optimizer(Protocol):
    """Changes weights in place, step by step."""

    state: dict[str, FloatArray]

    def step(self, gradient: FloatArray, eta: float, part: slice = ALL) -> None:
        """Update a part of the weights by its gradient at learning rate `eta`; overwrites the gradient."""

    def flush(self, part: slice = ALL) -> None:
        """Set negligibly small numbers to 0 in a part of the state; called about every twenty steps."""


Rule = Callable[[FloatArray, FloatArray, FloatArray, float, float], None]
"""(theta, velocity, gradient, eta, alpha) -> None: changes theta and velocity in place and overwrites the gradient."""


class SGD:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    theta : FloatArray, shape (weights,)
        The weights, which `step` changes in place.
    rule : Rule
        How the gradient and the velocity change the weights.
    alpha : float
        Momentum: the fraction of the last update that the next one repeats; 0: none.
    weight_decay : float
        A step reduces each weight by eta times this fraction. The decay is decoupled from the gradient: momentum does
        not accumulate it (Loshchilov & Hutter 2019). It is scaled by eta, so that one value suits every schedule.
    """

    def __init__(self, theta: FloatArray, rule: Rule, *, alpha: float, weight_decay: float) -> None:
        self._theta = theta
        self._rule = rule
        self._alpha = alpha
        self._weight_decay = weight_decay
        self.state = {"velocity": shared_zeros(theta.size, theta.dtype)}

    def step(self, gradient: FloatArray, eta: float, part: slice = ALL) -> None:
        """Update a part of the weights by its gradient at learning rate `eta`; overwrites the gradient."""
        theta = self._theta[part]
        if self._weight_decay:
            theta *= 1 - eta * self._weight_decay
        self._rule(theta, self.state["velocity"][part], gradient, eta, self._alpha)

    def flush(self, part: slice = ALL) -> None:
        """Set negligibly small velocities to 0; called about every twenty steps."""
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
