"""Batches: every image once or in file order, newly deformed in each epoch, for any size of a chunk."""

import copy
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist.data.batches import Batches, batches_of, in_file_order, one_hot, prefetch, shuffled
from mnist.data.dataset import Dataset
from mnist.data.deformation import Deformation
from mnist.data.normalisation import Unit
from mnist.nn.arrays import FloatArray
from tests.helpers import random_digits

DIGITS = random_digits(230)
PLACES = {image.tobytes(): place for place, image in enumerate(DIGITS.images)}
STILL = Deformation(rotation=0, scaling=0, shear=0, shift=0, elastic=0, smoothness=4)
COUNTS, BATCH_SIZES, SEEDS = st.integers(1, 50), st.integers(1, 60), st.integers(0, 2**32)


def batches(**changes: Any) -> Batches:
    """Return shuffled batches of 20 of DIGITS, with some attributes changed."""
    generators = {name: np.random.default_rng(number) for number, name in enumerate(("shuffling", "deformation"))}
    plain = Batches(DIGITS, Unit.fit(DIGITS.images), STILL, shuffled, 20, "float64", generators)
    return replace(plain, **changes)


def epoch(source: Batches, progress: float = 0) -> tuple[list[int], FloatArray, FloatArray]:
    """Return the sizes of an epoch's batches, all its images and all its targets."""
    count, chunks = source.draw(progress)
    # A batch may overwrite the previous one.
    batches = [(size, copy.deepcopy(shards)) for chunk in chunks for size, shards in chunk]
    images, targets = zip(*(shard for _, shards in batches for shard in shards), strict=True)
    assert count == sum(size for size, _ in batches)
    return [size for size, _ in batches], np.concatenate(images), np.concatenate(targets)


def test_a_shuffled_epoch_has_each_normalised_image_once_with_its_target() -> None:
    source = batches()
    orders = []
    for _ in range(2):
        sizes, images, targets = epoch(source)
        assert sizes == [20] * 11 + [10]
        # DIGITS are random, so no two images are equal.
        numbers = [PLACES[image.tobytes()] for image in np.rint(images * 255).astype(np.uint8)]
        assert sorted(numbers) == list(range(230))
        np.testing.assert_array_equal(targets, np.eye(10)[DIGITS.labels[numbers]], strict=True)
        orders.append(numbers)
    assert orders[0] != orders[1]


def test_file_order_keeps_the_order_draws_nothing_and_drops_the_partial_batch() -> None:
    source = batches(order=in_file_order)
    before = str(source.generators["shuffling"].bit_generator.state)
    sizes, images, _ = epoch(source)
    assert sizes == [20] * 11
    np.testing.assert_allclose(images, DIGITS.images[:220] / 255, rtol=1e-15)
    assert str(source.generators["shuffling"].bit_generator.state) == before


