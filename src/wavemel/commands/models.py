"""`wavemel models`: the models at hand, and those on the Hugging Face hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.console import print_json, table
from wavemel.errors import ConfigError

if TYPE_CHECKING:
    from wavemel.inference.catalogue import Listed

models_app = typer.Typer(help="List models; pull them from the Hugging Face hub, push them there.")

Format = Annotated[
    str, typer.Option("--format", "-f", metavar="table|json", help="How they are listed.")
]


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, form: Format = "table") -> None:
    """List the models that came with wavemel and your own ones; pull and push some.

    The default one (*) answers where 'wavemel classify' is given no --model. Yours lie in
    the folder that WAVEMEL_MODELS names.
    """
    if context.invoked_subcommand is not None:
        return
    from wavemel.inference.catalogue import catalogue
    from wavemel.inference.models import local_models

    if form not in ("table", "json"):
        raise ConfigError(f"--format must be table or json, not {form!r}")
    found = catalogue()
    if form == "json":
        print_json([model.as_dict() for model in found])
        return
    if not found:
        typer.echo(
            f"no models yet (yours would be in {local_models()}): 'wavemel export RUN --name NAME' "
            "or 'wavemel models pull OWNER/NAME' makes one known"
        )
        return
    columns = ("", "name", "id", "genres", "MB", "precision", "top-1", "where")
    table("", columns, [_row(model) for model in found])


def _row(model: Listed) -> tuple[object, ...]:
    where = "wavemel" if model.shipped else model.where
    if model.problem is not None:
        return ("", model.name, "", "", f"{model.size / 1e6:.1f}", "", "", model.problem)
    top1 = None
    if model.top1 is not None:
        top1 = f"{model.top1:.3f}"
        if model.top1_ci95 is not None:
            top1 += f" ({model.top1_ci95[0]:.3f} to {model.top1_ci95[1]:.3f})"
    genres = ", ".join(model.classes)
    if len(genres) > 48:
        genres = f"{len(model.classes)}: {genres[:40]}..."
    mark = "*" if model.default else ""
    size = f"{model.size / 1e6:.1f}"
    return (mark, model.name, model.id, genres, size, model.precision, top1, where)


@models_app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or its path.")],
    form: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="card|json", help="The card for people, or the description."
        ),
    ] = "card",
) -> None:
    """Print a model's card: what it tells, what it learnt from, how right it is, where it fails."""
    from wavemel.inference.card import model_card
    from wavemel.inference.models import find_model

    if form not in ("card", "json"):
        raise ConfigError(f"--format must be card or json, not {form!r}")
    bundle = find_model(name)
    if form == "json":
        print_json(bundle.description.as_dict())
        return
    if bundle.card is not None and bundle.card.is_file():
        text = bundle.card.read_text("utf-8", errors="replace")
    else:
        text = model_card(bundle.description)
    if text.startswith("---\n"):
        # The head is for hubs.
        text = text.split("\n---\n", 1)[-1].lstrip("\n")
    # A card may come from anyone: nothing in it may steer the terminal.
    typer.echo("".join(c for c in text if c.isprintable() or c in "\n\t").rstrip("\n"))


@models_app.command()
def pull(
    address: Annotated[
        str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="The model on the hub.")
    ],
    name: Annotated[str | None, typer.Option(help="What to call it here [default: NAME].")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of this name.")
    ] = False,
) -> None:
    """Fetch a model from the Hugging Face hub and make it known to 'wavemel classify'.

    Checksums are verified before it is put in place, and only model.onnx, model.json,
    model.safetensors, README.md and a few LICENSE files are ever fetched: nothing that runs code.
    HF_TOKEN opens private models, HF_ENDPOINT names another hub.

    Example: wavemel models pull someone/my-genres
    """
    from wavemel.hub import pull as pull_model
    from wavemel.outputs.rows import one_line

    made = pull_model(address, name=name, replace=replace)
    d = made.bundle.description
    typer.echo(f"{d.label}: {', '.join(d.classes)}; in {made.folder}, checked")
    licence = one_line(str(d.about.get("licence") or "none is stated"))
    typer.echo(f"commit {made.commit}; licence: {licence}")
    typer.echo(f"next: wavemel classify PATH... --model {made.folder.name}")


@models_app.command()
def push(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or its path.")],
    address: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Where on the hub.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository visible to its owner only.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the model [default: what its description states]."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of another name that lies there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")
    ] = False,
) -> None:
    """Send a model with its card to the Hugging Face hub, as HF_TOKEN allows.

    A model of the same name there is taken for an earlier version and replaced; files that only the
    earlier one had, its weights or terms, are deleted.

    Example: wavemel models push my-genres someone/my-genres --licence cc-by-nc-4.0 --dry-run
    """
    from wavemel.hub import plan_push
    from wavemel.hub import push as push_model
    from wavemel.outputs.rows import one_line

    plan = plan_push(name, address, licence=licence)
    stated = plan.model.about["licence"]
    typer.echo(f"{plan.model.label}: {', '.join(plan.model.classes)}; licence: {stated}")
    for file, data in plan.files.items():
        typer.echo(f"{file}: {len(data):,} bytes")
    if dry_run:
        typer.echo(f"nothing was sent to {plan.to.repository}")
        return
    done = push_model(plan, private=private, replace=replace)
    for file in done.deleted:
        typer.echo(f"{one_line(file)}: of the model that was there, deleted")
    typer.echo(f"sent: {done.url} (commit {done.commit})")
    typer.echo(f"next: wavemel models pull {plan.to.repository}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models_app, name="models")
