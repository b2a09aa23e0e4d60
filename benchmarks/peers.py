"""The network of a piece of work as PyTorch and JAX have it: relu, softmax, no biases; the same first weights.

The update rule is the same as well, for as long as eta is: where a schedule changes it, PyTorch multiplies all of its
momentum by the present eta, JAX and this project each gradient by the eta of its time.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.work import Work

if TYPE_CHECKING:
    import jax
    import torch

# Weights and velocities, a layer each.
JaxState: TypeAlias = "tuple[list[jax.Array], list[jax.Array]]"
# (state, (images, labels, eta)) -> (state, loss), as `jax.lax.scan` wants it.
JaxStep: TypeAlias = "Callable[[JaxState, tuple[jax.Array, jax.Array, Any]], tuple[JaxState, jax.Array]]"


def torch_network(work: Work) -> "tuple[torch.nn.Sequential, torch.optim.SGD]":
    """Return PyTorch's network and what updates it."""
    import torch  # noqa: PLC0415  (a peer is imported in its own process alone)

    layers: list[torch.nn.Module] = []
    for weights in work.first_weights():
        linear = torch.nn.Linear(*weights.shape, bias=False)
        linear.weight.data[:] = torch.from_numpy(weights.T)
        layers += [linear, torch.nn.ReLU()]
    model, parameters = torch.nn.Sequential(*layers[:-1]), work.parameters
    # Fused: the fastest of its three ways to update on a CPU.
    return model, torch.optim.SGD(
        model.parameters(), parameters.eta, momentum=parameters.alpha, nesterov=True, fused=True
    )


def jax_network(work: Work) -> tuple[JaxState, JaxStep]:
    """Return JAX's weights, with velocities that are zero, and what does a step."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    alpha = work.parameters.alpha

    def loss_of(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        for layer in weights[:-1]:
            x = jax.nn.relu(x @ layer)
        logarithms = jax.nn.log_softmax(x @ weights[-1])
        return -jnp.take_along_axis(logarithms, y[:, None], axis=1).mean()

    def step(state: JaxState, batch: tuple[jax.Array, jax.Array, Any]) -> tuple[JaxState, jax.Array]:
        weights, velocities = state
        images, labels, eta = batch
        loss, gradients = jax.value_and_grad(loss_of)(weights, images, labels)
        velocities = [alpha * v - eta * g for v, g in zip(velocities, gradients, strict=True)]
        weights = [w + alpha * v - eta * g for w, v, g in zip(weights, velocities, gradients, strict=True)]
        return (weights, velocities), loss

    weights = [jnp.asarray(layer) for layer in work.first_weights()]
    return (weights, [jnp.zeros_like(layer) for layer in weights]), step
