import gzip
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.applications import Starlette

from isimed.ui.slice_viewer import files, voxel_server
from isimed.ui.slice_viewer.voxel_server import VoxelRegistry
from tests.ui.asgi import ask


def get(path: str, **headers: str) -> SimpleNamespace:
    wanted = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(Starlette(routes=[*voxel_server.routes(), *files.routes()]), path, headers=wanted)


def test_a_published_array_comes_back_as_its_little_endian_bytes():
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4) - 5
    response = get("/" + voxel_server.publish(array, "scan", "me"))
    assert response.status_code == 200
    assert np.array_equal(np.frombuffer(response.content, "<i2"), array.ravel())


def test_voxels_stay_private():
    response = get("/" + voxel_server.publish(np.zeros(3, np.uint8), "scan", "me"))
    assert response.headers["cache-control"].startswith("private")
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["isimed/voxels/guess", "isimed/voxels/../../app.py", "isimed/viewer/x/secrets.js"])
def test_what_was_never_issued_is_not_found(path):
    assert get(f"/{path}").status_code == 404


def test_the_viewer_files_are_served():
    from isimed.ui.slice_viewer.files import DIGEST, FILES

    assert {"main.js", "geometry.js", "viewer.css"} <= set(FILES)
    response = get(f"/isimed/viewer/{DIGEST}/main.js")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_what_draws_in_3d_travels_compressed_to_those_who_can_read_that(accepted):
    from isimed.ui.slice_viewer.files import COMPRESSED, DIGEST

    response = get(f"/isimed/viewer/{DIGEST}/niivue.js", accept_encoding=accepted)
    assert response.status_code == 200
    compressed = response.headers.get("content-encoding") == "gzip"
    assert compressed == (accepted == "gzip")
    assert b"Niivue" in (gzip.decompress(response.content) if compressed else response.content)
    assert response.content == COMPRESSED["niivue.js"] or not compressed


def test_same_key_and_session_is_the_same_token_and_sessions_differ():
    registry, array = VoxelRegistry(), np.zeros(3, np.uint8)
    first = registry.publish(array, "scan", "me")
    assert registry.publish(array, "scan", "me") == first
    assert registry.publish(array, "scan", "you") != first
    assert registry.publish(array, "other", "me") != first
    assert len(first) >= 32


def test_the_least_recently_used_token_is_forgotten():
    registry = VoxelRegistry(max_entries=2)
    a, b = (registry.publish(np.zeros(3, np.uint8), key, "me") for key in "ab")
    assert registry.get(a) is not None
    c = registry.publish(np.zeros(3, np.uint8), "c", "me")
    assert registry.get(b) is None
    assert registry.get(a) is not None
    assert registry.get(c) is not None
    assert registry.publish(np.zeros(3, np.uint8), "b", "me") != b


def test_bytes_are_bounded_but_the_newest_array_is_kept():
    registry = VoxelRegistry(max_bytes=100)
    small = registry.publish(np.zeros(60, np.uint8), "small", "me")
    large = registry.publish(np.zeros(1000, np.uint8), "large", "me")
    assert registry.get(small) is None
    assert registry.get(large) is not None
    assert len(registry) == 1
