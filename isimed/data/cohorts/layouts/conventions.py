"""Public data sets that are known by the names of their files: what their labels mean, and what they show."""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Convention:
    """How one data set names its images.

    Attributes:
        name: of the data set.
        pattern: found in the path of each of its images.
        modality, region: of all its scans, where there is one.
        kind: what its label maps are.
        labels: label -> name.
        source: where the layout is described.
    """

    name: str
    pattern: re.Pattern[str]
    source: str
    modality: str = ""
    region: str = ""
    kind: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|/){pattern}", re.IGNORECASE)


CONVENTIONS = (
    Convention(
        "KiTS", _path(r"case_\d{5}/imaging\.nii"), "kits-challenge.org", "CT", "abdomen", "organs",
        {"1": "kidney", "2": "tumour", "3": "cyst"},
    ),
    Convention(
        "LiTS", _path(r"volume-\d+\.nii"), "competitions.codalab.org/competitions/17094", "CT", "abdomen", "organs",
        {"1": "liver", "2": "tumour"},
    ),
    Convention(
        "ACDC", _path(r"patient\d{3}_(?:frame\d+|4d)\.nii"), "creatis.insa-lyon.fr/Challenge/acdc", "MRI", "heart",
        "organs", {"1": "right ventricle", "2": "myocardium", "3": "left ventricle"},
    ),
    Convention(
        "HECKTOR", _path(r"[A-Z]+-\d+__(?:CT|PT)\w*\.nii"), "hecktor.grand-challenge.org/Data", "", "head and neck",
        "tumour", {"1": "GTVp", "2": "GTVn"},
    ),
    Convention(
        "TotalSegmentator", _path(r"s\d{4}/(?:ct|mri)\.nii"), "zenodo.org/records/10047292", "", "", "organs",
    ),
    Convention("IXI", _path(r"IXI\d{3}-\w+-\d+-\w+\.nii"), "brain-development.org/ixi-dataset", "MRI", "head"),
    Convention("ADNI", _path(r"\d{3}_S_\d{4,5}/.*ADNI_\d{3}_S_\d{4,5}_"), "adni.loni.usc.edu", "", "head"),
    Convention("OASIS", re.compile(r"(?:^|/|sub-)OAS[123]_?\d{4}"), "sites.wustl.edu/oasisbrains", "", "head"),
    Convention("BIDS", _path(r"sub-[A-Za-z0-9]+_[^/]*\.nii"), "bids-specification.readthedocs.io"),
)  # fmt: skip


def convention_of(path: str) -> Convention | None:
    """The data set whose way of naming an image's path (with ``/``) follows, if any."""
    return next((one for one in CONVENTIONS if one.pattern.search(path)), None)
