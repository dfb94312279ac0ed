"""`musicnn:NAME`: small networks that learnt to tag music; their weights come in a package on PyPI."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavemel.errors import ConfigError, ModelError
from wavemel.features.encoders.base import ENCODERS, EncoderChoice
from wavemel.features.mel import LogMel, MelConfig
from wavemel.features.tensorbundle import read_tensors

RATE = 16_000
#: The spectrogram that the networks were taught on.
MEL = MelConfig(n_fft=512, hop=256, bands=96)
#: How the package is had: without what it would bring along, for only its weights are read.
INSTALL = "pip install --no-deps musicnn==0.1.0"
#: SHA-256 of the weights of the package's networks, as `_sha256` makes it.
_PUBLISHED = {
    "MSD_musicnn": "a435820f343a66206c37970a0547fcb66a005f2ade016b2b53f6cf51f33f8569",
    "MTT_musicnn": "7e01a96749979f48bc7b25078a8e03cd8e06b4bb6f3b1de2930a92eaa7b1d114",
}
#: Filters this much weaker than a layer's strongest are zeros that rounding left.
_DEAD = 1e-12
#: What TensorFlow's batch norm adds to a variance.
_EPSILON = 1e-3
#: Hidden states: the front end, then the three layers of the mid-end.
_LAYERS = 4

Weights = dict[str, npt.NDArray[np.float32]]


@ENCODERS.register("musicnn")
class MusicnnEncoder:
    """musiCNN, taught to tag music; any length, though it was taught on 3 s.

    ``MSD_musicnn`` learnt from the Million Song Dataset, ``MTT_musicnn`` from
    MagnaTagATune. A folder with such a checkpoint will do in place of a name.
    The ``own`` pooling is the layer before the tags, 200 numbers. Hidden states
    are the front end (561 numbers a frame) and the three layers of the mid-end (64 each).

    Shape
    -----
    waveforms (B, T) at 16 kHz -> (B, width).

    Raises
    ------
    ModelError
        The package is not installed, has no network of that name, or its files are damaged.
    ConfigError
        There is no such layer.

    Source: Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio
    tagging", ISMIR 2019 late-breaking; its package, version 0.1.0, under the ISC licence.
    """

    rate = RATE
    longest: float | None = None
    commit: str | None = None

    def __init__(self, choice: EncoderChoice) -> None:
        self.choice = choice
        if choice.layer != "last" and int(choice.layer) >= _LAYERS:
            raise ConfigError(
                f"{choice.encoder} has hidden states 0 to {_LAYERS - 1}: set network.layer to one "
                f"of them, or to last, not {choice.layer}"
            )
        weights = _read(choice)
        self.weights = _sha256(weights)
        if _PUBLISHED.get(choice.name, self.weights) != self.weights:
            raise ModelError(f"the weights of {choice.encoder} are damaged: {INSTALL}")
        self.settings = "musicnn 0.1.0"
        try:
            self.model = Musicnn(weights).eval().requires_grad_(False)
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"{choice.encoder} is no musicnn: {error}") from error
        self._embed = Embedding(self.model, choice.layer, choice.pooling)
        self.graph: nn.Module | None = self._embed

    def to(self, device: torch.device) -> None:
        """Move to another device."""
        self.model.to(device)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return embeddings, (B, width)."""
        embedding: Tensor = self._embed(waveforms)
        return embedding


