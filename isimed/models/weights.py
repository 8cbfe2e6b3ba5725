"""A network's weights in a safetensors file, checked against the card beside it. No pickle is ever loaded."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from isimed.core.errors import InputError
from isimed.models.card import Card
from isimed.models.dense import DenseBackbone, in_prepared_values
from isimed.models.encoder import Encoder
from isimed.models.random_weights import DRAWING


def write_tensors(file: Path, state: Mapping[str, Tensor], *, half: bool = False) -> None:
    """Write tensors; ``half`` stores them as float16.

    Raises:
        OSError: the file cannot be written whole.
    """
    # safetensors' own writer makes files that nobody else may read, whatever the umask says
    file.write_bytes(save({name: _stored(tensor, half=half) for name, tensor in state.items()}))


def read_weights(file: Path, card: Card) -> Encoder:
    """The network that a card describes, in eval mode, in float32 on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the file is damaged, or holds another network.
    """
    encoder = network_of(card)
    wanted = encoder.state_dict()
    try:
        with safe_open(file, framework="pt") as stored:
            if set(stored.keys()) != set(wanted):
                raise InputError(
                    f"{file} holds a different network from the one that its card describes: export it again."
                )
            sizes = {name: tuple(stored.get_slice(name).get_shape()) for name in wanted}
            wrong = [name for name, size in sizes.items() if size != tuple(wanted[name].shape)]
            if wrong:
                raise InputError(f"{file} has {wrong[0]} of shape {sizes[wrong[0]]}: export it again.")
            state = {name: stored.get_tensor(name).to(wanted[name].dtype) for name in wanted}
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged ({error}): copy it again.") from None
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise InputError(f"{file} holds values that are not numbers: copy it again.")
    encoder.load_state_dict(state)
    return encoder.eval()


def network_of(card: Card) -> Encoder:
    """The network that a card describes, with weights that mean nothing yet."""
    backbone = None
    with DRAWING:
        if card.architecture == "dense":
            backbone = DenseBackbone(in_prepared_values(card.windows_hu, card.preparation.window_hu))
        return Encoder(card.heads, mm_per_unit=card.mm_per_unit, backbone=backbone)


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    tensor = tensor.detach().to("cpu").contiguous()
    return tensor.half() if half and tensor.is_floating_point() else tensor
