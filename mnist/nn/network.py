"""The network: its weights, the forward pass to predictions, the backward pass to gradients."""

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from mnist.nn.activations import Activation, Output
from mnist.nn.arrays import FloatArray, shared_zeros


class Network:
    """A multi-layer perceptron: `network(images)` answers with a row of outputs for each image.

    Parameters
    ----------
    sizes : sequence of int
        The width of each layer, from the inputs to the outputs: (784, 100, 100, 10).
    activation : Activation
        Follows the matrix product of every layer but the last.
    output : Output
        Follows the last matrix product.
    bias : bool
        Whether a bias is added to each matrix product.
    dtype : str
        "float32" or "float64".

    Attributes
    ----------
    theta : FloatArray, shape (weights and biases,)
        All numbers of the network in one array, so that an optimizer does not have to know the layers; 0 at first.
    weights, biases : list of FloatArray
        Views of `theta`, one for each layer: (fan-in, fan-out) and (fan-out,). Without biases, `biases` is empty.
    gradient : FloatArray, of the shape of `theta`
        The result of `backward`.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation,
        output: Output,
        *,
        bias: bool = False,
        dtype: str = "float32",
    ) -> None:
        self.sizes = tuple(sizes)
        self.activation = activation
        self.output = output
        self._shapes: list[tuple[int, ...]] = list(itertools.pairwise(self.sizes))
        if bias:
            self._shapes += [(fan_out,) for fan_out in self.sizes[1:]]
        self.theta = shared_zeros(sum(map(math.prod, self._shapes)), dtype)
        self.weights, self.biases = self._split(self.theta)
        self._allocate()

    def _allocate(self) -> None:
        self.gradient = shared_zeros(self.theta.size, self.theta.dtype)
        self._gradients = self._split(self.gradient)
        self._reserved = -1
        self._reserve(images=0)

    def replica(self) -> Self:
        """Return a network that shares the memory of the weights, but has its own gradient and activations."""
        replica = copy.copy(self)
        replica._allocate()  # noqa: SLF001 (of its own class)
        return replica

    def _split(self, theta: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return views of the weights and the biases of all layers in one flat array."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])
        views = [part.reshape(shape) for part, shape in zip(np.split(theta, ends[:-1]), self._shapes, strict=True)]
        layers = len(self.sizes) - 1
        return views[:layers], views[layers:]

    def initialize(
        self, initializer: Callable[[np.random.Generator, int, int], FloatArray], rng: np.random.Generator
    ) -> None:
        """Draw the initial weights, layer by layer; biases stay 0."""
        for weights in self.weights:
            weights[:] = initializer(rng, *weights.shape)

    def __call__(self, images: FloatArray) -> FloatArray:
        """Return the outputs (images, classes) for `images` (images, inputs)."""
        return self.output(self.forward(images)[-1])

    def forward(self, images: FloatArray) -> list[FloatArray]:
        """Return the results of all layers for `images` (images, inputs), arrays of shape (images, units).

        The first array is `images`. The activations of the hidden layers follow; the next call and `backward` overwrite
        them. The last array is new: the pre-activation `z` of the last layer, the input of the loss and of the output
        function.
        """
        self._reserve(len(images))
        activations = [images]
        for index, (weights, out) in enumerate(zip(self.weights, [*self._hidden, None], strict=True)):
            z = np.matmul(activations[-1], weights, out=out)
            if self.biases:
                z += self.biases[index]
            activations.append(self.activation(z, out=z) if out is not None else z)
        return activations

    def backward(self, activations: list[FloatArray], delta: FloatArray) -> FloatArray:
        """Return the gradient of the loss with respect to all weights (Rumelhart, Hinton & Williams 1986).

        `activations` come from `forward`; this call overwrites those of the hidden layers. `delta` (images, classes) is
        the derivative of the loss with respect to the last layer's `z`. The result has the shape of `theta`, and is the
        sum over the images; the next call overwrites it.
        """
        weight_gradients, bias_gradients = self._gradients
        for index in reversed(range(len(self.weights))):
            a = activations[index]
            np.matmul(a.T, delta, out=weight_gradients[index])
            if bias_gradients:
                np.sum(delta, axis=0, out=bias_gradients[index])
            if index > 0:
                slope = self.activation.derivative(a, self._slopes[index - 1][: len(delta)])
                delta = np.matmul(delta, self.weights[index].T, out=a)
                delta *= slope
        return self.gradient

    def _reserve(self, images: int) -> None:
        """Allocate arrays (images, units) for the activations and slopes of the hidden layers; all batches reuse them.

        The operating system hands out large arrays page by page: with new arrays, a step of 1000 images took 5.6 ms
        instead of 4.5 ms.
        """
        if self._reserved != images:
            self._reserved = images
            self._hidden, self._slopes = (
                [np.empty((images, units), self.theta.dtype) for units in self.sizes[1:-1]] for _ in range(2)
            )

    def largest_product(self, batch_size: int) -> int:
        """Return the number of multiply-adds of the largest matrix product for a batch of this size."""
        return batch_size * max(weights.size for weights in self.weights)

    def __str__(self) -> str:
        """Return one line: widths, activations, number of weights."""
        biases = "with biases" if self.biases else "without biases"
        layers = "-".join(map(str, self.sizes))
        functions = f"{self.activation.name}, {self.output.name} outputs"
        return f"{layers} {biases}, {functions}, {self.theta.size:,} weights in {self.theta.dtype}"
