"""The description of an experiment: one frozen dataclass, read from YAML, written into every run.

A config file states only its differences: ``base: other.yaml`` names the file
it differs from, relative to itself, ``base: strong/mel-res`` a shipped one. ``--set training.epochs=3`` changes one
value. Unknown keys are refused by name.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wavemel.errors import ConfigError
from wavemel.features.mel import MelConfig
from wavemel.registry import suggest

CONFIGS = Path(__file__).parent / "configs"

_STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class AudioConfig:
    """What of each clip a network hears: ``seconds`` at once, at ``rate`` Hz, mono.

    Training hears the first ``seconds`` of each clip (the paper), or, with
    ``clip_seconds``, another random stretch of the first ``clip_seconds`` in every epoch.
    """

    rate: int = 44_100
    seconds: float = 15.0
    clip_seconds: float | None = None

    __pydantic_config__ = _STRICT

    @property
    def samples(self) -> int:
        """Samples of one input."""
        return round(self.rate * self.seconds)

    @property
    def kept_seconds(self) -> float:
        """How much of each clip training may hear."""
        return self.seconds if self.clip_seconds is None else self.clip_seconds


@dataclass(frozen=True)
class TrainingConfig:
    """How weights are found; the defaults are the paper's."""

    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 16
    epochs: int = 25
    #: "auto" is bf16 where the hardware computes it natively, else 32.
    precision: Literal["auto", "32", "bf16"] = "auto"
    #: Epochs without a better validation figure before training stops; null never stops.
    patience: int | None = None
    #: The validation figure that picks the epoch whose weights are kept; "last" keeps the last ones.
    select: Literal["validation_loss", "validation_top1", "last"] = "validation_loss"
    #: Weigh each clip's loss by the inverse frequency of its genre.
    class_weights: Literal["none", "balanced"] = "none"
    #: "balanced" draws every genre equally often, clips of rare ones several times an epoch.
    sampling: Literal["natural", "balanced"] = "natural"
    label_smoothing: float = 0.0
    #: "cosine" falls to 0 over all epochs (Loshchilov & Hutter 2017).
    schedule: Literal["constant", "cosine"] = "constant"
    #: Share of all steps in which the rate rises from 0 to ``learning_rate``.
    warmup: float = 0.0
    #: alpha of mixup's Beta(alpha, alpha) (Zhang et al. 2018); 0 mixes nothing.
    mixup: float = 0.0
    #: Decay a step of the exponential moving average of the weights, which then is what is
    #: validated and kept (Tarvainen & Valpola 2017); null keeps the weights themselves.
    average: float | None = None
    #: First epochs in which a network with branches trains its head alone.
    head_epochs: int = 0
    #: What the branches' learning rate is multiplied by.
    branch_rate: float = 1.0
    #: Branch -> run folder whose trained weights a network with branches starts from.
    initial: dict[str, str] = field(default_factory=dict)

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class EvaluationConfig:
    """How a trained network is asked: windows of ``audio.seconds`` over the whole track."""

    #: Share by which neighbouring windows overlap.
    overlap: float = 0.5
    #: How a track's windows become its answer; see `wavemel.pooling`.
    pooling: Literal["mean", "geometric"] = "mean"
    batch_size: int = 16
    #: Stretches of each clip that validation hears after each epoch, spread evenly over it,
    #: where ``audio.clip_seconds`` is set; else it hears the first ``audio.seconds``.
    windows: int = 1

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Experiment:
    """Everything that decides the outcome of a training run, data aside."""

    name: str = "unnamed"
    seed: int = 0
    audio: AudioConfig = field(default_factory=AudioConfig)
    mel: MelConfig = field(default_factory=MelConfig)
    #: ``name`` in the registry, and fields of that network's own config.
    network: dict[str, Any] = field(default_factory=lambda: {"name": "wave"})
    #: "genre": one of K, softmax. "genres": any of K, from the data's column ``genres`` (names
    #: joined by "|"), a sigmoid for each and binary cross-entropy.
    labels: Literal["genre", "genres"] = "genre"
    #: Augmentation -> its options, applied in this order, in training only.
    augment: dict[str, dict[str, Any]] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    __pydantic_config__ = _STRICT

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for YAML or JSON."""
        return dataclasses.asdict(self)


def load_experiment(file: str | Path, changes: Iterable[str] = ()) -> Experiment:
    """Read an experiment from a YAML file and change single values.

    Parameters
    ----------
    file : a path, or the name of a shipped config such as ``paper/wave``.
    changes : ``key=value`` strings with dotted keys, the value in YAML.

    Raises
    ------
    ConfigError
        The file is missing or no YAML, a key is unknown, a value does not fit.
    """
    path = find_config(file)
    tree = _read(path, seen=())
    tree.setdefault("name", path.stem)
    return _changed(tree, changes, str(path))


def default_experiment(network: str, changes: Iterable[str] = ()) -> Experiment:
    """Return a network with all defaults, single values changed as in `load_experiment`."""
    return _changed({"name": network, "network": {"name": network}}, changes, network)


def _changed(tree: dict[str, Any], changes: Iterable[str], where: str) -> Experiment:
    for change in changes:
        _apply(tree, change)
    _place_encoder(tree.get("network"))
    return make_experiment(tree, where)


def _place_encoder(network: Any) -> None:
    """Name an encoder's folder so that its runs are found from anywhere."""
    encoder = network.get("encoder") if isinstance(network, dict) else None
    source, _, name = encoder.partition(":") if isinstance(encoder, str) else ("", "", "")
    if name and (name.startswith((".", "~")) or Path(name).is_dir()):
        network["encoder"] = f"{source}:{Path(name).expanduser().resolve()}"


