"""What several pages share: which cohort, which checkpoint, and their embedding table.

Opened things are cached by fingerprint, never by hashing voxels.
"""

import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import streamlit as st

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.text import plain
from isimed.data.cohorts.cohort import Cohort, Entry, cohort_names, find_manifest
from isimed.data.demo.virtual_patients import KINDS, make_demo
from isimed.data.formats.volume import Volume
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.coarsen import COARSER, coarsen
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.data.prepared.source import source_stamp
from isimed.explore.one_scan.choose import fitting_checkpoints
from isimed.explore.one_scan.describe import described
from isimed.explore.tables.cost import cost_of
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.ready_made import bring_embedded
from isimed.explore.tables.store import (
    Table,
    TableInfo,
    mark_unknown,
    open_table,
    table_folder,
    table_info,
    volume_file,
)
from isimed.models.card import UNTRAINED, find_checkpoint
from isimed.models.checkpoint import Checkpoint
from isimed.training.runs.folder import Run
from isimed.ui import background, link, long_work
from isimed.ui.described import before_choosing

FIRST, DEMO, CHEST = "demo-flair", "demo-brain", "demo-ct"
_shown = threading.Event()
BY_ITSELF = "checkpoint_by_itself"
CURSOR, FRESH = "cursor", "fresh_cohort"  # the clicked volume and place; that the viewer did not show this cohort yet
AFTER_FIRST_VIEW = 5.0  # seconds, about what a browser takes to fetch and draw it


def choose_cohort() -> Cohort:
    """The cohort chosen in the sidebar; where there is none, the real brains that came with isimed are brought."""
    if not cohort_names():
        bring_embedded(FIRST)
    names = cohort_names()
    wanted = (link.wished("cohort", st.session_state.get("cohort")), FIRST, DEMO, names[0])
    name = next(name for name in wanted if name in names)
    st.session_state["cohort"] = name
    sidebar_choice("Cohort", names, name, open_cohort, help="Add cohorts on the Volumes page.")
    link.write(cohort=name)
    cohort = load_cohort(name)
    if cohort.synthetic:
        st.sidebar.caption("Synthetic patients.", help=plain(cohort.description))
    if cohort.credit:
        st.sidebar.caption(f"Scans: {plain(cohort.credit)}.", help=plain(cohort.description))
    return cohort


def sidebar_choice(
    label: str, names: list[str], name: str, chosen: Callable[[str], None], *, help: str | None = None
) -> None:
    """A list in the sidebar that shows ``name``; what a person chooses instead is told before the page runs.

    Streamlit takes a list whose start changed for another one and forgets what was just chosen in it: the second of
    two choices in a row would be lost. So the list keeps its key, and its value is set.
    """
    key = f"choice-{label}"
    st.session_state[key] = name
    st.sidebar.selectbox(label, names, key=key, help=help, on_change=lambda: chosen(st.session_state[key]))


def start_fresh() -> None:
    """Another cohort is shown: its scans may bear the same names, but nothing was clicked or laid over them yet."""
    st.session_state[CURSOR] = {"volume": "", "mm": None}
    st.session_state[FRESH] = True


def open_cohort(name: str) -> None:
    """Open a cohort; another one than before starts fresh."""
    if st.session_state.get("cohort", name) != name:
        start_fresh()
    st.session_state["cohort"] = name


def make_demo_with_progress(kind: str) -> None:
    """Make the virtual patients of a kind, with a bar on the page."""
    find_checkpoint(kind)
    patients = KINDS[kind].patients
    first = "Fetching the chest CT (35 MB, once), then making" if kind == CHEST else "Making"
    bar = st.progress(0.0, f"{first} {patients} synthetic patients for the demo (once, about a minute)…")

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Making synthetic patients: {done} of {total}…")

    make_demo(paths.cohorts_dir() / kind, kind=kind, progress=progress)
    bar.empty()


def load_cohort(name: str) -> Cohort:
    path = find_manifest(name)
    return _load_cohort(str(path), path.stat().st_mtime_ns)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load_cohort(path: str, changed: int) -> Cohort:
    return Cohort.load(path)


