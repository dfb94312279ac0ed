"""Which model is meant, and where it lies: a path, the user's models, or those that come with wavemel."""

from __future__ import annotations

import os
from pathlib import Path

from wavemel.errors import ModelError
from wavemel.inference.bundle import Bundle, bundle_files, read_bundle
from wavemel.registry import suggest
from wavemel.whole import put_back

#: Models that are part of the installation.
SHIPPED = Path(__file__).parents[1] / "models"
#: The one of them that is meant where none is named: the fastest.
DEFAULT = "emotify-4"


def local_models() -> Path:
    """Return the folder of the user's models: ``$WAVEMEL_MODELS``, else the system's place for such."""
    given = os.environ.get("WAVEMEL_MODELS")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("wavemel")) / "models"


def check_name(name: str) -> None:
    """Raise ModelError where a model cannot be called so: its name becomes a folder's."""
    whole = name == Path(name).name and name.isprintable()
    if not name or not whole or name.startswith("."):
        raise ModelError(f"{name!r} is no name for a model: letters, digits, '-' and '_'")


def list_models() -> dict[str, Path]:
    """Return name -> place of every model at hand; the user's go before shipped ones of the same name."""
    put_back(local_models())
    found: dict[str, Path] = {}
    for folder in (SHIPPED, local_models()):
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue  # a model that is being written
            if entry.is_dir() or entry.suffix == ".onnx":
                graph, about = bundle_files(entry)
                if graph.is_file() and about.is_file():
                    found[entry.name if entry.is_dir() else entry.stem] = entry
    return found


def find_model(model: str | os.PathLike[str] | None = None) -> Bundle:
    """Return a model given by path or name; without either, the default one.

    What lies in the current folder goes before a known model of the same name only
    where it is a model. The default is ``$WAVEMEL_MODEL``, else `DEFAULT` (the user's own, if one is
    called so), else the only one that is shipped, else the user's only one.

    Raises
    ------
    ModelError
        There is none, or which one is meant is open.
    """
    if model == "":
        raise ModelError("the model's name is empty: give a name or a path, or leave it out")
    model = model or os.environ.get("WAVEMEL_MODEL") or None
    known = list_models()
    if model is None:
        return read_bundle(known[_default(known)])
    name = os.fspath(model)
    path = Path(os.path.expanduser(name))
    if name not in known and not path.exists():
        put_back(path.parent)
    if all(file.is_file() for file in bundle_files(path)):
        return read_bundle(path)
    if name in known:
        return read_bundle(known[name])
    if os.sep in name or path.suffix in (".onnx", ".json"):
        if path.exists():
            return read_bundle(path)  # says what is missing
        raise ModelError(f"there is no model at {name}")
    here = f"the folder {name} holds no exported model, and " if path.is_dir() else ""
    run = name if (path / "best.safetensors").is_file() else "RUN"
    raise ModelError(
        f"{here}there is no model called {name!r}{suggest(name, known) if known else ''}: "
        f"make one with 'wavemel export {run} --name NAME', fetch one with "
        "'wavemel models pull OWNER/NAME', or give the path of an exported one"
    )


def default_model() -> str | None:
    """Return the name of the model that is meant where none is named; None where that is open."""
    known = list_models()
    given = os.environ.get("WAVEMEL_MODEL")
    if given:
        return given if given in known else None
    try:
        return _default(known)
    except ModelError:
        return None


def _default(known: dict[str, Path]) -> str:
    shipped = [name for name, path in known.items() if path.parent == SHIPPED]
    # By its name: a user's own model of that name does not hand its place to another shipped one.
    candidates = [DEFAULT] if DEFAULT in known else shipped or list(known)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ModelError(
            f"which model? Say --model with one of: {', '.join(sorted(known))} (or set WAVEMEL_MODEL)"
        )
    raise ModelError(
        "there is no model yet: train one with 'wavemel train', then "
        "'wavemel export RUN --name NAME' makes it known to 'wavemel classify'"
    )
