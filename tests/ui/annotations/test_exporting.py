"""Exported points are where the scan's own software would put them."""

import csv
import io
import json
import zipfile

import nibabel as nib
import numpy as np
import pytest

from isimed.data.formats.volume import read_volume
from isimed.ui.annotations.exporting import as_csv, as_fcsv, as_markups, as_slicer_zip, measurements_as_csv
from isimed.ui.annotations.things import Measurement, NamedPoint, Place

POINT = NamedPoint(
    "parotid, left",
    "small",
    Place("A", (-10.5, 20.25, 0.0)),
    (Place("B", (1.0, 2.0, 3.0), "found", 4.5, 6.0),),
)


def fcsv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(line for line in io.StringIO(text) if not line.startswith("#")))


def test_csv_has_a_row_a_place_in_scanner_mm():
    rows = list(csv.DictReader(io.StringIO(as_csv([POINT]))))
    assert [(row["name"], row["role"], row["volume"]) for row in rows] == [
        ("parotid, left", "clicked", "A"),
        ("parotid, left", "found", "B"),
    ]
    assert [float(rows[0][axis]) for axis in ("x_mm", "y_mm", "z_mm")] == [-10.5, 20.25, 0.0]
    assert (rows[0]["latent_distance"], rows[1]["latent_distance"]) == ("", "4.50")


def test_slicer_files_say_lps_and_are():
    named = [(POINT.name, POINT.clicked.mm)]
    text = as_fcsv(named)
    assert "# CoordinateSystem = LPS\n" in text
    row = fcsv_rows(text)[0]
    assert row[11] == "parotid, left"
    assert [float(v) for v in row[1:4]] == [10.5, -20.25, 0.0]
    markup = json.loads(as_markups(named))["markups"][0]
    assert (markup["coordinateSystem"], markup["type"]) == ("LPS", "Fiducial")
    assert markup["controlPoints"][0]["position"] == [10.5, -20.25, 0.0]
    assert "-0.0" not in as_markups(named)


def test_the_zip_holds_a_file_a_volume_and_format():
    with zipfile.ZipFile(io.BytesIO(as_slicer_zip([POINT, POINT]))) as archive:
        assert sorted(archive.namelist()) == ["A.fcsv", "A.mrk.json", "B.fcsv", "B.mrk.json"]
        assert len(fcsv_rows(archive.read("B.fcsv").decode())) == 2


@pytest.mark.parametrize("axes", ["RAS", "LPI", "PSR"])
def test_simpleitk_finds_the_marked_voxel_at_the_exported_place(tmp_path, axes):
    """The bright voxel of an oblique scan: SimpleITK's physical point of it is what stands in the file."""
    sitk = pytest.importorskip("SimpleITK")
    voxels = np.zeros((9, 10, 11), np.float32)
    voxels[2, 7, 4] = 1
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes))
    c, s = np.cos(0.2), np.sin(0.2)
    affine = np.array([[c, -s, 0, -7.0], [s, c, 0, 12.0], [0, 0, 1, 3.0], [0, 0, 0, 1]]) @ np.diag([2, 1.5, 4, 1])
    image = nib.Nifti1Image(voxels, affine).as_reoriented(turn)
    image.to_filename(tmp_path / "scan.nii.gz")

    volume = read_volume(tmp_path / "scan.nii.gz")
    mm = volume.to_mm(np.argwhere(volume.voxels)[0])
    exported = [float(v) for v in fcsv_rows(as_fcsv([("bright", tuple(mm))]))[0][1:4]]

    itk = sitk.ReadImage(str(tmp_path / "scan.nii.gz"))
    z, y, x = np.argwhere(sitk.GetArrayFromImage(itk))[0]
    assert exported == pytest.approx(itk.TransformIndexToPhysicalPoint((int(x), int(y), int(z))), abs=2e-3)


def test_measurements_say_their_unit_and_slicer_gets_the_distances_as_lines():
    ends = ((0.0, 0.0, 0.0), (3.0, 4.0, 0.0))
    distance = Measurement("=d", "A", "distance", "axial", ends)
    circle = Measurement("c", "A", "circle", "axial", ends, 41.25, 6.5, 30, "HU")
    rows = list(csv.DictReader(io.StringIO(measurements_as_csv([distance, circle]))))
    assert [row["length_mm"] for row in rows] == ["5.000", "5.000"]
    assert (rows[0]["name"], rows[0]["area_mm2"], rows[0]["mean"]) == ("'=d", "", "")
    assert float(rows[1]["area_mm2"]) == pytest.approx(25 * np.pi, abs=0.01)
    assert (rows[1]["mean"], rows[1]["sd"], rows[1]["unit"], rows[1]["voxels"]) == ("41.2500", "6.5000", "HU", "30")
    with zipfile.ZipFile(io.BytesIO(as_slicer_zip([], [distance, circle]))) as archive:
        assert archive.namelist() == ["A.mrk.json"]
        (line,) = json.loads(archive.read("A.mrk.json"))["markups"]
    assert line["type"] == "Line"
    assert [control["position"] for control in line["controlPoints"]] == [[0.0, 0.0, 0.0], [-3.0, -4.0, 0.0]]
