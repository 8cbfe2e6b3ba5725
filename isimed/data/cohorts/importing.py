"""Importing: plan what becomes of every file, then write a manifest that refers to the scans in place."""

import hashlib
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.progress import Progress
from isimed.data.cohorts.cohort import LABELS, checked_name, refuse_other_source, register, write_manifest
from isimed.data.cohorts.corrections import Corrections
from isimed.data.cohorts.json_files import read_listing, read_object
from isimed.data.cohorts.layouts.claims import Channel
from isimed.data.cohorts.layouts.headers import shape_of
from isimed.data.cohorts.layouts.names import stem
from isimed.data.cohorts.layouts.recognise import recognise
from isimed.data.cohorts.merging import merge_structures
from isimed.data.cohorts.modality_of_voxels import doubt_modalities, guess_modalities
from isimed.data.cohorts.plan import IMAGE, LEFT_LABELS, SKIPPED, Plan, Planned
from isimed.data.cohorts.suspicions import alike
from isimed.data.formats.archive import unzip, unzip_inside
from isimed.data.formats.dicom_series import scan_folder
from isimed.data.formats.dispatch import format_of
from isimed.data.formats.reading import reason, refuse_missing
from isimed.data.formats.walk import walk_files

FORGOTTEN_S = 2 * 24 * 3600


