"""`hf:NAME`: encoders of the Hugging Face hub, or from a folder, through `transformers`."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wavemel.errors import ConfigError, MissingExtraError, ModelError
from wavemel.features.encoders.base import ENCODERS, EncoderChoice

#: Weights that only pre-training uses: some published encoders come without them.
_UNUSED = ("masked_spec_embed",)


@ENCODERS.register("hf")
class HuggingFaceEncoder:
    """An audio encoder that `transformers` loads by AutoModel, with its AutoFeatureExtractor.

    Of CLAP it is the audio part, of Whisper and its like the encoder. Weights
    are read from safetensors alone: nothing is unpickled.

    Shape
    -----
    waveforms (B, T) at ``rate`` -> (B, width).

    Raises
    ------
    MissingExtraError
        transformers is not installed.
    ModelError
        There is no such encoder, it cannot be reached, its files are damaged, or it comes
        without safetensors, with weights missing, or with code that was not allowed.
    """

    #: Its feature extractor is no part of the model.
    graph: nn.Module | None = None

    def __init__(self, choice: EncoderChoice) -> None:
        self.choice = choice
        self.extractor, model, missing, self.commit = _load(choice)
        part, self.model = _audio_part(model)
        lost = [key for key in missing if key.startswith(part) and not key.endswith(_UNUSED)]
        if lost:
            # transformers would draw them by chance.
            raise ModelError(
                f"{choice.encoder} comes without weights of its encoder ({lost[0]}"
                f"{f' and {len(lost) - 1} more' if len(lost) > 1 else ''}): "
                "it was saved by another kind of model, or another version of transformers"
            )
        self.model.float().eval().requires_grad_(False)
        self.rate = int(self.extractor.sampling_rate)
        self.longest = _longest(self.extractor)
        self.weights = _sha256(self.model, {key.removeprefix(part) for key in missing})
        self.settings = f"{type(self.model).__name__} {self.extractor.to_json_string()}"

    def to(self, device: torch.device) -> None:
        """Move to another device."""
        self.model.to(device)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Return embeddings, (B, width)."""
        heard = self.extractor(
            list(waveforms.cpu().numpy()), sampling_rate=self.rate, return_tensors="pt"
        )
        given = {name: tensor.to(waveforms.device) for name, tensor in heard.items()}
        # Not every model knows the word; the last layer comes without it.
        deep = {} if self.choice.layer == "last" else {"output_hidden_states": True}
        outputs = self.model(**given, **deep)
        if self.choice.pooling == "own":
            own = getattr(outputs, "pooler_output", None)
            if own is None:
                raise ConfigError(
                    f"{self.choice.encoder} has no pooling of its own: use network.pooling=mean"
                )
            return own
        states = self._states(outputs)
        # Of a spectrogram transformer some hidden states are maps, (B, width, bands, frames).
        states = states.flatten(2).transpose(1, 2) if states.ndim == 4 else states
        if self.choice.pooling == "max":
            return states.amax(1)
        mean = states.mean(1)
        if self.choice.pooling == "mean":
            return mean
        return torch.cat([mean, states.std(1, correction=0)], 1)

    def _states(self, outputs: Any) -> Tensor:
        """Return the hidden states of the wanted layer, (B, steps, width) or (B, width, H, W)."""
        layer, states = self.choice.layer, getattr(outputs, "hidden_states", None)
        if layer == "last":
            last = getattr(outputs, "last_hidden_state", None)
            # Some models of other authors call the last layer their hidden states.
            found = states if last is None and isinstance(states, Tensor) else last
            if found is None:
                raise ConfigError(f"{self.choice.encoder} returns no hidden states: take another")
            return found
        if not isinstance(states, tuple | list) or not int(layer) < len(states):
            count = len(states) if isinstance(states, tuple | list) else 0
            raise ConfigError(
                f"{self.choice.encoder} has hidden states 0 to {count - 1}: "
                f"set network.layer to one of them, or to last, not {layer}"
                if count
                else f"{self.choice.encoder} shows its last layer only: set network.layer=last"
            )
        return states[int(layer)]


def _load(choice: EncoderChoice) -> tuple[Any, Any, set[str], str | None]:
    """Return feature extractor, model, names of weights that the files lack, and the hub's commit."""
    try:
        from safetensors import SafetensorError
        from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
        from transformers.utils import cached_file, logging
    except ImportError as error:
        raise MissingExtraError("encoders", f"the encoder {choice.encoder}") from error
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    folder = _folder(choice)
    name = folder or choice.name
    given: dict[str, Any] = {"revision": choice.commit or choice.revision or "main"}
    try:
        # First, for its errors name what is wrong most plainly.
        config = cached_file(name, "config.json", **given)
        # The hub's client keeps files under their commit's name.
        found = (
            None
            if folder
            else re.search(r"/snapshots/([0-9a-f]{40})/", Path(config or "").as_posix())
        )
        commit = found.group(1) if found else None
        given |= {"revision": commit or given["revision"]}
        given |= {"trust_remote_code": choice.trust_remote_code}
        AutoConfig.from_pretrained(name, **given)
        extractor = AutoFeatureExtractor.from_pretrained(name, **given)
        model, info = AutoModel.from_pretrained(
            name, use_safetensors=True, output_loading_info=True, **given
        )
    except OSError as error:
        if error.errno is not None:
            raise  # this machine's: a full disk, a folder that may not be read
        raise ModelError(
            f"the encoder {choice.encoder} cannot be loaded: {_short(error)}"
        ) from error
    except SafetensorError as error:
        raise ModelError(
            f"the weights of {choice.encoder} are damaged ({_short(error)}): fetch or save it again"
        ) from error
    except (ValueError, ImportError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{choice.encoder} comes with Python code of its own: read it, and allow it with "
                "network.trust_remote_code=true"
            ) from error
        raise ModelError(
            f"the encoder {choice.encoder} cannot be loaded: {_short(error)}"
        ) from error
    return extractor, model, set(info["missing_keys"]), commit


def _folder(choice: EncoderChoice) -> str | None:
    """Return the folder that an encoder's name means; None where it is a name on the hub."""
    path = Path(choice.name).expanduser()
    if not (choice.name.startswith((".", "/", "~")) or path.is_dir()):
        return None
    if not (path / "config.json").is_file():
        raise ModelError(f"there is no encoder in {path}: config.json is missing")
    return str(path)


def _audio_part(model: Any) -> tuple[str, nn.Module]:
    """Return the part of a model that hears, and the prefix of its weights' names."""
    part = model
    if isinstance(getattr(model, "audio_model", None), nn.Module):
        part = model.audio_model
    elif getattr(model.config, "is_encoder_decoder", False):
        part = model.get_encoder()
    name = next(name for name, module in model.named_modules() if module is part)
    return f"{name}." if name else "", part


def _longest(extractor: Any) -> float | None:
    """Return how many seconds a feature extractor takes at most; beyond, it would cut."""
    for name in ("nb_max_samples", "n_samples"):
        samples = getattr(extractor, name, None)
        if isinstance(samples, int):
            return samples / extractor.sampling_rate
    frames = getattr(extractor, "max_length", None)
    # The spectrogram transformer counts in frames of 10 ms (Kaldi's).
    return frames / 100 if isinstance(frames, int) else None


def _sha256(model: nn.Module, missing: set[str]) -> str:
    """Return the SHA-256 of a model's weights: names, shapes and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if name not in missing:
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _short(error: Exception) -> str:
    """Return a library's message as the end of one sentence."""
    text = " ".join(str(error).split("\n\n")[0].split())
    return text[:300].rstrip(".") or type(error).__name__
