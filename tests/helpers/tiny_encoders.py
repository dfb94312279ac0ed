"""Audio encoders of a few thousand random weights, saved as published ones are; nothing is fetched."""

from pathlib import Path

import torch

#: Hz that they all hear.
RATE = 8000
WIDTH = 16
KINDS = ("wav2vec2", "ast", "clap", "whisper")


def save_encoder(folder: Path, kind: str = "wav2vec2", *, seed: int = 0) -> str:
    """Save an encoder with its feature extractor into a folder; return its name for a config."""
    import transformers as t

    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": WIDTH}
    torch.manual_seed(seed)
    if kind == "wav2vec2":
        config = t.Wav2Vec2Config(
            **small, intermediate_size=16, conv_dim=(8, 8), conv_stride=(40, 8), conv_kernel=(80, 8),
            num_feat_extract_layers=2, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
            feat_extract_norm="layer",
        )  # fmt: skip
        model, extractor = t.Wav2Vec2Model(config), t.Wav2Vec2FeatureExtractor(sampling_rate=RATE)
    elif kind == "ast":
        config = t.ASTConfig(
            **small, intermediate_size=16, max_length=200, num_mel_bins=16, patch_size=8,
            frequency_stride=8, time_stride=8,
        )  # fmt: skip
        model = t.ASTModel(config)
        extractor = t.ASTFeatureExtractor(sampling_rate=RATE, num_mel_bins=16, max_length=200)
    elif kind == "clap":
        text = {**small, "intermediate_size": 16, "vocab_size": 50, "max_position_embeddings": 20}
        audio = {
            "window_size": 4, "num_mel_bins": 16, "spec_size": 64, "patch_stride": [4, 4],
            "depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 8,
            "hidden_size": WIDTH, "num_hidden_layers": 2, "num_classes": 3,
        }  # fmt: skip
        model = t.ClapModel(t.ClapConfig(text_config=text, audio_config=audio, projection_dim=8))
        extractor = t.ClapFeatureExtractor(
            feature_size=16, sampling_rate=RATE, max_length_s=2, fft_window_size=1024,
            hop_length=80, frequency_max=RATE // 2, truncation="rand_trunc",
        )  # fmt: skip
    else:
        config = t.WhisperConfig(
            d_model=WIDTH, num_mel_bins=16, encoder_layers=2, encoder_attention_heads=2,
            encoder_ffn_dim=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16,
            max_source_positions=100, max_target_positions=10, vocab_size=60, pad_token_id=0,
            bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, suppress_tokens=[],
            begin_suppress_tokens=[],
        )  # fmt: skip
        model = t.WhisperModel(config)
        extractor = t.WhisperFeatureExtractor(
            feature_size=16, sampling_rate=RATE, hop_length=80, chunk_length=2, n_fft=512
        )
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return f"hf:{folder}"