def make_experiment(tree: dict[str, Any], where: str) -> Experiment:
    """Return the experiment that plain data describes; raise ConfigError where it does not fit."""
    from pydantic import TypeAdapter, ValidationError

    from wavemel.experiment_checks import check_network, check_ranges
    from wavemel.features.augment import make_augmentations

    training = tree.get("training")
    if isinstance(training, dict) and training.get("precision") == 32:
        # YAML reads 32 as a number; people mean the name.
        tree = {**tree, "training": {**training, "precision": "32"}}
    try:
        experiment = TypeAdapter(Experiment).validate_python(tree)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_sentence(error)}") from error
    try:
        check_ranges(experiment)
        check_network(experiment)
        make_augmentations(experiment.augment)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    return experiment


def complete(experiment: Experiment) -> Experiment:
    """Return a description that leaves no option of its network and augmentations to defaults.

    What it describes stays the same when a later version has other defaults. Options that follow
    from the rest of a description (a network's rate, bands, ...) are left out.
    """
    from wavemel.features.augment import AUGMENTATIONS
    from wavemel.networks.base import network_config
    from wavemel.options import make_config, options_of

    arguments = network_arguments(experiment, classes=2)
    given = arguments.keys() - {"name", "options"}
    network = {"name": arguments["name"], **options_of(network_config(**arguments), given)}
    augment = {
        name: options_of(make_config(AUGMENTATIONS[name], options, f"augmentation {name!r}"))
        for name, options in experiment.augment.items()
    }
    return dataclasses.replace(experiment, network=network, augment=augment)


def network_arguments(experiment: Experiment, classes: int) -> dict[str, Any]:
    """Return the arguments of `build_network` for an experiment."""
    options = dict(experiment.network)
    return {
        "name": options.pop("name"),
        "options": options,
        "classes": classes,
        "rate": experiment.audio.rate,
        "seconds": experiment.audio.seconds,
        "bands": experiment.mel.bands,
    }


def find_config(file: str | Path) -> Path:
    """Return the path of a config given by path or by the name of a shipped one."""
    for candidate in (Path(file), CONFIGS / file, CONFIGS / f"{file}.yaml"):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"there is no config file {str(file)!r}{suggest(str(file), _shipped())}")


