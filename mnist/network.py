"""The network: its weights, forward to predictions, backward to gradients."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from mnist.activations import ACTIVATIONS, OUTPUTS, Function
from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import CLASSES, PIXELS
from mnist.hyperparameters import Hyperparameters
from mnist.initializers import INITIALIZERS
from mnist.losses import LOSSES
from mnist.normalisation import Normalisation


@dataclass(frozen=True)
class Architecture:
    """What a network is, but for its weights.

    Attributes
    ----------
    sizes : tuple of int
        The width of each layer, from the pixels to the classes: (784, 100, 100, 10).
    activation, output : str
        What follows the matrix product in the hidden layers, a key of ACTIVATIONS, and in the last, a key of OUTPUTS.
    bias : bool
        Whether layers have biases.
    dtype : str
        "float32" or "float64".
    """

    sizes: tuple[int, ...]
    activation: str
    output: str
    bias: bool
    dtype: str

    @classmethod
    def of(cls, parameters: Hyperparameters) -> Self:
        """Return the architecture that a recipe asks for."""
        return cls(
            sizes=(PIXELS, *parameters.hidden, CLASSES),
            activation=parameters.activation,
            output=LOSSES[parameters.loss].output or parameters.activation,
            bias=parameters.bias,
            dtype=parameters.dtype,
        )

    @property
    def weight_shapes(self) -> list[tuple[int, int]]:
        """The shape (fan-in, fan-out) of each layer's weights."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def count(self) -> int:
        """The number of weights and biases."""
        return sum(map(math.prod, [*self.weight_shapes, *self.bias_shapes]))

    @property
    def bias_shapes(self) -> list[tuple[int]]:
        """The shape (fan-out,) of each layer's biases; empty without biases."""
        return [(fan_out,) for fan_out in self.sizes[1:]] if self.bias else []

    def largest_product(self, batch_size: int) -> int:
        """Return the multiply-adds of the largest matrix product in a step, as `blas_threads` wants to know."""
        return batch_size * max(map(math.prod, self.weight_shapes))

    def split(self, theta: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return the weights (fan-in, fan-out) and biases (fan-out,) of all layers as views into one flat array.

        Without biases the second list is empty.
        """
        shapes: list[tuple[int, ...]] = [*self.weight_shapes, *self.bias_shapes]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        views = [part.reshape(shape) for part, shape in zip(np.split(theta, ends[:-1]), shapes, strict=True)]
        layers = len(self.weight_shapes)
        return views[:layers], views[layers:]

    def __str__(self) -> str:
        """Return one line for people: widths, activations, number of weights."""
        biases = "with biases" if self.bias else "without biases"
        layers = "-".join(map(str, self.sizes))
        return f"{layers} {biases}, {self.activation}, {self.output} outputs, {self.count:,} weights in {self.dtype}"


class Layer(NamedTuple):
    """What a layer computed for a batch: pre-activation `z` and activation `a`, both (images, units)."""

    z: FloatArray
    a: FloatArray


class Network:
    """A multi-layer perceptron that takes pixels 0..255 and carries its own normalisation.

    Attributes
    ----------
    architecture : Architecture
    normalisation : Normalisation
    theta : FloatArray, shape (architecture.count,)
        All weights and biases in one array, so that an optimiser needs to know nothing of layers.
    weights, biases : list of FloatArray
        The same numbers as views, a layer each: (fan-in, fan-out) and (fan-out,); no biases: an empty list.
    """

    def __init__(self, architecture: Architecture, normalisation: Normalisation, theta: FloatArray) -> None:
        self.architecture = architecture
        self.normalisation = normalisation.astype(architecture.dtype)
        self.theta = theta
        self.weights, self.biases = architecture.split(theta)
        self._workspace: list[Layer] = []
        self._gradient = np.empty_like(theta)
        self._gradients = architecture.split(self._gradient)
        hidden = ACTIVATIONS[architecture.activation]
        self._derivative = hidden.derivative
        self._activations: list[Function] = [
            *[hidden.value] * (len(self.weights) - 1),
            OUTPUTS[architecture.output],
        ]

    @classmethod
    def initialise(cls, parameters: Hyperparameters, normalisation: Normalisation, rng: np.random.Generator) -> Self:
        """Return an untrained network: weights by `parameters.initializer`, biases zero."""
        architecture = Architecture.of(parameters)
        network = cls(architecture, normalisation, np.zeros(architecture.count, architecture.dtype))
        for weights in network.weights:
            weights[:] = INITIALIZERS[parameters.initializer](rng, *weights.shape)
        return network

    def with_normalisation(self, normalisation: Normalisation) -> "Network":
        """Return a network of the same weights that treats its input differently."""
        return Network(self.architecture, normalisation, self.theta)

    def forward(self, pixels: ByteArray | FloatArray) -> list[Layer]:
        """Return what every layer computes for a batch of images.

        Parameters
        ----------
        pixels : ByteArray or FloatArray, shape (images, 784)
            0..255, not normalised: that is the network's own first step.

        Returns
        -------
        list of Layer
            The normalised input (its z and a are the same); then one entry a layer. The last `a` (images, 10) is the
            network's answer. All but the last are written over by the next call, and by `backward`.
        """
        layers = self._layers(len(pixels))
        self.normalisation(pixels, out=layers[0].a)
        for index, (weights, activation) in enumerate(zip(self.weights, self._activations, strict=True)):
            z, a = layers[index + 1]
            np.matmul(layers[index].a, weights, out=z)
            if self.biases:
                z += self.biases[index]
            activation(z, out=a)
        return layers

    def _layers(self, images: int) -> list[Layer]:
        """Return arrays for all layers; those of input and hidden layers are the same from batch to batch.

        The system gives large arrays page by page: with new ones a step of 1000 images took 5.6 ms, not 4.5.
        """
        pixels, *hidden, outputs = self.architecture.sizes
        if not self._workspace or len(self._workspace[0].a) < images:
            inputs = np.empty((images, pixels), self.architecture.dtype)
            self._workspace = [Layer(inputs, inputs), *(self._empty_layer(images, units) for units in hidden)]
        return [*(Layer(z[:images], a[:images]) for z, a in self._workspace), self._empty_layer(images, outputs)]

    def _empty_layer(self, images: int, units: int) -> Layer:
        z, a = np.empty((2, images, units), self.architecture.dtype)
        return Layer(z, a)

    def backward(self, layers: list[Layer], delta: FloatArray) -> FloatArray:
        """Return the gradient of the loss by all weights (Rumelhart, Hinton & Williams 1986).

        Parameters
        ----------
        layers : list of Layer
            What `forward` returned; those of the hidden layers are used up as scratch space.
        delta : FloatArray, shape (images, 10)
            The derivative of the loss by the last layer's z.

        Returns
        -------
        FloatArray
            In the layout of `theta`, summed over the images. The next call writes over it.
        """
        weight_gradients, bias_gradients = self._gradients
        for index in reversed(range(len(self.weights))):
            np.matmul(layers[index].a.T, delta, out=weight_gradients[index])
            if bias_gradients:
                np.sum(delta, axis=0, out=bias_gradients[index])
            if index > 0:
                z, a = layers[index]
                slope = self._derivative(z, a, z)
                delta = np.matmul(delta, self.weights[index].T, out=a)
                delta *= slope
        return self._gradient