class Embedding(nn.Module):
    """What an `EncoderChoice` asks of a `Musicnn`: waveforms (B, T) -> (B, width)."""

    def __init__(self, model: Musicnn, layer: int | str, pooling: str) -> None:
        super().__init__()
        self.model, self.layer, self.pooling = model, layer, pooling

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return embeddings."""
        states = self.model.states(waveforms)
        if self.pooling == "own":
            return self.model.penultimate(states)
        chosen = states[-1 if self.layer == "last" else int(self.layer)]
        if self.pooling == "max":
            return chosen.amax(2)
        mean = chosen.mean(2)
        if self.pooling == "mean":
            return mean
        return torch.cat([mean, chosen.std(2, correction=0)], 1)


class Musicnn(nn.Module):
    """The network, with the names of its layers as in the package's checkpoints.

    Shape
    -----
    waveforms (B, T) at 16 kHz -> logits of tags (B, tags).
    """

    order: Tensor
    still: Tensor

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.mel = LogMel(RATE, MEL)
        self.input_norm = _norm(weights, "batch_normalization")
        # Filters that span many bands and little time hear timbre, those that span one band and much
        # time hear rhythm.
        front = [FrontLayer(weights, i) for i in range(5)]
        self.front = nn.ModuleList(front)
        alive = torch.cat([layer.alive for layer in front])
        found, dead = alive.nonzero()[:, 0], (~alive).nonzero()[:, 0]
        still = torch.cat([layer.still for layer in front])
        self.register_buffer("still", still)
        self.register_buffer("order", torch.cat([found, dead]).argsort())
        # All that is still comes in as one channel of ones, with the sum of what it would add.
        kernel, bias = _filters(weights, 5)
        added = (kernel[..., dead] * still).sum(-1, keepdim=True)
        first = _convolution(torch.cat([kernel[..., found], added], -1), bias)
        norm = _norm(weights, "batch_normalization_6")
        rest = [_layer(weights, i) for i in (6, 7)]
        self.mid = nn.ModuleList([nn.Sequential(first, nn.ReLU(), norm), *rest])
        self.pooled_norm = _norm(weights, "batch_normalization_9")
        self.dense = _dense(weights, "dense")
        self.dense_norm = _norm(weights, "batch_normalization_10")
        self.tags = _dense(weights, "dense_1")

    def states(self, waveforms: Tensor) -> list[Tensor]:
        """Return the hidden states: front end and mid-end, each (B, C, frames)."""
        # As the package makes it: power, compressed by a logarithm, not in decibels.
        spectrogram = torch.log10(1e4 * self.mel.power(waveforms) + 1).transpose(1, 2)
        x = self.input_norm(spectrogram[:, None])  # (B, 1, frames, bands)
        alive = torch.cat([layer(x) for layer in self.front], 1)
        still = self.still[:, None].expand(x.shape[0], -1, x.shape[2])
        states = [torch.cat([alive, still], 1).index_select(1, self.order)]
        heard = torch.cat([alive, torch.ones_like(alive[:, :1])], 1)
        for i, layer in enumerate(self.mid):
            # A filter spans all channels of seven frames, as if they were bands.
            made = layer(F.pad(heard.transpose(1, 2)[:, None], (0, 0, 3, 3)))[..., 0]
            heard = made + heard if i else made
            states.append(heard)
        return states

    def penultimate(self, states: list[Tensor]) -> Tensor:
        """Return the layer before the tags, (B, 200)."""
        x = torch.cat(states, 1)
        pooled = torch.stack([x.amax(2), x.mean(2)], 2).flatten(1)
        return self.dense_norm(F.relu(self.dense(self.pooled_norm(pooled))))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return logits of the tags."""
        return self.tags(self.penultimate(self.states(waveforms)))


