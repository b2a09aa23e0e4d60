"""Who runs: each trains the same network on the same work, an epoch for each `next`, and yields its mean loss.

What a library needs only once (copies in its own types, compiling) is done before the first `next` or in it.
"""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from benchmarks.notebook import notebook_epochs
from benchmarks.peers import JaxState, jax_network, torch_network
from benchmarks.work import Work
from mnist.arrays import FloatArray
from mnist.environment import blas_threads


def project(work: Work) -> Iterator[float]:
    """Train with `mnist`."""
    return work.epochs()


def products(work: Work) -> Iterator[float]:
    """Do nothing of a step but its matrix products: the floor for what calls this BLAS on one thread."""
    with blas_threads(work.state().network.architecture.largest_product(work.parameters.batch_size)):
        yield from products_on_all_cores(work)


def products_on_all_cores(work: Work) -> Iterator[float]:
    """Do the same with as many threads as BLAS likes."""
    weights, images, size = work.first_weights(), work.inputs(), work.parameters.batch_size
    gradients = [np.empty_like(layer) for layer in weights]
    a = [images[:size], *[np.full((size, layer.shape[1]), 0.1, np.float32) for layer in weights]]
    z, delta = [values.copy() for values in a], [values.copy() for values in a]
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
    model, descent = torch_network(work)

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
    state, step = jax_network(work)

    def step_on(state: JaxState, batch: jax.Array) -> tuple[JaxState, jax.Array]:
        return step(state, (images[batch], labels[batch], parameters.eta))

    epoch = jax.jit(lambda state, batches: jax.lax.scan(step_on, state, batches), donate_argnums=0)
    for order in work.orders():
        state, losses = epoch(state, order.reshape(-1, parameters.batch_size))
        yield float(losses.mean())


def notebook(work: Work) -> Iterator[float]:
    """Train as the notebook did: the same network by its own procedure, in float64."""
    return notebook_epochs(work.training, np.random.default_rng(work.parameters.seed))


Contestant = Callable[[Work], Iterator[float]]

CONTESTANTS: dict[str, tuple[Contestant, str]] = {
    "this project": (project, "numpy"),
    "its matrix products alone": (products, "numpy"),
    "those with a BLAS thread a core": (products_on_all_cores, "numpy"),
    "PyTorch": (torch_eager, "torch"),
    "PyTorch, compiled": (torch_compiled, "torch"),
    "scikit-learn": (scikit_learn, "scikit-learn"),
    "JAX, compiled": (jax_scan, "jax"),
    "the notebook's loop": (notebook, "numpy"),
}
"""Name -> who, and the package that they need, as pip calls it."""


def installed(contestants: Mapping[str, tuple[object, str]]) -> list[str]:
    """Return the names of those who can run here, and say of the others which package they lack."""
    packages = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    for name, (_, package) in contestants.items():
        if package not in packages:
            print(f"{name} does not run: `pip install {package}` brings what it needs")
    return [name for name, (_, package) in contestants.items() if package in packages]