def checkpoint_choices(cohort: Cohort) -> list[str]:
    """Shipped checkpoints that fit, then runs that left one, then the untrained baseline."""
    said = described(cohort, cohort.volumes[0]) if cohort.volumes and not cohort.synthetic else None
    runs = [run.id for run in Run.all() if (run.best / "checkpoint.json").is_file()]
    return [*fitting_checkpoints(cohort, said.fits if said else ()), *runs, UNTRAINED]


def choose_checkpoint(cohort: Cohort, meanwhile: Callable[[Entry], object] | None = None) -> Checkpoint:
    """The checkpoint chosen in the sidebar, by default the best that fits the cohort.

    What was chosen by itself for one cohort is no wish for the next.

    Args:
        meanwhile: shows something of a scan while it is found out which network fits it.
    """
    preferred = link.wished("checkpoint", st.session_state.get("checkpoint"))
    of, name = st.session_state.get(BY_ITSELF, ("", ""))
    if preferred == name and of != cohort.name:
        preferred = None
    if preferred is None:
        before_choosing(cohort, meanwhile)
    names = checkpoint_choices(cohort)
    name = preferred if preferred in names else names[0]
    if preferred not in names:
        st.session_state[BY_ITSELF] = (cohort.name, name)
    st.session_state["checkpoint"] = name
    sidebar_choice("Checkpoint", names, name, _checkpoint_chosen, help="What the network was trained with.")
    link.write(checkpoint=name)
    return checkpoint(cohort, name)


def _checkpoint_chosen(name: str) -> None:
    st.session_state["checkpoint"] = name


def checkpoint(cohort: Cohort, name: str) -> Checkpoint:
    """A checkpoint by name, loaded once; the untrained one is prepared like the best that fits."""
    like = checkpoint_choices(cohort)[0] if name == UNTRAINED else name
    folder = None if like == UNTRAINED else find_checkpoint(like)
    changed = (folder / "weights.safetensors").stat().st_mtime_ns if folder else 0
    return _load_checkpoint(name, None if like == name else like, changed, cohort.fingerprint, cohort)


@st.cache_resource(max_entries=6, show_spinner=False)
def _load_checkpoint(name: str, like: str | None, changed: int, fingerprint: str, _cohort: Cohort) -> Checkpoint:
    pattern = checkpoint_for(like, _cohort, lazily=True) if like else None
    chosen = checkpoint_for(name, _cohort, like=pattern, lazily=True)
    timer = threading.Timer(AFTER_FIRST_VIEW, _read_network, [chosen])
    timer.daemon = True
    timer.name = "isimed: network"
    timer.start()
    return chosen


def _read_network(checkpoint: Checkpoint) -> None:
    """Import torch and read the weights behind the first view: it needs neither, the next click does."""
    with suppress(InputError):  # said on the page, where the network is needed
        checkpoint.backbone  # noqa: B018
    _shown.set()


def wait_for_first_view() -> None:
    """For work behind the page: wait until the first view stands, which needs all there is of the machine."""
    _shown.wait(AFTER_FIRST_VIEW + 1)


@st.cache_resource(max_entries=12, show_spinner="Reading the scan…")
def _read(path: str, changed: int, volume_id: str, _cohort: Cohort) -> Volume:
    return coarsen(_cohort.read(_cohort.entry(volume_id)))


def scan(cohort: Cohort, volume_id: str) -> Volume:
    """A scan at its own resolution, or the finest that a browser takes at once; kept between reruns."""
    path = cohort.path(cohort.entry(volume_id).image)
    if not path.exists():
        raise InputError(f"{path} does not exist any more: check the cohort on the Volumes page.")
    volume = _read(str(path), path.stat().st_mtime_ns, volume_id, cohort)
    for note in volume.notes:
        if getattr(note, "kind", "") == COARSER:
            st.sidebar.caption(plain(f"{volume_id}: {note}"))
    return volume


def prepared_scan(cohort: Cohort, volume_id: str, preparation: Preparation) -> Prepared:
    """A prepared volume, memory-mapped and kept open: a click looks into twenty of them."""
    stamp = source_stamp(cohort, cohort.entry(volume_id))
    return _open_prepared(stamp, preparation.model_dump_json(), volume_id, cohort, preparation)


