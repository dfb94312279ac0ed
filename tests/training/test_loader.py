"""The loader: its order, its variants, its thread, and how it shares work between ranks."""

import numpy as np
import pytest
import torch

from wavemel.training.loader import ClipLoader
from wavemel.training.seeds import derive, generator


class Numbers:
    """A store whose clip i, variant v holds the value 100 v + i."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def batch(self, indices, variants=None):
        variants = np.zeros_like(indices) if variants is None else variants
        return np.repeat((100 * variants + indices)[:, None], 4, axis=1).astype(np.float32)


def epoch(loader: ClipLoader, number: int = 0) -> list[int]:
    loader.epoch = number
    return [int(v) for clips, _ in loader for v in clips[:, 0]]


def loader(n: int = 10, **options) -> ClipLoader:
    return ClipLoader(Numbers(n), np.arange(n) % 3, 4, **options)


def test_evaluation_goes_through_all_clips_in_order() -> None:
    assert epoch(loader()) == list(range(10))
    clips, targets = next(iter(loader()))
    assert clips.dtype == torch.float32
    assert targets.tolist() == [0, 1, 2, 0]
    assert len(loader()) == 3


def test_training_order_follows_seed_and_epoch() -> None:
    training = loader(shuffle=True, seed=1)
    first, again, second = epoch(training, 0), epoch(training, 0), epoch(training, 1)
    assert sorted(first) == list(range(10))
    assert first == again
    assert first != second
    assert first != epoch(loader(shuffle=True, seed=2), 0)


def test_clips_and_targets_stay_together() -> None:
    for clips, targets in loader(shuffle=True):
        assert (clips[:, 0] % 3 == targets).all()


def test_variants_are_drawn_with_their_probability() -> None:
    training = loader(200, shuffle=True, stretch=(0.5, 3))
    values = np.array(epoch(training))
    variants = values // 100  # clip i < 200 hides up to one hundred: count those over 200 only
    assert 0.2 < (values >= 200).mean() < 0.8
    assert variants.max() <= 4
    assert epoch(training) == values.tolist()


def test_balanced_sampling_draws_every_class_equally_often() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    training = ClipLoader(Numbers(100), targets, 10, shuffle=True, balanced=True)
    drawn = np.concatenate([t.numpy() for e in range(20) for t in _targets(training, e)])
    assert len(drawn) == 2000
    assert 0.45 < drawn.mean() < 0.55


def _targets(training: ClipLoader, number: int) -> list[torch.Tensor]:
    training.epoch = number
    return [targets for _, targets in training]


def test_a_last_batch_of_one_is_dropped_in_training_only() -> None:
    assert len(epoch(loader(9, shuffle=True))) == 8
    assert len(epoch(loader(9))) == 9


def test_ranks_share_an_epoch() -> None:
    parts = [epoch(loader(10, shuffle=True, rank=r, world=3)) for r in range(3)]
    assert {len(p) for p in parts} == {4}
    assert set().union(*parts) == set(range(10))


def test_what_goes_wrong_in_the_thread_is_raised_in_the_consumer() -> None:
    class Broken(Numbers):
        def batch(self, indices, variants=None):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(ClipLoader(Broken(4), np.zeros(4, np.int64), 2))


def test_leaving_early_ends_the_thread() -> None:
    import threading

    for _ in loader(100):
        break
    assert not any(t.name == "clip-loader" for t in threading.enumerate())


def test_seeds_are_stable_and_independent() -> None:
    # Written down: a change would silently change every published run.
    assert derive(0, "order", 0) == 6230928577095065118
    drawn = {derive(s, use, e) for s in range(3) for use in ("order", "noise") for e in range(5)}
    assert len(drawn) == 30
    assert generator(0, "a").random() == generator(0, "a").random()
