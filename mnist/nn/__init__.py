"""The network from scratch, in NumPy alone.

In reading order: `activations`, `losses`, `initializers`, `network`, `optimizers`, `schedules`, `metrics`, `training`.
"""

from mnist.nn.activations import relu, sigmoid, softmax, tanh
from mnist.nn.losses import softmax_cross_entropy
from mnist.nn.network import Network
from mnist.nn.optimizers import SGD, nesterov
from mnist.nn.training import Training

__all__ = ["SGD", "Network", "Training", "nesterov", "relu", "sigmoid", "softmax", "softmax_cross_entropy", "tanh"]
