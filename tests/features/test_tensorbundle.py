"""TensorFlow's checkpoints, read without it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tensor_bundles import save_bundle

from wavemel.features.tensorbundle import read_tensors

TENSORS = {
    "layer/kernel": np.arange(600, dtype=np.float32).reshape(20, 30),
    "layer/bias": np.array([-1.5, 2.5], np.float32),
    "layer_1/kernel": np.linspace(0, 1, 7, dtype=np.float32),
    "scalar": np.float32(0.25).reshape(()),
}


def test_names_shapes_and_numbers_come_back(tmp_path: Path) -> None:
    prefix = f"{tmp_path}/model"
    save_bundle(prefix, {**TENSORS, "step": np.array(3, np.int64)})
    read = read_tensors(prefix)
    assert set(read) == set(TENSORS)  # what is no float32 is left out
    for name, values in TENSORS.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].shape == values.shape


def test_files_without_a_name_before_the_dot(tmp_path: Path) -> None:
    save_bundle(f"{tmp_path}/", TENSORS)
    assert set(read_tensors(f"{tmp_path}/")) == set(TENSORS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda index: b"no table at all".ljust(100), "no checkpoint"),
        (lambda index: index[:40], "no checkpoint"),
        (lambda index: index[20:], "damaged|cut short|compressed"),
    ],
)
def test_a_damaged_index_is_told(tmp_path: Path, damage, message: str) -> None:
    prefix = f"{tmp_path}/model"
    save_bundle(prefix, TENSORS)
    index = Path(f"{prefix}.index")
    index.write_bytes(damage(index.read_bytes()))
    with pytest.raises(ValueError, match=message):
        read_tensors(prefix)


def test_no_damage_raises_anything_else(tmp_path: Path) -> None:
    prefix = f"{tmp_path}/model"
    save_bundle(prefix, TENSORS)
    index = Path(f"{prefix}.index")
    whole = index.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(whole), 300):
        changed = bytearray(whole)
        changed[at] ^= int(rng.integers(1, 256))
        index.write_bytes(changed)
        with suppress(ValueError):
            read_tensors(prefix)


@pytest.mark.parametrize(
    ("how", "message"), [({"shards": 2}, "several pieces"), ({"compressed": True}, "compressed")]
)
def test_kinds_that_are_not_read(tmp_path: Path, how: dict, message: str) -> None:
    save_bundle(f"{tmp_path}/model", TENSORS, **how)
    with pytest.raises(ValueError, match=message):
        read_tensors(f"{tmp_path}/model")


def test_numbers_that_are_cut_short(tmp_path: Path) -> None:
    save_bundle(f"{tmp_path}/model", TENSORS)
    data = tmp_path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut short"):
        read_tensors(f"{tmp_path}/model")


def test_a_missing_file_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tensors(f"{tmp_path}/model")
