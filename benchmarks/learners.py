"""Who learns: each trains by the recipe of its work, 2000 images for each `next`, and yields its weights.

The first `next` trains nothing: it builds and compiles, and yields the first weights. PyTorch and JAX get their images
deformed and normalised by this project, in a thread beside their own; this project normalises while it trains.
"""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.machine import cores
from benchmarks.peers import jax_network, torch_network
from benchmarks.work import Chunk, Work
from mnist.arrays import FloatArray
from mnist.dataset import PIXELS


def project(work: Work) -> Iterator[list[FloatArray]]:
    """Train with `mnist`."""
    state = work.state()
    yield state.network.weights
    for _ in work.train(state):
        yield state.network.weights


def torch_eager(work: Work) -> Iterator[list[FloatArray]]:
    """Train with PyTorch, which leaves a core to the thread that deforms."""
    import torch  # noqa: PLC0415  (a peer is imported in its own process alone)

    torch.set_num_threads(max(1, cores() - 1))
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
    """Train with JAX, the batches of a chunk compiled into one loop; all chunks should be of one size."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    def batches(chunk: Chunk) -> tuple[jax.Array, jax.Array, jax.Array]:
        images, labels = chunk.images.reshape(len(chunk.etas), -1, PIXELS), chunk.labels.reshape(len(chunk.etas), -1)
        return jnp.asarray(images), jnp.asarray(labels.astype(np.int32)), jnp.asarray(chunk.etas, jnp.float32)

    def weights() -> list[FloatArray]:
        return [np.array(layer) for layer in state[0]]

    state, step = jax_network(work)
    scan = jax.jit(lambda state, chunk: jax.lax.scan(step, state, chunk), donate_argnums=0)
    learn = scan.lower(state, batches(next(work.chunks()))).compile()
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
