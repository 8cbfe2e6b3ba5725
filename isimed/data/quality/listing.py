"""A cohort's volumes as their headers say, at once: what stands in the list while voxels are measured behind it."""

import nibabel as nib
import numpy as np

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort, Entry
from isimed.data.cohorts.layouts.headers import shape_of
from isimed.data.formats.dispatch import format_of
from isimed.data.quality.facts import Facts
from isimed.data.quality.label_facts import three


def listed(cohort: Cohort, entry: Entry) -> Facts:
    """Shape, spacing (mm) and axes of a volume without reading a voxel, in R A S order as `measure` gives them.

    A DICOM series says them in all its slices only: there, as where a header cannot be read, they stay empty.
    """
    known = Facts(id=entry.id, subject=entry.subject)
    path = cohort.path(entry.image)
    try:
        affine = format_of(path).affine(path)
        if affine is None:
            return known
        orientation = nib.orientations.io_orientation(affine)
        order = np.argsort(orientation[:, 0])  # the file's axis of each of R A S
        shape = np.array(shape_of(path)[:3])[order]
        spacing = np.linalg.norm(affine[:3, :3], axis=0)[order]
    except (InputError, OSError, ValueError):
        return known
    x, y, z = shape.tolist()
    return known.model_copy(
        update={
            "shape": (x, y, z),
            "spacing_mm": three(spacing),
            "file_axes": "".join(nib.orientations.aff2axcodes(affine)),
            "field_of_view_mm": three(spacing * shape),
        }
    )
