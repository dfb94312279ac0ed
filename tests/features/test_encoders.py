"""Frozen encoders: what they make of a window, and what is refused, with tiny ones of random weights."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from tiny_encoders import KINDS, RATE, WIDTH, save_encoder

from wavemel.errors import ConfigError, MissingExtraError, ModelError
from wavemel.features.encoders import ENCODERS, Embedder, EncoderChoice

WINDOWS = 0.1 * torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that tests only read."""
    root = tmp_path_factory.mktemp("encoders")
    for kind in KINDS:
        save_encoder(root / kind, kind)
    return {kind: root / kind for kind in KINDS}


def embedder(folder: Path, rate: int = RATE, **options: object) -> Embedder:
    return Embedder(EncoderChoice(encoder=f"hf:{folder}", **options), rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "width"),
    [({}, WIDTH), ({"pooling": "max"}, WIDTH), ({"pooling": "mean_std"}, 2 * WIDTH)],
)
def test_a_window_becomes_one_vector(saved, kind: str, options: dict, width: int) -> None:
    embed = embedder(saved[kind], **options)
    made = embed(WINDOWS)
    assert made.shape == (3, width)
    assert made.dtype == torch.float32
    assert not made.requires_grad
    assert made.std(0).max() > 1e-5  # windows that differ are told apart
    torch.testing.assert_close(embed(WINDOWS), made, rtol=0, atol=0)
    torch.testing.assert_close(embed(WINDOWS[:1]), made[:1], rtol=1e-4, atol=1e-5)