def import_cohort(
    path: str | Path,
    *,
    name: str | None = None,
    layout: str = "auto",
    channel: Channel = None,
    series: Sequence[str] | None = None,
    corrections: Corrections | None = None,
    copy: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Make a cohort of a folder, a file or a zip; its files stay where they are (a zip is unpacked).

    Args:
        path: folder, zip, or one volume.
        name: of the cohort, by default the folder's.
        layout: ``auto`` or one of `layouts.LAYOUTS`.
        channel: which image of a case where it has several: a number, or a name such as ``flair``, ``CT``, ``SUV``.
        series: SeriesInstanceUIDs to take of a DICOM tree; all by default.
        corrections: what is known better than the files' names say.
        copy: copy the files into ISIMED_HOME.
        progress: called with (done, total) while headers are checked.

    Returns:
        The manifest, ``ISIMED_HOME/cohorts/<name>/dataset.json``. Its ``description`` says what was recognised, its
        ``import`` holds ``notices`` and the ``skipped`` files with their reasons.

    Raises:
        InputError: nothing there can be used, or the name is taken.
    """
    path = _given(path)
    if manifest := _taken_as_it_is(path, layout, corrections, channel, series):
        return _registered(manifest, name, copy=copy)
    refuse_other_source(checked_name(name if name is not None else name_from(path)), path)  # before the long work
    plan = plan_import(path, layout=layout, channel=channel, series=series, corrections=corrections, progress=progress)
    try:
        return write_plan(plan, name=name, copy=copy)
    finally:
        forget_plan(plan)


def plan_import(
    path: str | Path,
    *,
    layout: str = "auto",
    channel: Channel = None,
    series: Sequence[str] | None = None,
    corrections: Corrections | None = None,
    progress: Progress | None = None,
) -> Plan:
    """What `import_cohort` would take, as what, and what it would leave out; no cohort is written.

    A zip is unpacked below ``ISIMED_HOME/unpacked``; `write_plan` takes it from there, `forget_plan` deletes it.

    Raises:
        InputError: nothing there can be used.
    """
    path = _given(path)
    if isinstance(channel, str) and channel.isdecimal():
        channel = int(channel)
    root = _unpacked(path)
    try:
        plan = recognise(path, root, layout=layout, channel=channel)
        if series is not None:
            plan.items = [_if_chosen(item, set(series)) for item in plan.items]
        if corrections:
            plan = corrections.applied(plan)
        _leave_out_unreadable(plan, progress)
        if not plan.images:
            left = plan.left_out
            raise InputError(left[0].why if left else f"{path} holds no volumes to import: check the path.")
        if not corrections or not corrections.modality:
            doubt_modalities(plan)
        guess_modalities(plan)
        for names in alike(dict.fromkeys(item.patient for item in plan.images)):
            plan.notices.append(f"{' and '.join(names)} may be one patient: if so, give them one name.")
        plan.manifest = _taken_as_it_is(path, layout, corrections, channel, series)
    except BaseException:
        if root != path:
            shutil.rmtree(root, ignore_errors=True)
        raise
    return plan


def write_plan(plan: Plan, *, name: str | None = None, copy: bool = False) -> Path:
    """Write the manifest of a plan, as it was made or corrected.

    Raises:
        InputError: the name is taken, or the plan gives a label map no image or a file no patient.
    """
    if plan.manifest:
        return _registered(plan.manifest, name, copy=copy)
    name = checked_name(name if name is not None else name_from(plan.source))
    volumes = plan.volumes()
    if not volumes:
        raise InputError(f"{plan.source}: no file is taken as an image, so there is nothing to import.")
    refuse_other_source(name, plan.source)
    folder = paths.cohorts_dir() / name
    with _new_files(folder) as files:
        merge_structures(plan, volumes, files)
        if plan.root != plan.source:
            _move(plan.root, files / "unpacked", volumes)
        elif copy:
            _copy(volumes, files)
        return write_manifest(_manifest(plan, name, volumes, folder), folder=folder)


def forget_plan(plan: Plan) -> None:
    """Delete what a plan unpacked and no cohort took over."""
    if plan.root != plan.source:
        shutil.rmtree(plan.root, ignore_errors=True)


def own_manifest(path: Path) -> Path | None:
    """The ``dataset.json`` of isimed's own form that a path is or holds at its top.

    Raises:
        InputError: there is a ``dataset.json`` that cannot be read.
    """
    candidate = path if path.name == "dataset.json" else path / "dataset.json"
    try:
        return candidate if candidate.is_file() and "volumes" in read_listing(candidate) else None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        return None


def name_from(path: Path) -> str:
    """The name that a cohort gets from what it is made of."""
    name = stem(path) if path.is_file() else path.name
    return re.sub(r"[^\w. -]+", "-", name).strip(" .-")[:60] or "cohort"


def _given(path: str | Path) -> Path:
    path = Path(path).expanduser()
    refuse_missing(path)
    return path.absolute()


def _taken_as_it_is(
    path: Path, layout: str, corrections: Corrections | None, channel: Channel, series: Sequence[str] | None
) -> Path | None:
    """isimed's own manifest, where nothing is asked for that would change it.

    Raises:
        InputError: a channel is asked for, which the manifest says itself.
    """
    manifest = own_manifest(path) if layout == "auto" and not corrections and series is None else None
    if manifest and channel is not None:
        raise InputError(f"{manifest} says itself which `channel` each volume is: leave --channel out, or correct it.")
    return manifest


def _registered(manifest: Path, name: str | None, *, copy: bool) -> Path:
    """isimed's own manifest under its name, with copies of its files where they are asked for."""
    known = register(manifest, name=name)
    if not copy:
        return known
    folder, content = known.parent, read_object(known)
    for volume in content["volumes"]:
        volume |= {key: str(folder / volume[key]) for key in ("image", *LABELS) if volume.get(key)}
    with _new_files(folder) as files:
        _copy(content["volumes"], files)
        return write_manifest(content | {"volumes": _below(folder, content["volumes"])}, folder=folder)


@contextmanager
def _new_files(folder: Path) -> Iterator[Path]:
    """A folder for the files that a cohort's new manifest names; older ones go once that is written."""
    files = folder / f"files-{uuid.uuid4().hex[:8]}"
    files.mkdir(parents=True)
    try:
        yield files
    except BaseException:
        shutil.rmtree(files, ignore_errors=True)
        with suppress(OSError):  # it holds a manifest, or what another process writes
            folder.rmdir()
        raise
    for older in folder.glob("files-*"):
        if older != files or not any(files.iterdir()):
            shutil.rmtree(older, ignore_errors=True)


def _unpacked(path: Path) -> Path:
    """Where the scans of a path lie: the path itself, or the folder that its archive is unpacked to."""
    inside = _archives_alone(path)
    if not inside:
        return path
    status = path.stat()
    key = hashlib.sha256(f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode()).hexdigest()[:16]
    folder = paths.home() / "unpacked"
    folder.mkdir(parents=True, exist_ok=True)
    for older in folder.iterdir():  # of plans that nobody confirmed or discarded
        with suppress(OSError):  # another session discards its plan just now
            if time.time() - older.stat().st_mtime > FORGOTTEN_S:
                shutil.rmtree(older, ignore_errors=True)
    target = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=folder))
    try:
        for archive in inside:
            place = target if archive == path else target / archive.relative_to(path).with_suffix("")
            place.mkdir(parents=True, exist_ok=True)
            unzip(archive, place)
            unzip_inside(place)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _archives_alone(path: Path) -> list[Path]:
    """The zip that a path is, or the zips of a folder that holds nothing else to read."""
    if path.is_file():
        return [path] if path.name.lower().endswith(".zip") else []
    zips = []
    for file in walk_files(path):
        if file.name.lower().endswith(".zip"):
            zips.append(file)
        elif not file.name.lower().endswith((".txt", ".csv", ".json", ".md", ".pdf", ".xml", ".tsv")):
            return []
    return zips


