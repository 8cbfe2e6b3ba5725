"""A network for programs that do not have isimed: which forms there are, and writing one."""

from pathlib import Path
from typing import Literal, get_args

from isimed.core.errors import InputError
from isimed.core.files import new_folder, write_file
from isimed.models.checkpoint import Checkpoint, load_checkpoint

Form = Literal["onnx", "torchscript", "monai-bundle"]
FORMS: tuple[Form, ...] = get_args(Form)
SUFFIX = {"onnx": ".onnx", "torchscript": ".pt"}


def export(checkpoint: Checkpoint | str | Path, to: str | Path, *, form: Form = "onnx") -> Path:
    """Write a network for programs that do not have isimed.

    It takes prepared voxels, float32 near [-1, 1], as `isimed.Preprocessing` makes them: (N, 1, S, S, S) crops, any N,
    and gives ``embedding`` (N, 1024) and ``code`` (N, 512), L2 distances of codes in mm. A dense network takes
    (1, 1, X, Y, Z) whole volumes, sizes multiples of 16, and gives both at every second voxel, (1, D, X/2, Y/2, Z/2).

    Args:
        checkpoint: a name, run id, folder or loaded checkpoint.
        to: a file that ends in ``.onnx`` or ``.pt``, or a new folder for a MONAI bundle.
        form: ``onnx``, ``torchscript`` or ``monai-bundle``.

    Raises:
        InputError: the file has another ending, the folder exists, or onnx is not installed.
    """
    place = Path(to)
    if form == "monai-bundle" and place.exists():
        raise InputError(f"{place} exists: choose another name, or remove it first.")
    if form != "monai-bundle" and place.suffix != SUFFIX[form]:
        raise InputError(f"{place}: give a file that ends in {SUFFIX[form]}.")
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    if form == "monai-bundle":
        from isimed.models.sharing.bundle import fill_bundle

        with new_folder(place) as unfinished:
            fill_bundle(loaded, unfinished)
        return place
    from isimed.models.sharing.graphs import as_onnx, as_torchscript

    return write_file(place, as_onnx(loaded) if form == "onnx" else as_torchscript(loaded))
