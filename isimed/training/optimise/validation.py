"""How good the network is on held-out patients, measured while it is trained."""

from collections.abc import Sequence

import numpy as np
import torch

from isimed.data.prepared.crops import crop_centre_mm, crop_middles, cut_crops, random_centres
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.statistics.metrics import distance_figures, rankme
from isimed.models.dense import whole_field
from isimed.models.encoder import Encoder
from isimed.training.optimise.config import TrainConfig

CROPS = 32
STREAM = 2  # of random numbers; the others belong to `batches`


@torch.inference_mode()
def validation_figures(encoder: Encoder, volumes: Sequence[Prepared], config: TrainConfig) -> dict[str, float]:
    """Figures of the same 32 crops of each held-out volume at every call; leaves the encoder in eval mode.

    A dense network is asked for the middles of these crops in the whole volume, as it is used.

    Returns:
        ``spearman``, ``pearson``, ``stress`` and ``rmse_mm`` of latent against physical distances within a volume,
        averaged over volumes; ``rankme`` of the embeddings and ``code_rankme`` of the codes, as `evaluate` names them.
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    embeddings, codes, centres_mm = [], [], []
    for index, volume in enumerate(volumes):
        centres = random_centres(volume, CROPS, np.random.default_rng((config.seed, STREAM, index)))
        if encoder.is_dense:
            image = torch.from_numpy(np.array(volume.image, dtype=np.float32)).to(device)
            middles = torch.from_numpy(crop_middles(centres, config.crop_size))
            embedding = whole_field(encoder.backbone, image, volume.background).at(middles)
        else:
            embedding = encoder(torch.from_numpy(cut_crops(volume, centres, config.crop_size)).to(device)).float()
        embeddings.append(embedding.cpu())
        codes.append(encoder.code(embedding).float().cpu())
        centres_mm.append(crop_centre_mm(volume, centres, config.crop_size))
    fidelity = distance_figures(list(zip(codes, centres_mm, strict=True)))
    return {**fidelity, "rankme": rankme(embeddings), "code_rankme": rankme(codes)}
