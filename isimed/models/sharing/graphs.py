"""A trained network as ONNX or TorchScript: what opens it needs neither isimed nor its card to compute the same."""

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

from isimed.core.errors import InputError
from isimed.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor, nn

NAMES = ("embedding", "code")
EXTRA = "pip install 'isimed[export]'"


def about(checkpoint: Checkpoint) -> dict[str, str]:
    """What is written into the file: the card's sentences, and how voxels have to be prepared, as JSON."""
    card = checkpoint.card
    return {
        "name": card.name,
        "description": card.description,
        "licence": card.licence,
        "limits": card.limits,
        "crop_size": str(card.crop_size),
        "code_distances": "mm" if card.in_mm else "none",
        "preparation": card.preparation.model_dump_json(),
    }


def as_torchscript(checkpoint: Checkpoint) -> bytes:
    """The network as TorchScript, for ``torch.jit.load`` in Python and C++; what it is lies in ``about.json``."""
    import io

    import torch

    network, example = _answering(checkpoint)
    file = io.BytesIO()
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of each Python number in it, and that there are newer ways
        traced = torch.jit.trace(network, example, check_trace=False)
        torch.jit.save(traced, file, _extra_files={"about.json": json.dumps(about(checkpoint))})
    return file.getvalue()


def as_onnx(checkpoint: Checkpoint) -> bytes:
    """The network as an ONNX model, its weights inside; what it is lies in its metadata.

    Raises:
        InputError: onnx is not installed.
    """
    import torch
    from torch.export import Dim

    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError:
        raise InputError(f"ONNX needs the packages onnx and onnxscript: {EXTRA}.") from None
    network, example = _answering(checkpoint)
    if checkpoint.card.architecture == "dense":
        sizes: Any = {axis: 16 * Dim(f"sixteenths_{name}", min=2) for axis, name in zip((2, 3, 4), "xyz", strict=True)}
    else:
        sizes = {0: Dim("crops", min=1)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it says each time that there is no torchvision
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, (example,), dynamo=True, dynamic_shapes=(sizes,), input_names=["voxels"], output_names=[*NAMES],
            optimize=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, about(checkpoint))
    return bytes(model.SerializeToString())


def _answering(checkpoint: Checkpoint) -> tuple["nn.Module", "Tensor"]:
    """The network whose outputs are `NAMES`, on the CPU, and an input."""
    import torch

    network = _module()(checkpoint.read_encoder()).eval()
    size = checkpoint.card.crop_size
    dense = checkpoint.card.architecture == "dense"
    return network, torch.zeros((1, 1, 48, 64, 80) if dense else (2, 1, size, size, size))


def _module() -> type["nn.Module"]:
    from torch import nn

    from isimed.models.encoder import Encoder

    class Answering(nn.Module):
        def __init__(self, encoder: Encoder) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, voxels: "Tensor") -> tuple["Tensor", "Tensor"]:
            if not self.encoder.is_dense:
                embeddings = self.encoder(voxels)
                return embeddings, self.encoder.code(embeddings)
            field = self.encoder.backbone.field(voxels)
            return field, self.encoder.code(field.movedim(1, -1)).movedim(-1, 1)

    return Answering
