"""The backbone is MONAI's DenseNet121: the same weights give the same numbers."""

from concurrent.futures import ThreadPoolExecutor

import torch
from monai.networks.nets import DenseNet121

from isimed.models.encoder import Encoder, untrained_encoder


@torch.inference_mode()
def test_it_computes_what_monai_s_densenet_computes() -> None:
    ours = untrained_encoder(seed=1)
    theirs = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1).eval()
    theirs.class_layers.out = torch.nn.Identity()
    theirs.load_state_dict(ours.backbone.state_dict())
    crops = torch.randn(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = theirs(crops)
    assert (ours(crops) - expected).norm() < 1e-5 * expected.norm()


def test_seeded_weights_are_the_same_whatever_other_threads_make() -> None:
    alone = untrained_encoder(seed=5).state_dict()
    with ThreadPoolExecutor(4) as pool:
        beside = [pool.submit(untrained_encoder, seed) for seed in (5, 6, 5, 7, 5, 8)] + [pool.submit(Encoder)]
        found = [each.result().state_dict() for each in beside]
    for number in (0, 2, 4):
        assert all(torch.equal(value, found[number][name]) for name, value in alone.items())
