"""One of the user's models -> the hub: a repository with the model's files and its card."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import warnings
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavemel.errors import ModelError
from wavemel.hub.client import Address, hub_api, hub_errors, read_address
from wavemel.inference.bundle import FILES, TERMS, Bundle, ModelDescription, terms_of
from wavemel.inference.card import front_matter, model_card
from wavemel.inference.models import find_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True)
class Plan:
    """What would be sent where: file names and their content."""

    model: ModelDescription
    to: Address
    files: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Pushed:
    """A model that was pushed: its page, the commit, and files of an earlier model that it deleted."""

    url: str
    commit: str
    deleted: tuple[str, ...] = ()


def plan_push(model: str | PathLike[str], address: str, *, licence: str | None = None) -> Plan:
    """Return what `push` would send, without asking anyone.

    Parameters
    ----------
    model : name of a known model, or path of an exported one.
    address : ``OWNER/NAME``.
    licence : stated in place of what the model's description says.

    Raises
    ------
    ModelError
        There is no such model, its files are not those that were exported, its card is no text, or
        no licence is stated.
    """
    to = read_address(address)
    if to.revision:
        raise ModelError(f"a model is pushed to OWNER/NAME, without a revision: {address}")
    bundle = find_model(model)
    described = bundle.description
    if licence:
        stated = {**described.about, "licence": licence}
        described = dataclasses.replace(described, about=stated)
    if not described.about.get("licence"):
        raise ModelError(
            f"{described.name} states no licence, and others could not know what they may do with "
            "it: give --licence, as in --licence cc-by-nc-4.0"
        )
    about = described.as_json()
    files = {
        "README.md": _card(bundle, described).encode(),
        "model.json": about,
        "model.onnx": bundle.read_graph(),
    }
    if described.weights_sha256 and bundle.weights.is_file():
        files["model.safetensors"] = bundle.read_weights()
    if bundle.card is not None:
        for terms in terms_of(bundle.graph.parent):
            files[terms.name] = terms.read_bytes()
    return Plan(described, to, files)


def push(plan: Plan, *, private: bool = False, replace: bool = False) -> Pushed:
    """Send a model to the hub as one commit; the repository is made where there is none.

    A model of the same name that lies there is an earlier version, and is replaced. Files of it
    that this one does not have would be of another model, and are deleted.

    Parameters
    ----------
    plan : as `plan_push` returns it.
    private : let only its owner see the repository.
    replace : put it in the place of a model of another name.

    Raises
    ------
    ModelError
        The hub cannot be reached or does not allow it, the repository holds something else or a
        model of another name that is not to be replaced, or it is public and ``private`` was asked
        for.
    MissingExtraError
        huggingface_hub is not installed.
    """
    api = hub_api()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    repository = plan.to.repository
    with hub_errors(api, repository, "writing"):
        # None, not False: an organisation may make its models private by default.
        api.create_repo(repository, private=private or None, exist_ok=True)
        known = _known_files(api, plan, private, replace)
        stale = tuple(sorted(f for f in known - plan.files.keys() if _is_of_a_model(f)))
        operations: list[Any] = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=data)
            for name, data in plan.files.items()
        ]
        operations += [CommitOperationDelete(path_in_repo=name) for name in stale]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                done = api.create_commit(
                    repository, operations, commit_message=f"Add {plan.model.label}"
                )
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error.__cause__ or error).split())[:200]
            raise ModelError(f"{repository} was not written: {reason}") from error
    return Pushed(f"{api.endpoint}/{repository}", done.oid, stale)


def _known_files(api: HfApi, plan: Plan, private: bool, replace: bool) -> set[str]:
    """Return the files that the repository has; raise ModelError where it is not one to write to."""
    repository = plan.to.repository
    info = api.model_info(repository)
    files = {sibling.rfilename for sibling in info.siblings or []}
    if private and info.private is False:
        raise ModelError(
            f"{repository} is there already and public: give another name, or leave out --private"
        )
    if files - {".gitattributes"} and "model.json" not in files:
        raise ModelError(
            f"{repository} holds something that is no model of wavemel's: give another name"
        )
    if "model.json" in files and not replace:
        there = _model_there(api, repository, info.sha)
        if there != plan.model.name:
            raise ModelError(
                f"{repository} holds another model, {there!r}: give another name, or --replace"
            )
    return files


def _model_there(api: HfApi, repository: str, commit: str | None) -> str | None:
    """Return the name of the model that a repository holds; None where its description has none."""
    with tempfile.TemporaryDirectory() as folder:
        about = api.hf_hub_download(repository, "model.json", revision=commit, local_dir=folder)
        try:
            tree = json.loads(Path(about).read_text("utf-8"))
        except (ValueError, RecursionError):
            return None
    return tree.get("name") if isinstance(tree, dict) else None


def _is_of_a_model(file: str) -> bool:
    return file in FILES or (file.startswith(TERMS) and "/" not in file)


def _card(bundle: Bundle, described: ModelDescription) -> str:
    """Return the model's card; one that a person wrote keeps its text under a new head."""
    made = model_card(described)
    if bundle.card is None or not bundle.card.is_file():
        return made
    try:
        text = bundle.card.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{bundle.card} is no text in UTF-8: save it as that, or delete it for a card made anew"
        ) from error
    if text == model_card(bundle.description):
        return made
    if described == bundle.description and text.startswith("---\n"):
        return text
    body = text.split("\n---\n", 1)[-1] if text.startswith("---\n") else "\n" + text
    return front_matter(described) + "\n" + body
