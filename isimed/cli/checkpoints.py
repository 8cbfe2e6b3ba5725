"""Checkpoints: which are here, fetched from where the user says, described for others."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from isimed.cli.terminal.output import bar, print_json
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options
from isimed.core.errors import InputError
from isimed.models.sharing.elsewhere import FORMS

if TYPE_CHECKING:
    from isimed.models.card import Card


def add(commands: Commands) -> None:
    text = "List the checkpoints that are here; fetch, describe or export one."
    checkpoints = commands.add("checkpoints", run, text, example="checkpoints get my-network --from /media/stick")
    checkpoints.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=["list", "get", "card", "export"],
        help="default: list",
    )
    checkpoints.add_argument("name", nargs="?", help="get: its name there; card, export: name, run id or folder")
    about = "get: folder or https address of the checkpoint, or of what holds it under its name"
    checkpoints.add_argument("--from", dest="source", metavar="SOURCE", help=about)
    checkpoints.add_argument(
        "--sha256", default="", metavar="HEX", help="get: checksum of the weights, from whom you trust"
    )
    checkpoints.add_argument(
        "--dry-run", action="store_true", help="get: only say what it is, its licence and its size"
    )
    checkpoints.add_argument("--as", dest="form", choices=FORMS, default="onnx", help="export: the form (default onnx)")
    about = "export: file to write, .onnx or .pt; a new folder for a MONAI bundle"
    checkpoints.add_argument("--to", metavar="PATH", help=about)
    checkpoints.add_argument("--json", action="store_true", help=JSON_HELP)


def run(options: Options) -> None:
    if options.action == "list":
        _list(as_json=options.json)
    elif not options.name:
        raise InputError(f"checkpoints {options.action} needs a name: see `isimed checkpoints list`.")
    elif options.action == "get":
        _get(options)
    elif options.action == "export":
        _export(options)
    else:
        _card(options)


def _list(*, as_json: bool) -> None:
    from isimed.models.card import checkpoint_names, find_checkpoint, read_card
    from isimed.models.checkpoint import WEIGHTS

    found = []
    for name in checkpoint_names():
        folder = find_checkpoint(name)
        found.append(_about(read_card(folder), (folder / WEIGHTS).stat().st_size) | {"folder": str(folder)})
    if as_json:
        print_json(found)
        return
    for one in found:
        shows = f"{one['modality']} {one['region']}".strip()
        print(f"{one['name']}  {one['method']}  {shows}  {one['megabytes']} MB  {one['licence']}")


def _get(options: Options) -> None:
    from isimed.models.sharing.fetch import get_checkpoint, look_up

    if not options.source:
        raise InputError("checkpoints get needs --from SOURCE: the folder or https address that has it.")
    offer = look_up(options.name, options.source, sha256=options.sha256)
    about = _about(offer.card, offer.size)
    if not options.json:
        size = f"{about['megabytes']} MB" if offer.size else "size not said"
        said = (offer.card.description, f"Licence: {offer.card.licence or 'not said'}.", f"{size}, from {offer.place}")
        print("\n".join(filter(None, said)), file=sys.stdout if options.dry_run else sys.stderr)
    folder = None
    if not options.dry_run:
        with bar("B", f"Fetching {options.name}") as progress:
            folder = get_checkpoint(options.name, options.source, sha256=options.sha256, progress=progress)
    if options.json:
        print_json(about | {"folder": folder, "sha256": offer.sums})
    elif folder:
        print(folder)


def _export(options: Options) -> None:
    from isimed.models.sharing.elsewhere import export

    if not options.to:
        raise InputError("checkpoints export needs --to PATH: the file or folder to write.")
    written = export(options.name, options.to, form=options.form)
    if options.json:
        print_json({"written": written, "form": options.form})
    else:
        print(written)


def _card(options: Options) -> None:
    from isimed.models.card import find_checkpoint
    from isimed.models.sharing.model_card import write_card
    from isimed.models.sharing.sums import SUMS

    file: Path = write_card(find_checkpoint(options.name))
    if options.json:
        print_json({"card": file, "sums": file.with_name(SUMS)})
    else:
        print(f"{file}, and {SUMS} beside it")


def _about(card: "Card", size: int | None) -> dict[str, object]:
    shown = {name: getattr(card, name) for name in ("name", "method", "modality", "region", "licence", "description")}
    return shown | {"megabytes": size and round(size / 1e6, 1)}