@st.cache_resource(max_entries=64, show_spinner=False)  # each keeps some files open
def _open_prepared(stamp: str, how: str, volume_id: str, _cohort: Cohort, _preparation: Preparation) -> Prepared:
    return prepared(_cohort, _cohort.entry(volume_id), _preparation)


def table(
    cohort: Cohort, checkpoint: Checkpoint, *, step_mm: float | None = None, partial: bool = False
) -> Table | None:
    """The embedding table; while it is being made a progress bar stands on the page.

    Args:
        partial: return the volumes that are embedded already, and run the page again when there are more.

    Returns:
        None while there is nothing to show: before the user has agreed to a long embedding, and during it.
    """
    info = table_info(cohort, checkpoint, step_mm)
    there = [entry.id for entry in cohort.volumes if volume_file(info, entry.id).is_file()]
    if len(there) < len(cohort.volumes):
        key = f"embed-{info.model_dump_json()}"
        missing = [entry for entry in cohort.volumes if entry.id not in there]
        with st.sidebar if partial and there else nullcontext():  # beside what can be seen already
            if _may_embed(key, cohort, checkpoint, step_mm, missing=missing):
                background.start(
                    key, lambda progress, say: embed_cohort(cohort, checkpoint, step_mm=step_mm, progress=progress)
                )
                _show_embedding(key, info, tuple(there) if partial else None)
        if not (partial and there):
            return None
    mark_unknown(info, cohort.volumes)
    changed = max(volume_file(info, volume).stat().st_mtime_ns for volume in there)
    return _open_table(info.model_dump_json(), tuple(there), changed)


def table_of_volumes(info: TableInfo, volumes: tuple[str, ...]) -> Table | None:
    """Some volumes of a table; None where one of them is not embedded yet."""
    files = [volume_file(info, volume) for volume in volumes]
    if not all(file.is_file() for file in files):
        return None
    return _open_table(info.model_dump_json(), volumes, max(file.stat().st_mtime_ns for file in files))


@st.cache_resource(max_entries=6, show_spinner="Opening the embedding table…")
def _open_table(info: str, volumes: tuple[str, ...], changed: int) -> Table:
    return open_table(TableInfo.model_validate_json(info), volumes)


def _may_embed(
    key: str, cohort: Cohort, checkpoint: Checkpoint, step_mm: float | None, *, missing: list[Entry]
) -> bool:
    if background.of(key) is not None:
        return True
    with st.spinner("Seeing how long it takes to embed the scans…"):
        cost = cost_of(cohort, checkpoint, missing, step_mm=step_mm)
    scans = f"{len(missing)} of {len(cohort.volumes)} scans" if len(missing) < len(cohort.volumes) else "The scans"
    what = f"{scans} are not embedded with {checkpoint.name} yet, {cost.crops:,} crops"
    return long_work.may_begin(key, cost.seconds, what, "Embed")


@st.fragment(run_every=1.0)
def _show_embedding(key: str, info: TableInfo, shown: tuple[str, ...] | None) -> None:
    work = background.of(key)
    more = shown is not None and len(list(table_folder(info).glob("*.parquet"))) > len(shown)
    if work is None or more or (work.finished.is_set() and not work.error):
        if work is not None and work.finished.is_set():
            background.forget(key)
        st.rerun()
    else:
        background.show(key, work, f"Embedding the cohort, once: {work.done} of {work.total or '…'} crops.")


def demo_warps(cohort: Cohort) -> dict | None:
    """The known warps of a synthetic cohort, subject -> Warp, or None for real patients."""
    if not cohort.synthetic or not all(getattr(entry, "warp", None) for entry in cohort.volumes):
        return None
    return _load_warps(str(cohort.root), cohort.fingerprint)


@st.cache_resource(max_entries=2, show_spinner=False)
def _load_warps(root: str, fingerprint: str) -> dict:
    from isimed.data.demo.warp import load_warps

    return load_warps(Path(root))
