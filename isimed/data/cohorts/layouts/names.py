"""What the names of files and folders say: label map or image, of whom, in which sequence, of which part of the body.

Words are compared whole: a name is cut at everything that is neither letter nor digit, and where a capital follows a
small letter or a digit (``TrainingMask``).
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from isimed.data.formats.dispatch import VOLUME_SUFFIXES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TUMOUR_WORDS = _words(
    "tumour tumor tumours tumors lesion lesions gtv gtvp gtvn ptv ctv cancer metastasis metastases mets"
)
ORGAN_WORDS = _words("organ organs aseg aparc wmparc dseg parcellation parc atlas structures")
PROBABILITY_WORDS = _words("prob probs probseg probability probabilities softmax sigmoid logits heatmap uncertainty")
LABEL_WORDS = (
    TUMOUR_WORDS
    | ORGAN_WORDS
    | _words(
        "label labels labelmap labelmaps mask masks seg segs segm segmentation segmentations gt truth groundtruth roi"
    )
    | _words("rois contour contours annotation annotations manual ribbon pveseg bseg onehot")
    | PROBABILITY_WORDS
)
BODY_MASKS = _words("brainmask bodymask headmask")
IMAGE_WORDS = _words(
    "image images img imgs imaging scan scans volume volumes vol anat data orig nifti nii raw imagestr"
)
WRAPPER_WORDS = _words(
    "train training tr test testing ts val valid validation va dev fold batch part split splits database dataset "
    "datasets rawdata sourcedata original originals final all cases patients subjects public release derivatives "
    "ground reference expert prediction predictions pred output outputs"
)
ROLE_WORDS = LABEL_WORDS | IMAGE_WORDS | WRAPPER_WORDS
MRI = (
    "mr mri t1 t1w t1n t1c t1ce t1gd t1post t2 t2w t2f t2star t2starw flair pd pdw dwi adc swi mra mprage spgr "
    "inplanet1 inplanet2 dixon angio"
)
SEQUENCES = {
    **dict.fromkeys(_words("ct cect ncct ldct cbct cta ctres"), "CT"),
    **dict.fromkeys(_words("pt pet suv fdg"), "PET"),
    **dict.fromkeys(_words(MRI), "MRI"),
}
REGIONS = {
    "head": _words("brain brains head skull"),
    "head and neck": _words("neck headneck hnscc hecktor oropharynx"),
    "chest": _words("chest thorax lung lungs"),
    "heart": _words("heart cardiac"),
    "abdomen": _words("abdomen abdominal liver kidney kidneys pancreas spleen"),
    "pelvis": _words("pelvis prostate bladder rectum"),
}
REGION_OF = {word: region for region, words in REGIONS.items() for word in words}
BEFORE, AFTER = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
PATIENT_IDS = (  # the rules of data sets, so that several studies of a patient stay on one side of every split
    r"sub-[A-Za-z0-9]+",  # BIDS
    r"\d{3}_S_\d{4,5}",  # ADNI
    r"OAS[123]_?\d{4}",  # OASIS
    r"IXI\d{3}",
    r"TCGA-\w{2}-\w{4}",
    r"LIDC-IDRI-\d{4}",
    r"patient\d{3}",  # ACDC
)
PATIENT_ID = re.compile(f"{BEFORE}(?:{'|'.join(PATIENT_IDS)}){AFTER}", re.IGNORECASE)
SESSION = re.compile(
    f"{BEFORE}(?:ses-[A-Za-z0-9]+|visit-?\\d+|tp-?\\d+|timepoint-?\\d+|baseline|follow-?up-?\\d*|preRT|midRT|postRT"
    f"|pre(?:-?op|-?contrast)?|post(?:-?op|-?contrast)?"
    f"|frame\\d+|MR\\d|(?:19|20)\\d\\d-\\d\\d-\\d\\d[\\d_.]*|(?:19|20)\\d{{6}}|d\\d{{4}}|m\\d\\d){AFTER}",
    re.IGNORECASE,
)


def stem(path: Path) -> str:
    """The file's name without a volume's suffix (.nii.gz and .seg.nrrd are one)."""
    name = path.name
    for suffix in (".seg.nrrd", *sorted(VOLUME_SUFFIXES, key=len, reverse=True)):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return path.stem


def words(name: str) -> list[str]:
    """The words of a name, small; a number at the end of a longer word is cut off (``seg2``)."""
    cut = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z]{2}|Tr|Ts)", " ", name)
    found = [word.lower() for word in re.split(r"[\W_]+", cut) if word]
    return [short if (short := word.rstrip("0123456789")) in ROLE_WORDS and len(short) > 2 else word for word in found]


def is_role_folder(name: str) -> bool:
    """Whether a folder's name says what lies in it and nothing of whom: images, labelsTr, Training Batch 1."""
    found = words(name)
    return any(not word.isdigit() for word in found) and all(w in ROLE_WORDS or w.isdigit() for w in found)