def test_it_is_the_mean_of_what_transformers_returns(saved) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(saved["wav2vec2"]).eval()
    extractor = AutoFeatureExtractor.from_pretrained(saved["wav2vec2"])
    given = extractor(list(WINDOWS.numpy()), sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        out = model(**given, output_hidden_states=True)
    torch.testing.assert_close(embedder(saved["wav2vec2"])(WINDOWS), out.last_hidden_state.mean(1))
    for layer in range(3):
        made = embedder(saved["wav2vec2"], layer=layer)(WINDOWS)
        torch.testing.assert_close(made, out.hidden_states[layer].mean(1))


@pytest.mark.parametrize("kind", ["ast", "clap"])
def test_pooling_of_their_own(saved, kind: str) -> None:
    own = embedder(saved[kind], pooling="own")(WINDOWS)
    assert own.shape == (3, WIDTH)
    # That of the one is two tokens, that of the other the mean over its map.
    same = torch.allclose(own, embedder(saved[kind])(WINDOWS), atol=1e-5)
    assert same == (kind == "clap")


def test_maps_are_pooled_over_bands_and_time(saved) -> None:
    # The first hidden state of CLAP's audio part is half as wide as its last.
    assert embedder(saved["clap"], layer=0)(WINDOWS).shape == (3, WIDTH // 2)


def test_loading_waits_and_copies_share(saved) -> None:
    lazy = embedder(Path("/nowhere"))
    assert copy.deepcopy(lazy) is lazy
    with pytest.raises(ModelError, match="no encoder in /nowhere"):
        lazy(WINDOWS)


def test_weights_are_known_by_their_sum(saved, tmp_path: Path) -> None:
    one = embedder(saved["wav2vec2"]).encoder.weights
    shutil.copytree(saved["wav2vec2"], tmp_path / "copy")
    assert embedder(tmp_path / "copy").encoder.weights == one
    save_encoder(tmp_path / "other", seed=1)
    other = embedder(tmp_path / "other").encoder.weights
    assert other != one
    with pytest.raises(ModelError, match="other weights than those this model was trained on"):
        embedder(tmp_path / "other", weights=one)(WINDOWS)


@pytest.mark.parametrize(
    ("kind", "options", "rate", "samples", "message"),
    [
        ("wav2vec2", {}, 16_000, RATE, f"hears {RATE} Hz: set audio.rate={RATE}"),
        ("clap", {}, RATE, 3 * RATE, "hears 2 s at most"),
        ("whisper", {}, RATE, 3 * RATE, "hears 2 s at most"),
        ("ast", {}, RATE, 3 * RATE, "hears 2 s at most"),
        ("wav2vec2", {"layer": 3}, RATE, RATE, "has hidden states 0 to 2"),
        ("wav2vec2", {"pooling": "own"}, RATE, RATE, "no pooling of its own"),
    ],
)
def test_what_an_encoder_cannot_do(
    saved, kind: str, options: dict, rate: int, samples: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        embedder(saved[kind], rate, **options)(torch.zeros(1, samples))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": ""}, "SOURCE:NAME"),
        ({"encoder": "facebook/wav2vec2-base"}, "SOURCE:NAME"),
        ({"encoder": "hg:a/b"}, "no source of encoders called 'hg'.*hf"),
        ({"layer": "first"}, "layer must be"),
        ({"layer": -1}, "layer must be"),
        ({"layer": True}, "layer must be"),
        ({"pooling": "median"}, "pooling must be one of mean"),
        ({"pooling": "own", "layer": 1}, "leave layer out"),
        ({"trust_remote_code": "yes"}, "true or false"),
    ],
)
def test_bad_choices(options: dict, message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        EncoderChoice(**{"encoder": "hf:a/b", **options})


def test_nothing_is_unpickled(saved, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(saved["wav2vec2"], folder)
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot be loaded: .*safetensors"):
        embedder(folder)(WINDOWS)


@pytest.mark.parametrize("kept", [0, 4, -100])
def test_weights_that_were_cut_short(kept: int, saved, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved["wav2vec2"], tmp_path / "cut"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"the weights of hf:.* are damaged"):
        embedder(folder)(WINDOWS)


def test_code_of_its_own_is_not_run_unasked(saved, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(saved["wav2vec2"], folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "strange",
        "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with pytest.raises(ModelError, match=r"network\.trust_remote_code=true"):
        embedder(folder)(WINDOWS)
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_not_drawn_by_chance(saved, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "half"
    shutil.copytree(saved["wav2vec2"], folder)
    weights = load_file(folder / "model.safetensors")
    lost = {k: v for k, v in weights.items() if "encoder.layers.1" not in k}
    save_file(lost, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"without weights of its encoder \(encoder.layers.1"):
        embedder(folder)(WINDOWS)


def test_what_only_pretraining_needs_may_be_missing(saved, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "slim"
    shutil.copytree(saved["wav2vec2"], folder)
    weights = load_file(folder / "model.safetensors")
    assert weights.pop("masked_spec_embed") is not None
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    made = [embedder(folder).encoder.weights for _ in range(2)]
    assert made[0] == made[1]
    torch.testing.assert_close(embedder(folder)(WINDOWS), embedder(saved["wav2vec2"])(WINDOWS))


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wavemel\[encoders\]'"):
        embedder(Path("a/b"))(WINDOWS)


def test_a_name_from_the_hub_is_found_in_its_cache_and_its_commit_is_kept(
    saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants
    import transformers.utils.hub as hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    there = tmp_path / "models--someone--tiny"
    shutil.copytree(saved["wav2vec2"], there / "snapshots" / commit)
    (there / "refs").mkdir()
    (there / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE"):
        monkeypatch.setattr(hub, name, str(tmp_path), raising=False)
    found = embedder(Path("someone/tiny"))
    assert found(WINDOWS).shape == (3, WIDTH)
    assert found.encoder.commit == commit
    again = embedder(Path("someone/tiny"), commit=commit)
    assert torch.equal(again(WINDOWS), found(WINDOWS))
    with pytest.raises(ModelError, match="hf:someone/none cannot be loaded: ") as raised:
        embedder(Path("someone/none"))(WINDOWS)
    assert "\n" not in str(raised.value)


def test_another_source_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loudness:
        rate, longest, commit, weights, settings = RATE, None, None, "none", ""

        def __init__(self, choice: EncoderChoice) -> None:
            self.name = choice.name

        def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
            return waveforms.square().mean(1, keepdim=True)

        def to(self, device: torch.device) -> None:
            pass

    assert "hf" in ENCODERS
    monkeypatch.setitem(ENCODERS._items, "loudness", Loudness)
    made = Embedder(EncoderChoice(encoder="loudness:any"), RATE)(WINDOWS)
    torch.testing.assert_close(made[:, 0], WINDOWS.square().mean(1))
