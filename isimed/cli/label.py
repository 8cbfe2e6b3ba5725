"""A rough label map of one scan, carried over from a labelled cohort."""

import gzip
from pathlib import Path

from isimed.cli.terminal.output import bar, print_json, say, writable
from isimed.cli.terminal.parser import JSON_HELP, Commands, Options

SUFFIXES = (".nii.gz", ".nii")


def add(commands: Commands) -> None:
    label = commands.add(
        "label",
        run,
        "Write a rough label map of a scan, carried over from a labelled cohort.",
        example="label scan.nii.gz --reference mine --out rough.nii.gz",
    )
    label.add_argument("scan", help="any scan: NIfTI, NRRD, MetaImage, or DICOM as a file, folder or zip")
    label.add_argument("--reference", metavar="COHORT", help="cohort with organ labels (default: any that is embedded)")
    label.add_argument("--checkpoint", help="which network (default: the one that fits the scan best)")
    label.add_argument("--json", action="store_true", help=JSON_HELP)
    label.add_argument("--out", required=True, metavar="FILE", help="NIfTI to write, .nii.gz or .nii")


def run(options: Options) -> None:
    import nibabel as nib
    import numpy as np

    from isimed.core.errors import InputError
    from isimed.core.files import write_file
    from isimed.data.cohorts.cohort import Cohort
    from isimed.explore.one_scan.label import label_scan

    out = Path(options.out)
    if not out.name.endswith(SUFFIXES):
        raise InputError(f"--out {out}: give a file that ends in .nii.gz or .nii.")
    writable(options.out, reads=[options.scan])
    reference = Cohort.load(options.reference) if options.reference else None
    with bar("step", "Labelling") as progress:
        said = label_scan(options.scan, reference, checkpoint=options.checkpoint, progress=progress)
    labels, reference = said.labels, said.reference
    content = nib.Nifti1Image(labels.voxels, labels.affine).to_bytes()
    write_file(out, gzip.compress(content, mtime=0) if out.suffix == ".gz" else content)
    found = [int(label) for label in np.unique(labels.voxels) if label]
    say("ROUGH labels by transfer: the shapes are those of other patients; not a segmentation.")
    millilitres = {label: float((labels.voxels == label).sum() * np.prod(labels.spacing) / 1000) for label in found}
    names = {label: reference.organs.get(label, f"label {label}") for label in found}
    by = said.network.name if said.network else None
    if options.json:
        organs = [{"label": label, "name": names[label], "ml": round(millilitres[label], 2)} for label in found]
        print_json({"file": out, "reference": reference.name, "checkpoint": by, "rough": True, "organs": organs})
        return
    for label in found:
        print(f"{label}  {names[label]}  {millilitres[label]:.1f} ml")
    how = by or "registration, since no network fits"
    print(f"{out}: {len(found)} organs from {reference.name} by {how}, rough.")
