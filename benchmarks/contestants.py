"""The contestants: this project and its matrix products, PyTorch, scikit-learn, JAX, the notebook's loop.

A racer trains an epoch for each `next` and yields its mean loss. A learner first builds and compiles, then trains a
chunk for each `next`, and yields its weights. All compute the update of a recipe with relu, softmax, Nesterov's
momentum and no biases. They differ when eta changes: PyTorch multiplies its whole momentum by the current eta, while
JAX and this project multiply each gradient by the eta of its step.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from benchmarks.notebook import BATCH, notebook_epochs
from benchmarks.work import Work
from mnist.cores import choose_processes, count_cores
from mnist.data.batches import prefetch
from mnist.fingerprint import blas_threads
from mnist.nn.arrays import FloatArray
from mnist.nn.parallel import Team


def race_project(work: Work, *, flushing: bool) -> Iterator[float]:
    """Train with this project; with `flushing`, it sets velocities to 0 before they become denormal numbers."""
    training, batches = work.recipe.start(work.prepared)
    if not flushing:
        setattr(training.optimizer, "flush", lambda _: None)  # noqa: B010 (mypy forbids a plain assignment)
    return (progress.score.loss for progress in work.train(training, batches) if progress.complete)


def race_sharded_products(work: Work) -> Iterator[float]:
    """Compute only the matrix products of a step, as in training: each process computes those of its shards."""
    shards = work.recipe.shards
    team = Team(work.recipe.start(work.prepared)[0].network, shards)

    def multiply() -> Iterator[float]:
        # A process computes the products of its shards one after another.
        racers = [race_products(work, rows=work.recipe.batch_size // shards, as_training=True) for _ in team.replicas]
        for losses in zip(*racers, strict=True):
            team.wait()
            yield losses[0]

    def assist() -> None:
        deque(multiply(), maxlen=0)

    with team.working(choose_processes(shards), assist):
        yield from multiply()


def race_products(work: Work, *, rows: int | None = None, as_training: bool) -> Iterator[float]:
    """Compute only the matrix products of a step, with as many threads as training uses or as BLAS starts by itself."""
    training, _ = work.recipe.start(work.prepared)
    weights, images, size = training.network.weights, work.inputs(), work.recipe.batch_size
    rows = rows or size
    gradients = [np.empty_like(layer) for layer in weights]
    a = [images[:rows], *[np.full((rows, layer.shape[1]), 0.1, np.float32) for layer in weights]]
    z, delta = [values.copy() for values in a], [values.copy() for values in a]
    with blas_threads(training.network.largest_product(size), work.recipe.shards) if as_training else nullcontext():
        while True:
            for start in range(0, len(images), size):
                a[0] = images[start : start + rows]
                for index, layer in enumerate(weights):
                    np.matmul(a[index], layer, out=z[index + 1])
                for index in reversed(range(len(weights))):
                    np.matmul(a[index].T, delta[index + 1], out=gradients[index])
                    if index > 0:
                        np.matmul(delta[index + 1], weights[index].T, out=z[index])
            yield np.nan


def build_torch(work: Work, *, compiled: bool) -> tuple[list[FloatArray], Callable[[Any, Any, float], Any]]:
    """Return PyTorch's weights as NumPy arrays, and its step: (images, labels, eta) -> loss."""
    import torch  # noqa: PLC0415  (each library is imported only in its own process)

    linears = [torch.nn.Linear(*weights.shape, bias=False) for weights in work.first_weights()]
    for linear, weights in zip(linears, work.first_weights(), strict=True):
        linear.weight.data[:] = torch.from_numpy(weights.T)
    hidden = [layer for linear in linears[:-1] for layer in (linear, torch.nn.ReLU())]
    model = torch.nn.Sequential(*hidden, linears[-1])
    # `fused` is the fastest of PyTorch's three ways to update weights on a CPU.
    optimizer = torch.optim.SGD(model.parameters(), momentum=work.recipe.alpha, nesterov=True, fused=True)

    def loss_of(x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(x), y)

    compute = torch.compile(loss_of) if compiled else loss_of

    def step(x: Any, y: Any, eta: float) -> Any:
        optimizer.param_groups[0]["lr"] = eta
        optimizer.zero_grad()
        loss = compute(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return [linear.weight.detach().numpy().T for linear in linears], step


def race_torch(work: Work, *, compiled: bool) -> Iterator[float]:
    """Train with PyTorch; with `compiled`, it compiles the forward pass and the loss."""
    import torch  # noqa: PLC0415

    images, labels = torch.from_numpy(work.inputs()), torch.from_numpy(work.prepared.training.labels.astype(np.int64))
    _, step = build_torch(work, compiled=compiled)
    for order in work.orders():
        batches = torch.from_numpy(order).split(work.recipe.batch_size)
        losses = [step(images[batch], labels[batch], work.recipe.eta) for batch in batches]
        yield float(torch.stack(losses).mean())


def learn_torch(work: Work) -> Iterator[list[FloatArray]]:
    """Train with PyTorch, and leave a core to the thread that makes chunks."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(max(1, count_cores() - 1))
    weights, step = build_torch(work, compiled=False)
    yield weights
    for images, labels, etas in prefetch(work.chunks()):
        for batch in zip(torch.from_numpy(images), torch.from_numpy(labels), etas, strict=True):
            step(*batch)
        yield weights


def build_jax(work: Work) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return JAX's (weights, velocities) and its step: (state, (images, labels, eta)) -> (state, loss)."""
    import jax  # noqa: PLC0415

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        for layer in weights[:-1]:
            x = jax.nn.relu(x @ layer)
        logarithms = jax.nn.log_softmax(x @ weights[-1])
        return -jax.numpy.take_along_axis(logarithms, y[:, None], axis=1).mean()

    def step(state: Any, batch: Any) -> Any:
        (weights, velocities), (images, labels, eta), alpha = state, batch, work.recipe.alpha
        loss, gradients = jax.value_and_grad(loss_of)(weights, images, labels)
        velocities = [alpha * v - eta * g for v, g in zip(velocities, gradients, strict=True)]
        weights = [w + alpha * v - eta * g for w, v, g in zip(weights, velocities, gradients, strict=True)]
        return (weights, velocities), loss

    weights = [jax.numpy.asarray(layer) for layer in work.first_weights()]
    return (weights, [jax.numpy.zeros_like(layer) for layer in weights]), step


def race_jax(work: Work) -> Iterator[float]:
    """Train with JAX, which compiles a whole epoch into one loop."""
    import jax  # noqa: PLC0415

    images, labels = map(jax.numpy.asarray, (work.inputs(), work.prepared.training.labels.astype(np.int32)))
    state, step = build_jax(work)

    def step_on(state: Any, batch: Any) -> Any:
        return step(state, (images[batch], labels[batch], work.recipe.eta))

    epoch = jax.jit(lambda state, batches: jax.lax.scan(step_on, state, batches), donate_argnums=0)
    for order in work.orders():
        state, losses = epoch(state, order.reshape(-1, work.recipe.batch_size))
        yield float(losses.mean())


def learn_jax(work: Work) -> Iterator[list[FloatArray]]:
    """Train with JAX, which compiles a chunk into one loop; all chunks should have the same size."""
    import jax  # noqa: PLC0415

    state, step = build_jax(work)
    scan = jax.jit(lambda state, chunk: jax.lax.scan(step, state, chunk), donate_argnums=0)
    learn = scan.lower(state, tuple(map(jax.numpy.asarray, next(work.chunks())))).compile()
    yield [np.array(layer) for layer in state[0]]
    for chunk in prefetch(work.chunks()):
        state, _ = learn(state, tuple(map(jax.numpy.asarray, chunk)))
        yield [np.array(layer) for layer in state[0]]


def race_scikit_learn(work: Work) -> Iterator[float]:
    """Train with scikit-learn's MLPClassifier, and keep its biases at zero."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    class WithoutBiases(MLPClassifier):  # type: ignore[misc, unused-ignore]
        def _compute_loss_grad(self, layer: int, *arguments: list[FloatArray]) -> None:
            super()._compute_loss_grad(layer, *arguments)
            *_, bias_gradients = arguments
            bias_gradients[layer][:] = 0

    recipe, images, labels = work.recipe, work.inputs(), work.prepared.training.labels
    model = WithoutBiases(
        recipe.network.hidden, activation="relu", solver="sgd", alpha=0, batch_size=recipe.batch_size,
        learning_rate_init=recipe.eta, momentum=recipe.alpha, nesterovs_momentum=True, shuffle=False,
    )  # fmt: skip
    # MLPClassifier allocates its arrays in its first call, with its own initial weights.
    model.partial_fit(images[: recipe.batch_size], labels[: recipe.batch_size], classes=np.arange(10))
    for mine, given in zip(model.coefs_, work.first_weights(), strict=True):
        mine[:] = given
    for values in (*model.intercepts_, *model._optimizer.velocities):  # noqa: SLF001
        values[:] = 0
    for order in work.orders():
        model.partial_fit(images[order], labels[order])
        yield float(model.loss_)


def learn_project(work: Work) -> Iterator[list[FloatArray]]:
    """Train with this project."""
    training, batches = work.recipe.start(work.prepared)
    yield training.network.weights
    for _ in work.train(training, batches):
        yield training.network.weights


def race_notebook(work: Work) -> Iterator[float]:
    """Train the same network with the notebook's own procedure, in float64, starting from N(0, 1) weights."""
    rng = np.random.default_rng(work.recipe.seed)
    weights = (rng.standard_normal(shape) for shape in ((784, 100), (100, 100), (100, 10)))
    for _, losses, _ in notebook_epochs(work.prepared.training, *weights):
        yield float(np.mean(losses)) / BATCH


PROJECT = "this project"

RACERS: dict[str, Callable[[Work], Iterator[float]]] = {
    PROJECT: partial(race_project, flushing=True),
    "this project with denormal numbers": partial(race_project, flushing=False),
    "its matrix products alone": race_sharded_products,
    "those in one process": partial(race_products, as_training=True),
    "those with a BLAS thread a core": partial(race_products, as_training=False),
    "PyTorch": partial(race_torch, compiled=False),
    "PyTorch, compiled": partial(race_torch, compiled=True),
    "scikit-learn": race_scikit_learn,
    "JAX, compiled": race_jax,
    "the notebook's loop": race_notebook,
}

LEARNERS: dict[str, Callable[[Work], Iterator[list[FloatArray]]]] = {
    PROJECT: learn_project,
    "PyTorch": learn_torch,
    "JAX, compiled": learn_jax,
}
