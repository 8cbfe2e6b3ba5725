"""Does this network fit this scan? How far its crops lie from those that the network was trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Prepared
from isimed.explore.one_scan.profile import Profile, sample_crops, scan_misfit
from isimed.models.checkpoint import Checkpoint

PASS = 0.95


@dataclass(frozen=True)
class Fit:
    """How well a network fits a scan.

    Attributes:
        checkpoint: its name.
        fits: whether the scan's misfit is within what 95 % of fitting scans show.
        percentile: of fitting scans, how many lie nearer to what the network was trained on; 100 for none farther.
        misfit, limit: mean distance to the nearest training crops, and the largest that fits.
        coverage: the share of fitting scans that the limit lets pass; below 0.95 where fewer than 19 set it.
    """

    checkpoint: str
    fits: bool
    percentile: float
    misfit: float
    limit: float
    coverage: float

    def sentence(self) -> str:
        """What to tell a person."""
        if self.fits:
            return (
                f"{self.checkpoint} fits this scan: {self.percentile:.0f} % of the scans like its training lie nearer."
            )
        return (
            f"{self.checkpoint} does not fit this scan: it shows something else than what the network was trained on, "
            f"{self.misfit / self.limit:.1f} times the limit. What it finds here means nothing."
        )


def limit_of(scan_misfits: NDArray, share: float = PASS) -> tuple[float, float]:
    """The conformal limit below which a share of exchangeable scans lies, and the share that it can promise.

    The k-th smallest of n, ``k = ceil(share (n + 1))`` (Vovk et al., Algorithmic Learning in a Random World); where
    n is too small for that, the largest, which promises ``n / (n + 1)``.
    """
    n = len(scan_misfits)
    k = min(n, int(np.ceil(share * (n + 1))))
    return float(np.sort(scan_misfits)[k - 1]), k / (n + 1)


def fit_from(profile: Profile, name: str, crop_misfits: NDArray) -> Fit:
    """A scan's fit from its crops' misfits."""
    misfit = scan_misfit(crop_misfits)
    limit, coverage = limit_of(profile.scan_misfits)
    nearer = float((profile.scan_misfits < misfit).mean() * 100)
    return Fit(name, misfit <= limit, nearer, misfit, limit, coverage)


def fit_of(checkpoint: Checkpoint, profile: Profile, volume: Prepared) -> Fit:
    """How well a network fits a prepared scan, from some of its crops: a second or two.

    Args:
        profile: of the checkpoint, see ``isimed.explore.one_scan.profile.read_profile``.
        volume: prepared as the checkpoint wants it.
    """
    return fit_from(
        profile, checkpoint.name, profile.misfit(sample_crops(checkpoint, volume, count=profile.info.crops)[1])
    )


def place_percentile(profile: Profile, embeddings: NDArray) -> NDArray[np.float64]:
    """(N,) for each crop: which percentage of the crops of fitting scans lie nearer to the training crops."""
    ranks = np.searchsorted(profile.crop_misfits, profile.misfit(embeddings))
    return ranks / len(profile.crop_misfits) * 100