class FrontLayer(nn.Module):
    """A convolution of the front end, ReLU, batch norm, and the largest value over bands.

    Nine in ten filters of `MSD_musicnn` are zero (its training decayed the weights): what they
    answer is the same everywhere, `still`, and is not computed. And as batch norm
    only scales and shifts, the largest is taken before it: of filters that
    it turns around, the least.

    Shape
    -----
    (B, 1, frames, bands) -> (B, filters that are `alive`, frames).
    """

    alive: Tensor
    still: Tensor
    turned: Tensor

    def __init__(self, weights: Weights, i: int) -> None:
        super().__init__()
        kernel, bias = _filters(weights, i)
        strength = kernel.abs().amax((1, 2, 3))
        alive = strength > _DEAD * strength.max().clamp_min(_DEAD)
        name = f"batch_normalization_{i + 1}"
        self.filters = _convolution(kernel[alive], bias[alive])
        self.norm = _norm(weights, name, alive)
        gamma, beta, mean, variance = _statistics(weights, name, ~alive)
        still = (F.relu(bias[~alive]) - mean) / torch.sqrt(variance + _EPSILON) * gamma + beta
        # As TensorFlow pads: of an even filter, one more behind than before.
        length = kernel.shape[2]
        self.padding = (0, 0, (length - 1) // 2, length // 2)
        self.register_buffer("alive", alive)
        self.register_buffer("still", still)
        self.register_buffer("turned", (self.norm.weight.detach() < 0)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and pool."""
        heard = self.filters(F.pad(x, self.padding))
        extreme = F.relu(torch.where(self.turned, heard.amin(3), heard.amax(3)))
        pooled: Tensor = self.norm(extreme)
        return pooled


def _read(choice: EncoderChoice) -> Weights:
    folder = _folder(choice)
    try:
        # The package's files have no name before the dot.
        return read_tensors(f"{folder}/")
    except FileNotFoundError as error:
        raise ModelError(f"{choice.encoder}: there is no network of musicnn in {folder}") from error
    except ValueError as error:
        raise ModelError(f"{choice.encoder} in {folder} cannot be read: {error}") from error


def _folder(choice: EncoderChoice) -> Path:
    if choice.name.startswith((".", "/", "~")):
        return Path(choice.name).expanduser()
    # Found, not imported: importing it would need TensorFlow.
    found = importlib.util.find_spec("musicnn")
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"the weights of {choice.encoder} are missing: {INSTALL}")
    package = Path(found.submodule_search_locations[0])
    known = sorted(p.name for p in package.glob("*_musicnn") if p.is_dir())
    if choice.name not in known:
        raise ModelError(f"there is no {choice.encoder} (known: {', '.join(known)})")
    return package / choice.name


def _sha256(weights: Weights) -> str:
    """Return the SHA-256 of what is used of the weights: names, shapes and numbers."""
    digest = hashlib.sha256()
    for name, values in sorted(weights.items()):
        if "Adam" not in name and "power" not in name:
            digest.update(f"{name} {values.shape}\n".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()


def _layer(weights: Weights, i: int) -> nn.Sequential:
    """Return a convolution, its ReLU and the batch norm behind it."""
    norm = _norm(weights, f"batch_normalization_{i + 1}")
    return nn.Sequential(_convolution(*_filters(weights, i)), nn.ReLU(), norm)


def _filters(weights: Weights, i: int) -> tuple[Tensor, Tensor]:
    """Return the weights of a convolution, (out, in, frames, bands), and its biases."""
    name = f"conv2d_{i}" if i else "conv2d"
    # There it is (frames, bands, in, out).
    kernel = torch.tensor(weights[f"{name}/kernel"]).permute(3, 2, 0, 1)
    return kernel, torch.tensor(weights[f"{name}/bias"])


def _convolution(kernel: Tensor, bias: Tensor) -> nn.Conv2d:
    outputs, inputs, frames, bands = kernel.shape
    made = nn.Conv2d(inputs, outputs, (frames, bands))
    made.load_state_dict({"weight": kernel, "bias": bias})
    return made


def _statistics(weights: Weights, name: str, which: Tensor | None) -> list[Tensor]:
    """Return a batch norm's scale, shift, mean and variance, of the channels that ``which`` is true of."""
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    chosen = slice(None) if which is None else which
    return [torch.tensor(weights[f"{name}/{part}"])[chosen] for part in parts]


def _norm(
    weights: Weights, name: str, which: Tensor | None = None
) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """Return a batch norm, of all channels or of those that ``which`` is true of."""
    gamma, beta, mean, variance = _statistics(weights, name, which)
    maps = name == "batch_normalization" or name.endswith(("_6", "_7", "_8"))
    norm = (nn.BatchNorm2d if maps else nn.BatchNorm1d)(len(gamma), eps=_EPSILON)
    norm.load_state_dict(
        {
            "weight": gamma,
            "bias": beta,
            "running_mean": mean,
            "running_var": variance,
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return norm


def _dense(weights: Weights, name: str) -> nn.Linear:
    kernel = torch.tensor(weights[f"{name}/kernel"])
    layer = nn.Linear(*kernel.shape)
    layer.load_state_dict({"weight": kernel.T, "bias": torch.tensor(weights[f"{name}/bias"])})
    return layer