def is_site(name: str) -> bool:
    """Whether a folder is called after where scans come from, as ``siteA`` and ``Hospital B`` are."""
    return bool(re.match(r"(?i:site|cent(?:er|re)|hospital|clinic|institut\w*|scanner|vendor)(?![a-z])", name))


def says_what(name: str) -> bool:
    """Whether a folder's name says what its scans show and nothing of whom: ``CT``, ``t1``, ``brain``, ``CT 2``."""
    found = words(name)
    return any(not word.isdigit() for word in found) and all(
        word in SEQUENCES or word in REGION_OF or word in ROLE_WORDS or word.isdigit() for word in found
    )


def label_kind(found: Iterable[str]) -> str:
    """``tumour`` or ``organs`` where the words say so, empty where they leave it open."""
    found = set(found)
    return "tumour" if found & TUMOUR_WORDS else "organs" if found & ORGAN_WORDS else ""


def is_label_name(path: Path) -> bool:
    """Whether a file's own name says that it is a label map."""
    found = words(stem(path))
    strong = LABEL_WORDS - TUMOUR_WORDS - {"manual", "atlas", "organ", "structures"}
    return (
        path.name.lower().endswith(".seg.nrrd")
        or bool(strong.intersection(found))
        or (bool(found) and found[-1] in LABEL_WORDS)
        or bool(BODY_MASKS.intersection(found))
    )


def is_probability(path: Path) -> bool:
    """Whether a file's name says that it holds how likely something is, which is no label map."""
    return bool(PROBABILITY_WORDS.intersection(words(stem(path))))


def is_body_mask(path: Path) -> bool:
    """Whether a mask is of the whole brain or body, which is no organ among others."""
    found = words(stem(path))
    pairs = {"".join(pair) for pair in pairwise(found)}
    return bool(BODY_MASKS & ({*found} | pairs))


def modality_and_sequence(path: Path, folders: Iterable[str] = ()) -> tuple[str, str]:
    """``CT``, ``MRI``, ``PET`` or empty, and the word that says so, from a file's name or else from its folders'."""
    for name in (stem(path), *reversed(list(folders))):
        for word in reversed(words(name)):
            if modality := SEQUENCES.get(word):
                return modality, "" if word in ("ct", "mr", "mri", "pt", "pet") else word.upper()
    if match := re.fullmatch(r"amos_(\d{4}).*", stem(path), re.IGNORECASE):
        return ("CT" if int(match[1]) <= 500 else "MRI"), ""  # AMOS numbers its 500 CTs first
    return "", ""


def region_in(name: str) -> str:
    """The part of the body that a name says, or empty."""
    return next((REGION_OF[word] for word in words(name) if word in REGION_OF), "")


def session_in(name: str) -> str:
    match = SESSION.search(name)
    return match[0] if match else ""


def bare(name: str) -> str:
    """A file's stem without the words that say role, sequence or session: what a scan and its labels share.

    >>> bare("volume-0"), bare("segmentation-0"), bare("CHUM-001__CT"), bare("P01_T1_seg")
    ('0', '0', 'CHUM-001', 'P01')
    """
    return "-".join(_number_of(part[0]) for part in _own_parts(name))


def own_part(name: str) -> str:
    """A file's stem without the words at both ends that say role, sequence or session; empty where nothing is left.

    >>> own_part("T1_case_7"), own_part("7_T2_seg"), own_part("T1")
    ('case_7', '7', '')
    """
    parts = _own_parts(name)
    return name[parts[0].start() : parts[-1].end()] if parts else ""


def up_to_own(name: str) -> str:
    """A file's stem without the words at its end that say role, sequence or session; empty where it says nothing else.

    >>> up_to_own("case10_1_t1"), up_to_own("12_3_12_CT"), up_to_own("P7 2020-01-02 CT")
    ('case10_1', '12_3_12', 'P7')
    """
    parts = _own_parts(name)
    return name[: parts[-1].end()].rstrip("([{") if parts else ""  # of P1(tp1) the bracket


def _own_parts(name: str) -> list[re.Match[str]]:
    """The parts of a name from the first to the last that says more than role, sequence or session, as they stand."""
    without_session = SESSION.sub(lambda session: " " * len(session[0]), name)
    parts = list(re.finditer(r"[^\s_.+-]+", without_session))

    def says_nothing(part: re.Match[str]) -> bool:
        return all(word in ROLE_WORDS or word in SEQUENCES for word in words(_number_of(part[0])))

    while parts and says_nothing(parts[-1]):
        parts.pop()
    while parts and says_nothing(parts[0]):
        parts.pop(0)
    return parts


def _number_of(part: str) -> str:
    """``img1`` and ``label1`` are number 1; ``T1`` is a sequence and stays."""
    match = re.fullmatch(r"([A-Za-z]+?)(\d+)", part)
    return match[2] if match and match[1].lower() in LABEL_WORDS | IMAGE_WORDS else part
