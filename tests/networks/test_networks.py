"""The paper's three networks: their shapes, layers and signatures."""

import itertools

import pytest
import scipy.fft
import torch
from torch import nn
from torch.nn import functional as F

from wavemel.errors import ConfigError
from wavemel.networks import NETWORKS, build_network
from wavemel.networks.base import GenreNetwork
from wavemel.networks.blocks import TimeStatistics
from wavemel.networks.residual import ResidualUnit
from wavemel.networks.wave import WaveConfig

#: What a network cannot be built without.
OPTIONS = {"encoder": {"encoder": "hf:any/name", "width": 12}}
SMALL = {"classes": 5, "rate": 8000, "seconds": 1.0, "bands": 24}


def inputs(network: nn.Module, batch: int = 2) -> list[torch.Tensor]:
    shapes = {"wave": (batch, 8000), "mel": (batch, 24, 50), "embedding": (batch, 12)}
    return [torch.randn(shapes[name]) for name in network.inputs]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_logits_features_and_gradients(name: str) -> None:
    network = build_network(name, OPTIONS.get(name, {}), **SMALL)
    x = inputs(network)
    logits = network(*x)
    assert logits.shape == (2, 5)
    # Needed of those alone that others build on.
    if type(network).features is not GenreNetwork.features:
        assert network.features(*x).shape == (2, network.n_features)
    F.cross_entropy(logits, torch.tensor([0, 4])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_wave_is_the_papers() -> None:
    network = build_network("wave")
    assert len(network.blocks) == 4
    kernels, filters = [], []
    for block in network.blocks:
        kinds = [type(m) for m in block]
        assert kinds == [nn.Conv2d, nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
        kernels.append(block[0].kernel_size[1])
        filters.append(block[1].out_channels)
    assert [a - b for a, b in itertools.pairwise(kernels)] == [2, 2, 2]
    assert [b / a for a, b in itertools.pairwise(filters)] == [2, 2, 2]
    assert isinstance(network.summary, nn.Flatten)
    assert isinstance(network.head[-1], nn.Linear)
    assert network.head[-1].out_features == 8
    # 15 s at 44.1 kHz: 661,500 samples, halved eight times over by four poolings of 4.
    assert network.n_features == 128 * (661_500 // 256)


def test_wave_equals_plain_conv1d() -> None:
    """The (1, k) convolutions are 1-D convolutions: the same weights give the same logits."""
    torch.manual_seed(0)
    network = build_network("wave", {"stride": 3}, **SMALL).eval()
    layers: list[nn.Module] = []
    for block in network.blocks:
        for module in block:
            if isinstance(module, nn.Conv2d):
                conv = nn.Conv1d(
                    module.in_channels,
                    module.out_channels,
                    module.kernel_size[1],
                    stride=module.stride[1],
                    padding=module.padding[1],
                )
                conv.weight.data = module.weight.data[:, :, 0]
                conv.bias.data = module.bias.data
                layers.append(conv)
            elif isinstance(module, nn.MaxPool2d):
                layers.append(nn.MaxPool1d(4))
            elif isinstance(module, nn.BatchNorm2d):
                norm = nn.BatchNorm1d(module.num_features)
                norm.load_state_dict(module.state_dict())
                layers.append(norm.eval())
            else:
                layers.append(module)
    plain = nn.Sequential(*layers, nn.Flatten(), network.head[-1])
    x = torch.randn(2, 8000)
    torch.testing.assert_close(network(x), plain(x[:, None]), rtol=1e-4, atol=1e-5)


def test_mel_is_the_papers() -> None:
    """Three convolutions, the first one's output added back, two global poolings, dense layers."""
    network = build_network("mel").eval()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 3
    assert network.n_features == 2 * convolutions[-1].out_channels
    x = torch.randn(1, 1, 128, 40)
    first = network.block.first(x)
    block = F.relu(first + network.block.residual(first))
    features = torch.cat([block.flatten(2).amax(2), block.flatten(2).mean(2)], 1)
    torch.testing.assert_close(network.features(x[:, 0]), features)


def test_combined_is_built_from_the_others_features() -> None:
    network = build_network("combined", {}, **SMALL).eval()
    widths = [m.out_features for m in network.head if isinstance(m, nn.Linear)]
    assert widths == [512, 256, 128, 64, 5]
    wave, mel = inputs(network)
    both = torch.cat([network.wave.features(wave), network.mel.features(mel)], 1)
    torch.testing.assert_close(network.features(wave, mel), both)
    assert not any("head" in name for name, _ in network.wave.named_parameters())


def test_frozen_branches_do_not_move() -> None:
    network = build_network("combined", {"frozen": True}, **SMALL).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad])
    F.cross_entropy(network(*inputs(network, 4)), torch.tensor([0, 1, 2, 3])).backward()
    optimiser.step()
    after = network.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert moved
    assert all(k.startswith("head") for k in moved)


def test_length_free_summary() -> None:
    network = build_network("wave", {"summary": "max_avg"}, **SMALL).eval()
    assert network(torch.randn(1, 8000)).shape == network(torch.randn(1, 12_345)).shape


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wavs", {}, "did you mean 'wave'"),
        ("wave", {"filter": [1]}, "did you mean 'filters'"),
        ("wave", {"filters": [1, 2]}, "equally many"),
        ("wave", {"summary": "mean"}, "flatten"),
        ("wave", {"pool": 100}, "too short"),
        ("mel", {"kernel": 3}, "two numbers"),
        ("combined", {"wave": {"strid": 2}}, "did you mean 'stride'"),
        ("combined", {"wave": 4}, "must be a mapping"),
    ],
)
def test_bad_configs_are_refused_by_name(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(name, options, **SMALL)


def test_nested_configs_get_rate_and_length() -> None:
    network = build_network("combined", {"wave": {"stride": 2}}, **SMALL)
    assert network.config.wave == WaveConfig(classes=5, rate=8000, seconds=1.0, stride=2)


LISTS = [
    ("wave", "filters"), ("wave", "kernels"), ("mel", "dense"), ("combined", "dense"),
    ("mel-res", "filters"), ("mel-res", "dense"), ("wave-res", "filters"), ("wave-res", "dense"),
    ("combined-res", "dense"), ("encoder", "hidden"),
]  # fmt: skip
NUMBERS = [
    ("wave", "stride"), ("wave", "pool"), ("mel", "filters"), ("mel-res", "kernel"),
    ("mel-res", "pool"), ("wave-res", "kernel"), ("wave-res", "stride"), ("wave-res", "pool"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), LISTS)
@pytest.mark.parametrize("value", [[0], [4, 0], [-1], [2.5], [True], ["a"], [10**20], 4, {}, None])
def test_widths_are_whole_numbers_from_1(name: str, option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be a list of whole numbers from 1"):
        build_network(name, {**OPTIONS.get(name, {}), option: value}, **SMALL)


@pytest.mark.parametrize(("name", "option"), NUMBERS)
@pytest.mark.parametrize("value", [0, -1, 0.5, True, "a", 10**20, [4], None])
def test_numbers_of_layers_are_whole_from_1(name: str, option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be a whole number from 1"):
        build_network(name, {option: value}, **SMALL)


def test_a_network_has_a_layer() -> None:
    for name in ("wave", "mel-res", "wave-res"):
        options = {"filters": []} | ({"kernels": []} if name == "wave" else {})
        with pytest.raises(ConfigError, match="filters must name at least 1"):
            build_network(name, options, **SMALL)


@pytest.mark.parametrize("name", ["mel-res", "wave-res", "combined-res"])
def test_residual_networks_hear_any_length(name: str) -> None:
    network = build_network(name, {}, **SMALL).eval()
    shapes = {"wave": (2, 13_000), "mel": (2, 24, 77)}
    assert network(*(torch.randn(shapes[part]) for part in network.inputs)).shape == (2, 5)


def test_a_residual_unit_without_its_convolutions_is_its_shortcut() -> None:
    unit = ResidualUnit(4, 4).eval()
    nn.init.zeros_(unit.residual[-1].weight)
    x = torch.randn(2, 4, 6, 9)
    torch.testing.assert_close(unit(x), x.relu())
    wider = ResidualUnit(4, 8, stride=(2, 2))
    assert wider(x).shape == (2, 8, 3, 5)


def test_mel_res_pools_mean_and_deviation_of_every_level() -> None:
    network = build_network("mel-res", {"filters": [6, 8], "cepstra": 12}, **SMALL).eval()
    mel = torch.randn(2, 24, 50) * 3 + 1
    assert network.n_features == 2 * (12 + 6 + 6 + 8)
    # In evaluation a fresh batch norm leaves values as they are, but for its epsilon.
    pooled = network.features(mel) * (1 + network.statistics.norm.eps) ** 0.5
    mfcc = torch.from_numpy(scipy.fft.dct(mel.double().numpy(), axis=1, norm="ortho")[:, :12])
    torch.testing.assert_close(pooled[:, :12], mfcc.mean(2).float(), rtol=1e-4, atol=1e-4)
    deviation = mfcc.std(2, correction=0).float()
    torch.testing.assert_close(pooled[:, 12:24], deviation, rtol=1e-4, atol=1e-4)
    x = network.units[1](network.units[0](network.pool(network.stem(mel[:, None]))))
    torch.testing.assert_close(pooled[:, -16:-8], x.mean((2, 3)))
    last = build_network("mel-res", {"filters": [6, 8], "levels": False, "cepstra": 12}, **SMALL)
    assert last.n_features == 16


def test_deltas_tell_how_fast_features_move() -> None:
    x = torch.randn(2, 5, 3, 40)
    pooled = TimeStatistics(deltas=True)(x)
    assert pooled.shape == (2, 15)
    torch.testing.assert_close(pooled[:, :10], TimeStatistics()(x))
    steps = torch.diff(x.mean(2), dim=2)
    torch.testing.assert_close(pooled[:, 10:], (steps.square().mean(2) + 1e-5).sqrt())
    network = build_network("mel-res", {"filters": [6, 8], "cepstra": 12, "deltas": True}, **SMALL)
    assert network.n_features == 3 * (12 + 6 + 6 + 8)
    assert build_network("wave-res", {"filters": [6], "deltas": True}, **SMALL).n_features == 36