def _if_chosen(item: Planned, series: set[str]) -> Planned:
    if item.series in series or not (item.role == IMAGE or (item.role in LABELS and item.series)):
        return item
    role = SKIPPED if item.role == IMAGE else LEFT_LABELS
    return replace(item, role=role, why="Not among the chosen series.")


def _leave_out_unreadable(plan: Plan, progress: Progress | None) -> None:
    """Check every header; what cannot be read is left out, with the label maps of such an image."""
    gone: set[str] = set()
    taken = [place for place, item in enumerate(plan.items) if item.role == IMAGE]
    taken += [place for place, item in enumerate(plan.items) if item.role in LABELS]
    for done, place in enumerate(taken):
        item = plan.items[place]
        try:
            if item.volume in gone:
                plan.items[place] = replace(item, role=LEFT_LABELS, why=f"Its image {item.volume} cannot be used.")
            elif not (item.path.is_dir() or item.series):
                plan.items[place] = _with_checked_header(item)
        except InputError as error:
            role = SKIPPED if item.role == IMAGE else LEFT_LABELS
            plan.items[place] = replace(item, role=role, why=str(error))
            gone |= {item.volume} if item.role == IMAGE else set()
        if progress:
            progress(done + 1, len(taken))


def _with_checked_header(item: Planned) -> Planned:
    shape, channel = shape_of(item.path), item.channel
    if item.role != IMAGE:
        if len(shape) > 3:
            raise InputError(
                f"{item.path} is a label map of {shape[3]} channels, one a structure or a time: make it one map "
                "of whole numbers."
            )
        return item
    if len(shape) == 3:
        return replace(item, channel=None)
    if channel is None:
        raise InputError(f"{item.path} has {shape[3]} channels: choose one with --channel 0 to {shape[3] - 1}.")
    if channel >= shape[3]:
        raise InputError(f"{item.path} has {shape[3]} channels: --channel must be 0 to {shape[3] - 1}.")
    return item


def _move(root: Path, target: Path, volumes: Sequence[dict[str, Any]]) -> None:
    """Take over what was unpacked."""
    shutil.move(root, target)
    for volume in volumes:
        for key in ("image", *LABELS, "warp"):
            if volume.get(key) and Path(volume[key]).is_relative_to(root):
                volume[key] = target / Path(volume[key]).relative_to(root)


def _copy(volumes: Sequence[dict[str, Any]], files: Path) -> None:
    try:
        for number, volume in enumerate(volumes):
            target = files / f"{number:05d}"
            target.mkdir()
            if volume.get("series"):
                chosen = next(s for s in scan_folder(Path(volume["image"])).series if s.uid == volume["series"])
                for index, file in enumerate(chosen.files):
                    shutil.copyfile(file, target / f"{index:05d}.dcm")
                volume["image"] = target
                continue
            for key in ("image", *LABELS):
                if volume.get(key) and not Path(volume[key]).is_relative_to(files):
                    source = Path(volume[key])
                    for file in format_of(source).files(source, None):  # a header's voxels come along
                        copied = target / key / file.relative_to(source.parent)
                        copied.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(file, copied)
                    volume[key] = target / key / source.name
    except OSError as error:
        raise InputError(
            f"{files} cannot be written ({reason(error)}): free space, or import without --copy."
        ) from None


def _manifest(plan: Plan, name: str, volumes: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    about = {"frame": None, **plan.about}
    if (start := about.get("start")) and start.get("volume") not in {volume["name"] for volume in volumes}:
        del about["start"]
    return {
        **about,
        "name": name,
        "description": plan.description(),
        "modality": plan.modality,
        "organs": plan.organs,
        "tumour": plan.tumour,
        "import": {
            "path": str(plan.source),
            "layout": ", ".join(plan.layouts),
            "notices": plan.notices,
            "skipped": [{"file": str(item.path), "reason": item.why} for item in plan.left_out],
        },
        "volumes": _below(folder, volumes),
    }


def _below(folder: Path, volumes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries with paths relative to their folder, where files lie in it."""
    entries = []
    for volume in volumes:
        files = {key: Path(volume[key]) for key in ("image", *LABELS, "warp") if volume.get(key)}
        inside = {key: file.relative_to(folder) if file.is_relative_to(folder) else file for key, file in files.items()}
        entries.append(volume | {key: str(file) for key, file in inside.items()})
    return entries
