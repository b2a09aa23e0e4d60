"""Who learns: each trains by a recipe of params.yaml's kind, some 2000 images for each `next`, and yields its weights.

The first `next` trains nothing: it builds and compiles, and yields the first weights. PyTorch and JAX get their images
deformed and normalised by this project, in a thread beside their own, so that only training is compared.
"""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.peers import jax_network, torch_network
from benchmarks.work import Chunk, Work
from mnist.arrays import FloatArray
from mnist.dataset import PIXELS, Dataset
from mnist.environment import blas_threads
from mnist.training import train


def project(work: Work) -> Iterator[list[FloatArray]]:
    """Train with `mnist`."""
    state, nothing = work.state(), Dataset(work.training.images[:0], work.training.labels[:0])
    with blas_threads(state.network.architecture.largest_product(work.parameters.batch_size)):
        yield state.network.weights
        for _ in train(state, work.training, nothing, work.parameters):
            yield state.network.weights


def torch_eager(work: Work) -> Iterator[list[FloatArray]]:
    """Train with PyTorch as people write it."""
    import torch  # noqa: PLC0415  (a peer is imported in its own process alone)

    # On two cores, beside the thread that deforms, 1.7 s to 98 % instead of the 3.6 s of as many threads as it likes.
    torch.set_num_threads(1)
    model, descent = torch_network(work)
    weights = [layer.weight.detach().numpy().T for layer in model if isinstance(layer, torch.nn.Linear)]
    yield weights
    for chunk in work.chunks():
        images = torch.from_numpy(chunk.images).split(work.parameters.batch_size)
        labels = torch.from_numpy(chunk.labels.astype(np.int64)).split(work.parameters.batch_size)
        for x, y, eta in zip(images, labels, chunk.etas, strict=True):
            descent.param_groups[0]["lr"] = eta
            descent.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            descent.step()
        yield weights


def jax_scan(work: Work) -> Iterator[list[FloatArray]]:
    """Train with JAX, 2000 images compiled into one loop."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    def batches(chunk: Chunk) -> tuple[jax.Array, jax.Array, jax.Array]:
        images, labels = chunk.images.reshape(len(chunk.etas), -1, PIXELS), chunk.labels.reshape(len(chunk.etas), -1)
        return jnp.asarray(images), jnp.asarray(labels.astype(np.int32)), jnp.asarray(chunk.etas, jnp.float32)

    def weights() -> list[FloatArray]:
        return [np.array(layer) for layer in state[0]]

    state, step = jax_network(work)
    learn = jax.jit(lambda state, chunk: jax.lax.scan(step, state, chunk), donate_argnums=0)
    first = next(work.chunks())
    learn = learn.lower(state, batches(first)).compile()
    yield weights()
    for chunk in work.chunks():
        state, _ = learn(state, batches(chunk))
        yield weights()


Learner = Callable[[Work], Iterator[list[FloatArray]]]

LEARNERS: dict[str, tuple[Learner, str]] = {
    "this project": (project, "numpy"),
    "PyTorch": (torch_eager, "torch"),
    "JAX, compiled": (jax_scan, "jax"),
}
"""Name -> who, and the package that they need, as pip calls it."""
