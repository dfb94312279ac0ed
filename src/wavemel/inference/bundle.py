"""An exported model on disk: a folder with ``model.onnx`` and a ``model.json`` that says what it is.

``NAME.onnx`` beside ``NAME.json`` is the same without a folder of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavemel.errors import ModelError
from wavemel.inference.frontend import INPUTS, MelSettings
from wavemel.pooling import MEAN, POOLINGS

#: What a model's folder holds.
NEEDED = ("model.json", "model.onnx")
FILES = (*NEEDED, "model.safetensors", "README.md")
#: What the names of files begin with that hold the terms of what a model is made of.
TERMS = "LICENSE"
#: Since 2 a description may say how windows become a track, which decides the answer.
FORMAT = 2
_READABLE = (1, 2)
_NUMBERS = ("rate", "seconds", "overlap", "temperature", "unsure_below", "window_variation")
_COUNTS = ("rate", "mel.n_fft", "mel.hop", "mel.bands")
_MEL_NUMBERS = ("n_fft", "hop", "bands", "fmin", "fmax", "top_db")
#: No number that decides an answer is further from 0.
_LARGEST = 1_000_000_000


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.json`` says.

    ``id``: short hash of the weights and of what else decides an answer. ``classes``: genres in the order of the
    graph's outputs, log-probabilities (B, classes). ``rate`` in Hz,
    ``seconds`` of a window, ``overlap`` the share by which neighbouring windows
    overlap, ``pooling`` how they become a track (`wavemel.pooling`). ``inputs``, ``mel``: see `FrontEnd`. ``dynamic_length``: whether
    windows may be of another length. ``temperature`` divides the
    log-probabilities (calibration; 1 changes nothing). Below ``unsure_below``
    the answer counts as unsure. ``window_variation``: see
    `typical_variation`. ``precision``: float32 or int8. ``sha256`` of
    the graph's file. ``weights_sha256``: of the file of weights for torch that belongs to it, if
    any. ``about``: data, licence, notes, figures.
    """

    name: str
    id: str
    classes: tuple[str, ...]
    rate: int
    seconds: float
    overlap: float
    inputs: tuple[str, ...]
    sha256: str
    mel: MelSettings | None = None
    dynamic_length: bool = False
    temperature: float = 1.0
    unsure_below: float = 0.0
    window_variation: float = 0.7
    pooling: str = MEAN
    precision: str = "float32"
    weights_sha256: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def label(self) -> str:
        """Name and id, as results and tables show them."""
        return f"{self.name}@{self.id}"

    @property
    def samples(self) -> int:
        """Samples of one window."""
        return round(self.rate * self.seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {"format": self.format, **dataclasses.asdict(self)}

    def as_json(self) -> bytes:
        """Return the content of ``model.json``; raise ModelError where a text in it cannot be written."""
        text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            # Of a terminal that writes in another encoding, or JSON's escape of half a character.
            said = text[max(0, error.start - 20) : error.end]
            raise ModelError(
                f"what is said of {self.name} is no text in UTF-8, at {said!a}: write it in UTF-8"
            ) from error


@dataclass(frozen=True)
class Bundle:
    """A model's description and where its graph lies."""

    description: ModelDescription
    graph: Path

    @property
    def about(self) -> Path:
        """Where the description lies."""
        return self.graph.with_suffix(".json")

    @property
    def weights(self) -> Path:
        """Where weights for torch lie, if the model has them."""
        return self.graph.with_suffix(".safetensors")

    @property
    def card(self) -> Path | None:
        """Where the model card lies, if the model has a folder of its own."""
        return self.graph.with_name("README.md") if self.graph.name == "model.onnx" else None

    def read_graph(self) -> bytes:
        """Return the graph's bytes; raise ModelError where they are not those that were exported."""
        return self._checked(self.graph, self.description.sha256)

    def read_weights(self) -> bytes:
        """Return the bytes of the weights; raise ModelError where they are not those exported."""
        return self._checked(self.weights, self.description.weights_sha256)

    def _checked(self, file: Path, sha256: str) -> bytes:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ModelError(
                f"{file} is not the file that {self.description.name}'s description names "
                "(its checksum differs): export or fetch the model again"
            )
        return data


def bundle_files(path: Path) -> tuple[Path, Path]:
    """Return (graph, description) of a bundle given by its folder or by one of its files."""
    if path.is_dir():
        return path / "model.onnx", path / "model.json"
    stem = path.with_suffix("") if path.suffix in (".onnx", ".json") else path
    return stem.with_name(stem.name + ".onnx"), stem.with_name(stem.name + ".json")


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle's description; the graph is read, and checked, when it is needed.

    Raises
    ------
    ModelError
        There is no bundle at ``path``, or its description does not hold.
    """
    path = Path(path)
    graph, about = bundle_files(path)
    for file in (about, graph):
        if not file.is_file():
            raise ModelError(f"{path} holds no exported model: {file.name} is missing")
    try:
        tree = json.loads(about.read_text("utf-8"))
        return Bundle(_description(tree), graph)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{about} is not JSON: {error}") from error
    except RecursionError as error:
        raise ModelError(f"{about} does not describe a model: it is nested too deeply") from error
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{about} does not describe a model: {error}") from error


def check_replaceable(folder: Path) -> None:
    """Raise ModelError where a folder is not a model's alone: what else lies in it would be lost."""
    if folder.is_symlink() or not folder.is_dir():
        raise ModelError(
            f"{folder} is no folder of its own, and is not replaced: give another place"
        )
    found = {entry.name: entry for entry in folder.iterdir()}
    others = sorted(
        name
        for name, entry in found.items()
        if not entry.is_file() or not (name in FILES or name.startswith(TERMS))
    )
    if others:
        raise ModelError(
            f"{folder} holds more than a model ({others[0]!r}), and is not replaced: "
            "give another place"
        )
    missing = [name for name in NEEDED if name not in found]
    if found and missing:
        raise ModelError(
            f"{folder} holds no exported model ({missing[0]} is missing), and is not replaced: "
            "give another place"
        )


def terms_of(folder: Path) -> list[Path]:
    """Return the files with the terms of what a model is made of, which go with every copy of it."""
    return sorted(file for file in folder.glob(f"{TERMS}*") if file.is_file())


def _description(tree: dict[str, Any]) -> ModelDescription:
    written = tree.get("format")
    if written not in _READABLE:
        later = isinstance(written, int) and written > FORMAT
        advice = ": a later version of wavemel reads it" if later else ""
        raise ValueError(f"it is of format {written!r}, not {FORMAT} or an earlier one{advice}")
    known = {f.name for f in dataclasses.fields(ModelDescription)}
    # A later minor version may say more; what decides the answer has a new format number.
    values = {key: value for key, value in tree.items() if key in known}
    for key in ("classes", "inputs"):
        if not isinstance(values.get(key), list):
            raise ValueError(f"{key} must be a list")
        values[key] = tuple(values[key])
    if values.get("mel") is not None:
        values["mel"] = MelSettings(**values["mel"])
    made = ModelDescription(**values)
    _check_numbers(made)
    if not made.inputs or not set(made.inputs) <= set(INPUTS):
        raise ValueError(f"inputs must be among {', '.join(INPUTS)}")
    if made.pooling not in POOLINGS:
        raise ValueError(f"pooling must be {' or '.join(POOLINGS)}, not {made.pooling!r}")
    _check_texts(made)
    return made


def _check_numbers(made: ModelDescription) -> None:
    """Raise ValueError where numbers are of a kind or size that no window could be heard with."""
    numbers = {key: getattr(made, key) for key in _NUMBERS}
    if made.mel is not None:
        mel = dataclasses.asdict(made.mel)
        numbers |= {f"mel.{key}": mel[key] for key in _MEL_NUMBERS if mel[key] is not None}
    for key, value in numbers.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Python reads JSON's Infinity and NaN, which would then be in every answer.
        if not number or not abs(value) <= _LARGEST:
            raise ValueError(f"{key} must be a number up to {_LARGEST:,}, not {repr(value)[:30]}")
        if key in _COUNTS and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{key} must be a whole number above 0, not {value}")
    if not 0 <= made.overlap < 1 or round(made.seconds * (1 - made.overlap) * made.rate) < 1:
        raise ValueError("seconds or overlap are out of range: windows follow each other too soon")
    if not made.temperature > 0 or not 0 <= made.unsure_below <= 1 or made.window_variation < 0:
        raise ValueError("temperature, unsure_below or window_variation are out of range")
    if made.mel is not None:
        top = made.rate / 2 if made.mel.fmax is None else made.mel.fmax
        if not 0 <= made.mel.fmin < top:
            raise ValueError("mel.fmin must be 0 or more, and below mel.fmax")


def _check_texts(made: ModelDescription) -> None:
    """Raise ValueError where names are none that can be told apart and shown."""
    texts = (made.name, made.id, made.precision, made.sha256, made.weights_sha256, *made.classes)
    if not all(isinstance(text, str) for text in texts) or not isinstance(made.about, dict):
        raise ValueError("names and checksums must be text, 'about' an object")
    for text in texts:
        # They are shown on terminals, which a model from elsewhere must not steer, and written
        # into files; a lone surrogate is not printable either.
        if not text.isprintable():
            raise ValueError(f"names must be of printable characters, unlike {text[:30]!a}")
    if not made.classes or "" in made.classes or len(set(made.classes)) < len(made.classes):
        raise ValueError("there must be classes, and each have a name of its own")
