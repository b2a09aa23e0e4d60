"""Maps pixels 0..255 to the inputs of a network; fitted on training images, and saved with the network."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray
from mnist.nn.arrays import FloatArray

_WHITE = 255


@dataclass(frozen=True)
class Normalisation:
    """The map x -> (x - offset) * scale.

    `offset` and `scale` broadcast against a batch (images, pixels): a single number for all pixels has shape ().
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, _: ByteArray, /) -> Self:
        """Return the map for training images (images, pixels); in this base class it leaves pixels unchanged."""
        return cls(np.array(0.0), np.array(1.0))

    def __call__(self, pixels: ByteArray, out: FloatArray) -> FloatArray:
        """Write the normalised `pixels` (images, pixels) into `out`, which has the same shape, and return `out`."""
        np.copyto(out, pixels)
        # If the map only scales pixels, this saves a pass over them.
        if self.offset.any():
            out -= self.offset.astype(out.dtype, copy=False)
        out *= self.scale.astype(out.dtype, copy=False)
        return out

    @property
    def for_prediction(self) -> "Normalisation":
        """The map for images that the network is not trained on."""
        return Normalisation(self.offset, self.scale)


class Unit(Normalisation):
    """Scale pixels to 0..1: divide by 255."""

    @classmethod
    def fit(cls, _: ByteArray, /) -> Self:
        """Return the map, which is the same for all training images."""
        return cls(np.array(0.0), np.array(1 / _WHITE))


class Standardize(Normalisation):
    """Shift and scale pixels so that all training pixels together have mean 0 and standard deviation 1."""

    @classmethod
    def fit(cls, images: ByteArray, /) -> Self:
        """Return the map for these training images (images, pixels)."""
        histogram = np.zeros(_WHITE + 1, np.int64)
        for image in images:
            histogram += np.bincount(image, minlength=len(histogram))
        levels, count = np.arange(len(histogram)), histogram.sum()
        mean = histogram @ levels / count
        variance = histogram @ (levels - mean) ** 2 / count
        return cls(np.array(mean), np.array(1 / np.sqrt(variance) if variance else 1.0))