@given(COUNTS, BATCH_SIZES, SEEDS)
def test_orders_have_every_image_once_or_full_batches(count: int, batch_size: int, seed: int) -> None:
    assert sorted(shuffled(count, batch_size, np.random.default_rng(seed))) == list(range(count))
    full = in_file_order(count, batch_size, np.random.default_rng(seed))
    assert full.tolist() == list(range(count // batch_size * batch_size))


@pytest.mark.parametrize("deformation", [{}, {"elastic": 1, "shift": 2}], ids=["still", "deformed"])
@pytest.mark.parametrize("batch_size", [1, 7, 230])
def test_the_size_of_a_chunk_changes_no_order_and_no_image_that_is_not_deformed(
    batch_size: int, deformation: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = epoch(batches(batch_size=batch_size, deformation=replace(STILL, **deformation)))
    monkeypatch.setattr("mnist.data.batches._CHUNK", 21)
    pieces = epoch(batches(batch_size=batch_size, deformation=replace(STILL, **deformation)))
    assert pieces[0] == whole[0]
    np.testing.assert_array_equal(pieces[2], whole[2])
    if not deformation:
        np.testing.assert_array_equal(pieces[1], whole[1])


@pytest.mark.parametrize("shards", [2, 3, 20])
def test_any_selection_of_shards_has_the_images_of_the_batch(shards: int) -> None:
    changes: dict[str, Any] = {"batch_size": 20, "shards": shards}
    for one, other in zip(epoch(batches(**changes)), epoch(batches()), strict=True):
        np.testing.assert_array_equal(one, other)
    changes["deformation"] = replace(STILL, elastic=1)
    _, chunks = batches(**changes).draw(0)
    parts = [batches(**changes).draw(0, slice(shard, shard + 1))[1] for shard in range(shards)]
    for chunk, *chunks_of_parts in zip(chunks, *parts, strict=True):
        for (size, together), *alone in zip(chunk, *chunks_of_parts, strict=True):
            assert [part[0] for part in alone] == [size] * shards
            assert max(len(images) for images, _ in together) - min(len(images) for images, _ in together) <= 1
            for (images, targets), (_, [(same_images, same_targets)]) in zip(together, alone, strict=True):
                np.testing.assert_array_equal(images, same_images)
                np.testing.assert_array_equal(targets, same_targets)


def test_each_epoch_has_new_deformations_in_the_same_order_of_images() -> None:
    deformed = batches(deformation=replace(STILL, elastic=1), order=in_file_order, batch_size=10)
    first, second = epoch(deformed), epoch(deformed)
    assert not any((a == b).all() for a, b in zip(first[1], second[1], strict=True))
    np.testing.assert_array_equal(first[2], second[2])
    # The same generators give the same images.
    again = batches(deformation=replace(STILL, elastic=1), order=in_file_order, batch_size=10)
    np.testing.assert_array_equal(epoch(again)[1], first[1])


def test_deformations_draw_from_their_own_generator() -> None:
    deformed, plain = batches(deformation=replace(STILL, rotation=9)), batches()
    np.testing.assert_array_equal(epoch(deformed)[2], epoch(plain)[2])
    np.testing.assert_array_equal(epoch(deformed)[2], epoch(plain)[2])


def test_deformations_that_fade_are_gone_at_the_end() -> None:
    fading = batches(deformation=replace(STILL, shift=20, fading=1), order=in_file_order)
    np.testing.assert_array_equal(epoch(fading, progress=1)[1], epoch(batches(order=in_file_order))[1])
    assert (epoch(fading, progress=0.5)[1] != epoch(batches(order=in_file_order))[1]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_a_data_set_keep_its_images_and_their_order(dtype: str) -> None:
    pieces = list(batches_of(DIGITS, Unit.fit(DIGITS.images), dtype, size=100))
    assert [images.shape for images, _ in pieces] == [(100, 784), (100, 784), (30, 784)]
    images, targets = (np.concatenate(part) for part in zip(*pieces, strict=True))
    assert images.dtype == dtype
    np.testing.assert_allclose(images, DIGITS.images / 255, rtol=1e-6)
    np.testing.assert_array_equal(targets, one_hot(DIGITS.labels, dtype), strict=True)
    assert list(batches_of(Dataset(DIGITS.images[:0], DIGITS.labels[:0]), Unit.fit(DIGITS.images), dtype)) == []


def items(log: list[str], fault: Exception | None = None) -> Iterator[int]:
    for number in range(3):
        log.append(threading.current_thread().name)
        yield number
    if fault:
        raise fault


def test_prefetching_yields_the_same_items_made_in_another_thread() -> None:
    log: list[str] = []
    assert list(prefetch(items(log))) == [0, 1, 2]
    assert threading.current_thread().name not in log
    assert len(set(log)) == 1


@pytest.mark.parametrize("end", ["is exhausted", "fails", "is given up"])
def test_prefetching_leaves_no_thread_when_it(end: str) -> None:
    before = threading.active_count()
    prefetched = prefetch(items([], ValueError("no more") if end == "fails" else None))
    if end == "fails":
        with pytest.raises(ValueError, match="no more"):
            list(prefetched)
    elif end == "is given up":
        next(prefetched)
        del prefetched
    else:
        list(prefetched)
    assert threading.active_count() == before