def _shipped() -> list[str]:
    """Return the names of the configs that come with wavemel."""
    found = [p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.rglob("*.yaml")]
    return [name for name in found if not name.endswith("base")]


def config_set(name: str) -> list[Path]:
    """Return the config files of a set: a folder of one YAML per network, ``base`` aside.

    The order is that of the paper's table where it applies, else by name; see `branches_first`.
    """
    for folder in (Path(name), CONFIGS / name):
        if folder.is_dir():
            files = [p for p in folder.glob("*.yaml") if p.stem != "base"]
            if files:
                order = {"wave": 0, "mel": 1, "combined": 2}
                return sorted(files, key=lambda p: (order.get(p.stem.split("-")[0], 3), p.stem))
    if Path(name).is_dir():
        raise ConfigError(f"{name} holds no configs: .yaml files, of which base.yaml is none")
    sets = sorted(p.name for p in CONFIGS.iterdir() if p.is_dir() and any(p.glob("*.yaml")))
    raise ConfigError(f"there is no config set {name!r}{suggest(name, sets)}")


def branches_first(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Return experiments in their order, but each after those whose weights its branches start from.

    Raises
    ------
    ConfigError
        Some start from each other in a circle.
    """
    named = {experiment.name: experiment for experiment in experiments}
    ordered: dict[str, Experiment] = {}

    def place(name: str, before: tuple[str, ...]) -> None:
        if name in before:
            circle = " from ".join(map(repr, (*before[before.index(name) :], name)))
            raise ConfigError(
                f"training.initial goes in a circle: {circle}; one of them must start from fresh "
                "weights, or from a run folder"
            )
        if name not in ordered:
            for run in named[name].training.initial.values():
                if run in named:
                    place(run, (*before, name))
            ordered[name] = named[name]

    for name in named:
        place(name, ())
    return list(ordered.values())


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    import yaml

    if path.resolve() in seen:
        raise ConfigError(f"{path}: its bases go in a circle")
    try:
        tree = yaml.safe_load(path.read_text("utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"there is no config file {str(path)!r}") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: no UTF-8, or a date or number that is none.
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} must hold keys and values")
    base = tree.pop("base", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(
            f"{path}: base must name a config, as in 'base: strong/mel-res', not {base!r}"
        )
    return _merge(_read(_base_of(path, base), (*seen, path.resolve())), tree)


def _base_of(path: Path, name: str) -> Path:
    """Return the config that the one at ``path`` calls its base: a file seen from it, or a shipped one."""
    for candidate in (path.parent / name, CONFIGS / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"{path}: there is no config file {str(path.parent / name)!r}, its base"
        f"{suggest(name, _shipped())}"
    )


def _merge(base: dict[str, Any], diff: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``diff`` laid over it; a network of another name starts afresh."""
    merged = dict(base)
    for key, value in diff.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            renamed = "name" in value and value["name"] != old.get("name")
            merged[key] = value if renamed else _merge(old, value)
        else:
            merged[key] = value
    return merged


def _apply(tree: dict[str, Any], change: str) -> None:
    import yaml

    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {change!r} is not of the form key=value")
    *parents, last = key.strip().split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {change!r}: {parent!r} is a value and has no keys")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"--set {change!r}: the value is not YAML") from error
    # YAML 1.1 reads 1e-3 as text; people mean the number.
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    node[last] = None if text.strip() == "" else value


def _sentence(error: Any) -> str:
    """Return the first of pydantic's complaints as a sentence, with the nearest known key."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known: Any = Experiment
        for part in where[:-1]:
            known = next(
                (f.default_factory for f in dataclasses.fields(known) if f.name == part), known
            )
        names = [f.name for f in dataclasses.fields(known)]
        return f"unknown key {'.'.join(where)!r}{suggest(where[-1], names)}"
    return f"{'.'.join(where)}: {first['msg']} (got {first['input']!r})"
