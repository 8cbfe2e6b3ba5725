"""The folded backbone says what the plain one says, and one that still trains is left alone."""

import pytest
import torch

from isimed.models.encoder import Encoder, untrained_encoder
from isimed.models.inference import Bounded, MaxPoolByAxis, for_inference


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """Weights and running statistics that are far from where they start."""
    encoder = untrained_encoder(seed=3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*encoder.named_parameters(), *encoder.named_buffers()]:
            if "norm" in name and tensor.is_floating_point():
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
        for name, tensor in encoder.named_parameters():
            if "denseblock2" in name and name.endswith("norm1.weight"):
                tensor[::3] *= -1  # a norm may also turn a channel round
        encoder.backbone.features.transition1.norm.weight[5] = 0  # or switch it off
    return encoder


@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])
@torch.inference_mode()
def test_folded_is_the_same_to_rounding(encoder: Encoder, capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    crops = torch.randn(3, 1, 32, 32, 32, generator=torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    folded = for_inference(encoder)
    norms = [part for part in folded.modules() if isinstance(part, torch.nn.BatchNorm3d)]
    assert len(norms) == 2  # of 121: the last one, and the one with a channel that is switched off
    assert sum(isinstance(part, Bounded) for part in folded.modules()) == 60
    plain = encoder(crops)
    assert (folded(crops) - plain).norm() < 1e-5 * plain.norm()
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


def test_training_mode_is_left_alone() -> None:
    encoder = untrained_encoder().train()
    assert for_inference(encoder) is encoder


@pytest.mark.parametrize("shape", [(2, 3, 16, 16, 16), (1, 2, 7, 8, 5), (1, 1, 1, 2, 3)])
def test_maximum_by_axis_is_the_maximum(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    assert torch.equal(MaxPoolByAxis()(values), torch.nn.MaxPool3d(3, 2, 1)(values))
