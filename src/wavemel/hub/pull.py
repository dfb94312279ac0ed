"""A model on the hub -> one of the user's models, checked before it is put in place."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from wavemel.errors import ModelError
from wavemel.hub.client import hub_api, hub_errors, read_address
from wavemel.inference.bundle import FILES, NEEDED, TERMS, Bundle, check_replaceable, read_bundle
from wavemel.inference.card import renamed_card
from wavemel.inference.models import check_name, local_models
from wavemel.whole import new_folder, put_back

if TYPE_CHECKING:
    from huggingface_hub import HfApi

#: Of the terms of what a model is made of; with these and `FILES`, nothing else is ever downloaded.
_MOST_TERMS = 4
#: Endings of files that run code when they are loaded.
PICKLES = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")


@dataclass(frozen=True)
class Pulled:
    """A model that was pulled: where it lies, and the commit that it is of."""

    bundle: Bundle
    folder: Path
    commit: str


def pull(address: str, *, name: str | None = None, replace: bool = False) -> Pulled:
    """Fetch a model from the hub into the user's models.

    Parameters
    ----------
    address : ``OWNER/NAME``, or ``OWNER/NAME@REVISION`` (branch, tag or commit).
    name : what it is called here, also in its description and card; the repository's NAME by
        default.
    replace : put it in the place of a model of that name.

    Raises
    ------
    ModelError
        There is no such model, it cannot be reached or read, it is none of wavemel's, its files
        are not those that its description names, or one of this name is here already and is not
        to be replaced, or holds more than a model.
    MissingExtraError
        huggingface_hub is not installed.
    """
    wanted = read_address(address)
    name = name or wanted.name
    check_name(name)
    folder = local_models() / name
    put_back(folder.parent)
    if folder.exists():
        if not replace:
            raise ModelError(f"{folder} exists already: give another --name, or --replace")
        check_replaceable(folder)
    api = hub_api()
    repository = wanted.repository
    with hub_errors(api, repository, "reading"):
        info = api.model_info(repository, revision=wanted.revision)
        commit = info.sha or wanted.revision or "main"
        files = _chosen(repository, [sibling.rfilename for sibling in info.siblings or []])
    with new_folder(folder, check_replaceable) as part:
        for file in files:
            with hub_errors(api, repository, "reading", file):
                _fetch(api, repository, commit, file, part)
        _check(repository, part)
        _rename(part, folder.name)
    return Pulled(read_bundle(folder), folder, commit)


def _chosen(repository: str, files: list[str]) -> list[str]:
    """Return which files to fetch; raise ModelError where they make no model."""
    missing = [file for file in NEEDED if file not in files]
    if not missing:
        terms = [
            file for file in files if file.startswith(TERMS) and PurePosixPath(file).name == file
        ]
        return [*(file for file in FILES if file in files), *terms[:_MOST_TERMS]]
    pickled = [file for file in files if PurePosixPath(file).suffix.lower() in PICKLES]
    if pickled:
        raise ModelError(
            f"{repository} offers its weights as {pickled[0]}, which runs code when it is loaded: "
            "wavemel takes model.onnx and model.json only, as 'wavemel export' makes them"
        )
    raise ModelError(
        f"{repository} is no model of wavemel's: it holds no {' and no '.join(missing)}"
    )


def _fetch(api: HfApi, repository: str, commit: str, file: str, folder: Path) -> None:
    # Into a folder of its own, which takes the client's notes with it when it goes.
    below = folder / ".download"
    made = api.hf_hub_download(repository, file, revision=commit, local_dir=below)
    shutil.move(made, folder / file)
    shutil.rmtree(below)


def _check(repository: str, part: Path) -> None:
    """Raise ModelError where the files are not those that the description names."""
    try:
        bundle = read_bundle(part)
        bundle.read_graph()
        if bundle.description.weights_sha256:
            if bundle.weights.is_file():
                bundle.read_weights()
        elif bundle.weights.is_file():
            # Weights of another model, or of an earlier version of this one.
            bundle.weights.unlink()
    except ModelError as error:
        # The sentence names a folder that is about to go.
        said = str(error).replace(f"{part}/", "").replace(str(part), repository)
        said = said.partition(": export or fetch")[0]
        raise ModelError(f"{repository} is refused: {said}") from error


def _rename(part: Path, name: str) -> None:
    """Let description and card call a model as it is called here; its id stays."""
    bundle = read_bundle(part)
    old = bundle.description.name
    if name == old:
        return
    # Not by way of the description: a later version's may say what this one does not know.
    tree = json.loads(bundle.about.read_text("utf-8"))
    bundle.about.write_text(json.dumps({**tree, "name": name}, indent=2) + "\n", "utf-8")
    card = part / "README.md"
    if card.is_file():
        # Bytes that are no UTF-8 stay as they are.
        text = card.read_bytes().decode("utf-8", "surrogateescape")
        card.write_bytes(renamed_card(text, old, name).encode("utf-8", "surrogateescape"))
