"""Who runs: each trains the same network on the same work, an epoch for each `next`, and yields its mean loss.

What a library needs only once (copies in its own types, compiling) is done before the first `next` or in it.
"""

import importlib.metadata
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.notebook import notebook_epochs
from benchmarks.work import Work
from mnist.arrays import FloatArray
from mnist.environment import blas_threads


def project(work: Work) -> Iterator[float]:
    """Train with `mnist`."""
    return work.epochs()


def products(work: Work) -> Iterator[float]:
    """Do nothing of a step but its matrix products: the floor that no program on this BLAS gets below."""
    network = work.state().network
    images = work.inputs()
    size, weights = work.parameters.batch_size, network.weights
    gradients = [np.empty_like(layer) for layer in weights]
    a = [images[:size], *[np.full((size, layer.shape[1]), 0.1, np.float32) for layer in weights]]
    z, delta = [values.copy() for values in a], [values.copy() for values in a]
    with blas_threads(network.architecture.largest_product(size)):
        while True:
            for start in range(0, len(images), size):
                a[0] = images[start : start + size]
                for index, layer in enumerate(weights):
                    np.matmul(a[index], layer, out=z[index + 1])
                for index in reversed(range(len(weights))):
                    np.matmul(a[index].T, delta[index + 1], out=gradients[index])
                    if index > 0:
                        np.matmul(delta[index + 1], weights[index].T, out=z[index])
            yield np.nan


def torch_eager(work: Work) -> Iterator[float]:
    """Train with PyTorch as people write it."""
    return _torch(work, compiled=False)


def torch_compiled(work: Work) -> Iterator[float]:
    """Train with PyTorch, forward and loss compiled."""
    return _torch(work, compiled=True)


def _torch(work: Work, *, compiled: bool) -> Iterator[float]:
    import torch  # noqa: PLC0415  (a peer is imported in its own process alone)

    parameters = work.parameters
    images, labels = torch.from_numpy(work.inputs()), torch.from_numpy(work.training.labels.astype(np.int64))
    linear = [torch.nn.Linear(*weights.shape, bias=False) for weights in work.first_weights()]
    for layer, weights in zip(linear, work.first_weights(), strict=True):
        layer.weight.data[:] = torch.from_numpy(weights.T)
    model = torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])
    # Fused: the fastest of its three ways to update on a CPU.
    descent = torch.optim.SGD(model.parameters(), parameters.eta, momentum=parameters.alpha, nesterov=True, fused=True)

    def loss_of(x: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
        return torch.nn.functional.cross_entropy(model(x), y)

    compute = torch.compile(loss_of) if compiled else loss_of
    for order in work.orders():
        total = torch.zeros(())
        for batch in torch.from_numpy(order).split(parameters.batch_size):
            descent.zero_grad()
            loss = compute(images[batch], labels[batch])
            loss.backward()
            descent.step()
            total += loss.detach() * len(batch)
        yield float(total) / len(order)


def scikit_learn(work: Work) -> Iterator[float]:
    """Train with scikit-learn's MLPClassifier, its biases held at zero."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    class WithoutBiases(MLPClassifier):  # type: ignore[misc, unused-ignore]
        def _compute_loss_grad(self, layer: int, *arguments: list[FloatArray]) -> None:
            super()._compute_loss_grad(layer, *arguments)
            *_, bias_gradients = arguments
            bias_gradients[layer][:] = 0

    parameters = work.parameters
    model = WithoutBiases(
        parameters.hidden, activation="relu", solver="sgd", alpha=0, batch_size=parameters.batch_size,
        learning_rate_init=parameters.eta, momentum=parameters.alpha, nesterovs_momentum=True, shuffle=False,
    )  # fmt: skip
    images, labels = work.inputs(), work.training.labels
    # It builds its arrays in its first call, with weights of its own.
    model.partial_fit(images[: parameters.batch_size], labels[: parameters.batch_size], classes=np.arange(10))
    for mine, given in zip(model.coefs_, work.first_weights(), strict=True):
        mine[:] = given
    for bias in model.intercepts_:
        bias[:] = 0
    for velocity in model._optimizer.velocities:  # noqa: SLF001
        velocity[:] = 0
    for order in work.orders():
        model.partial_fit(images[order], labels[order])
        yield float(model.loss_)


def jax_scan(work: Work) -> Iterator[float]:
    """Train with JAX, a whole epoch compiled into one loop."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    parameters = work.parameters
    images, labels = jnp.asarray(work.inputs()), jnp.asarray(work.training.labels.astype(np.int32))
    weights = [jnp.asarray(layer) for layer in work.first_weights()]
    velocities = [jnp.zeros_like(layer) for layer in weights]

    def loss_of(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        for layer in weights[:-1]:
            x = jax.nn.relu(x @ layer)
        logarithms = jax.nn.log_softmax(x @ weights[-1])
        return -jnp.take_along_axis(logarithms, y[:, None], axis=1).mean()

    def step(
        carried: tuple[list[jax.Array], list[jax.Array]], batch: jax.Array
    ) -> tuple[tuple[list[jax.Array], list[jax.Array]], jax.Array]:
        weights, velocities = carried
        loss, gradients = jax.value_and_grad(loss_of)(weights, images[batch], labels[batch])
        velocities = [parameters.alpha * v - parameters.eta * g for v, g in zip(velocities, gradients, strict=True)]
        weights = [
            w + parameters.alpha * v - parameters.eta * g
            for w, v, g in zip(weights, velocities, gradients, strict=True)
        ]
        return (weights, velocities), loss

    epoch = jax.jit(lambda carried, batches: jax.lax.scan(step, carried, batches), donate_argnums=0)
    carried = (weights, velocities)
    for order in work.orders():
        carried, losses = epoch(carried, order.reshape(-1, parameters.batch_size))
        yield float(losses.mean())


def notebook(work: Work) -> Iterator[float]:
    """Train as the notebook did: the same network by its own procedure, in float64."""
    return notebook_epochs(work.training, np.random.default_rng(work.parameters.seed))


Contestant = Callable[[Work], Iterator[float]]

CONTESTANTS: dict[str, tuple[Contestant, str]] = {
    "this project": (project, "numpy"),
    "its matrix products alone": (products, "numpy"),
    "PyTorch": (torch_eager, "torch"),
    "PyTorch, compiled": (torch_compiled, "torch"),
    "scikit-learn": (scikit_learn, "scikit-learn"),
    "JAX, compiled": (jax_scan, "jax"),
    "the notebook's loop": (notebook, "numpy"),
}
"""Name -> who, and the package that they need, as pip calls it."""


def missing() -> dict[str, str]:
    """Return those who cannot run here, with the package that is not installed."""
    installed = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    return {name: package for name, (_, package) in CONTESTANTS.items() if package not in installed}
