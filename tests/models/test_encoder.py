"""The backbone is MONAI's DenseNet121: the same weights give the same numbers."""

import torch
from monai.networks.nets import DenseNet121

from isimed.models.encoder import untrained_encoder


@torch.inference_mode()
def test_it_computes_what_monai_s_densenet_computes() -> None:
    ours = untrained_encoder(seed=1)
    theirs = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1).eval()
    theirs.class_layers.out = torch.nn.Identity()
    theirs.load_state_dict(ours.backbone.state_dict())
    crops = torch.randn(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = theirs(crops)
    assert (ours(crops) - expected).norm() < 1e-5 * expected.norm()
