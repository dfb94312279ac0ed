"""musicnn: what it makes of sound, with random weights and with its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tensor_bundles import save_musicnn
from torch.nn import functional as F

from wavemel.errors import ConfigError, ModelError
from wavemel.features.encoders import Embedder, EncoderChoice, musicnn
from wavemel.features.encoders.musicnn import INSTALL, RATE, Musicnn, MusicnnEncoder
from wavemel.features.tensorbundle import read_tensors

SOUNDS = 0.1 * torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_musicnn(tmp_path_factory.mktemp("musicnn"))


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, 3),
        ({"pooling": "max"}, 3),
        ({"pooling": "mean_std", "layer": 0}, 14),
        ({"layer": 3}, 3),
        ({"pooling": "own"}, 5),
    ],
)
def test_a_window_becomes_one_vector(name: str, options: dict, width: int) -> None:
    embed = Embedder(EncoderChoice(encoder=name, **options), RATE)
    made = embed(SOUNDS)
    assert made.shape == (3, width)
    assert made.std(0).max() > 1e-5  # windows that differ are told apart
    torch.testing.assert_close(embed(SOUNDS[:1]), made[:1], rtol=1e-4, atol=1e-5)
    assert embed(torch.cat([SOUNDS, SOUNDS], 1)).shape == (3, width)  # any length


def test_filters_that_do_nothing_are_left_out_and_change_nothing(name: str) -> None:
    weights = read_tensors(name.removeprefix("musicnn:") + "/")
    net = Musicnn(weights).eval()
    spectrogram = torch.log10(1e4 * net.mel.power(SOUNDS) + 1).transpose(1, 2)
    x = net.input_norm(spectrogram[:, None])
    with torch.no_grad():
        front = net.states(SOUNDS)[0]
        made = []
        for i, layer in enumerate(("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4")):
            kernel = torch.tensor(weights[f"{layer}/kernel"]).permute(3, 2, 0, 1)
            length = kernel.shape[2]
            padded = F.pad(x, (0, 0, (length - 1) // 2, length // 2))
            heard = F.relu(F.conv2d(padded, kernel, torch.tensor(weights[f"{layer}/bias"])))
            norm = (
                torch.tensor(weights[f"batch_normalization_{i + 1}/{part}"])
                for part in ("moving_mean", "moving_variance", "gamma", "beta")
            )
            made.append(F.batch_norm(heard, *norm, eps=1e-3).amax(3))
    torch.testing.assert_close(front, torch.cat(made, 1), rtol=1e-4, atol=1e-5)
    assert net.front[0].filters.out_channels == 1  # of two


def test_weights_have_a_fingerprint(name: str, tmp_path: Path) -> None:
    same = MusicnnEncoder(EncoderChoice(encoder=save_musicnn(tmp_path / "same")))
    other = MusicnnEncoder(EncoderChoice(encoder=save_musicnn(tmp_path / "other", seed=1)))
    assert MusicnnEncoder(EncoderChoice(encoder=name)).weights == same.weights != other.weights


def test_the_last_layer_is_the_third_of_the_mid_end(name: str) -> None:
    last, third = (
        MusicnnEncoder(EncoderChoice(encoder=name, layer=layer))(SOUNDS) for layer in ("last", 3)
    )
    torch.testing.assert_close(last, third, rtol=0, atol=0)


def test_what_is_not_there_is_told(name: str, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ConfigError, match="hidden states 0 to 3"):
        MusicnnEncoder(EncoderChoice(encoder=name, layer=4))
    with pytest.raises(ModelError, match="no network of musicnn in"):
        MusicnnEncoder(EncoderChoice(encoder=f"musicnn:{tmp_path}"))
    with pytest.raises(ConfigError, match=r"audio\.rate=16000"):
        Embedder(EncoderChoice(encoder=name), 22050)(SOUNDS)
    (tmp_path / ".index").write_bytes(b"damaged")
    (tmp_path / ".data-00000-of-00001").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read"):
        MusicnnEncoder(EncoderChoice(encoder=f"musicnn:{tmp_path}"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=INSTALL):
        MusicnnEncoder(EncoderChoice(encoder="musicnn:MSD_musicnn"))


def test_another_networks_checkpoint_is_refused(tmp_path: Path) -> None:
    from tensor_bundles import save_bundle

    save_bundle(f"{tmp_path}/", {"dense/kernel": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match="is no musicnn"):
        MusicnnEncoder(EncoderChoice(encoder=f"musicnn:{tmp_path}"))


@pytest.mark.skipif(importlib.util.find_spec("musicnn") is None, reason=INSTALL)
def test_it_answers_as_the_original_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of the package itself, 0.1.0 with TensorFlow 2.15.1, on this sound as a file:
    ``extractor(file, "MSD_musicnn", 3, extract_features=True)``; it rounds spectrograms to float16."""
    t = np.arange(47_616) / RATE
    swell = 0.2 * np.sin(2 * np.pi * 220 * t) * (1 + np.sin(4 * np.pi * t)) / 2
    sound = swell + 0.1 * np.sin(2 * np.pi * (300 + 200 * t) * t)
    waveform = torch.from_numpy(sound.astype(np.float32))[None]
    encoder = MusicnnEncoder(EncoderChoice(encoder="musicnn:MSD_musicnn", pooling="own"))
    embedding = encoder(waveform)[0]
    expected = torch.tensor([1.318904, 1.943612, -0.284826, -0.275121, 0.394815, 0.565840])
    torch.testing.assert_close(embedding[:6], expected, rtol=0, atol=5e-4)
    assert embedding.abs().sum().item() == pytest.approx(193.5128, abs=0.01)
    chances, tags = torch.sigmoid(encoder.model(waveform))[0].topk(3)
    torch.testing.assert_close(
        chances, torch.tensor([0.749341, 0.445029, 0.056648]), rtol=0, atol=1e-4
    )
    assert tags.tolist() == [26, 9, 25]  # blues, jazz, oldies
    # MSD_musicnn itself, and no other.
    assert encoder.weights.startswith("a435820f343a66206c37970a0547fcb6")
    monkeypatch.setitem(musicnn._PUBLISHED, "MSD_musicnn", "another")
    with pytest.raises(ModelError, match="MSD_musicnn are damaged"):
        MusicnnEncoder(EncoderChoice(encoder="musicnn:MSD_musicnn"))
    with pytest.raises(ModelError, match=r"known: MSD_musicnn, MTT_musicnn"):
        MusicnnEncoder(EncoderChoice(encoder="musicnn:MSD_vgg"))
