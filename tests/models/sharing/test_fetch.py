"""A checkpoint comes from where the user says, whole and checked, or not at all."""

import functools
import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.explore.one_scan.profile import FILE
from isimed.models.card import Card
from isimed.models.checkpoint import load_checkpoint, save_checkpoint
from isimed.models.encoder import untrained_encoder
from isimed.models.sharing.fetch import get_checkpoint, look_up
from isimed.models.sharing.model_card import write_card
from isimed.models.sharing.origin import check_address
from isimed.models.sharing.sums import PROFILE, sum_of


class Quiet(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/elsewhere/"):  # as hubs do with what is large
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1" + self.path)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offered") / "thorax"
    save_checkpoint(folder, untrained_encoder(), Card(name="thorax", method="isimed", licence="CC BY 4.0"), half=True)
    write_card(folder)
    return folder


@pytest.fixture
def offered(made: Path, tmp_path: Path) -> Path:
    """The folder that holds it, which a test may spoil."""
    folder = tmp_path / "hub" / "thorax"
    folder.mkdir(parents=True)
    for file in made.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def address(offered: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(offered.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def files_of(home: Path) -> set[str]:
    return {file.name for file in (home / "checkpoints").rglob("*")} if (home / "checkpoints").exists() else set()


def test_a_checkpoint_comes_from_an_address_and_is_used_by_its_name(
    address: str, offered: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (offered / "setup.py").write_text("raise SystemExit")
    (offered / "weights.pt").write_bytes(pickle.dumps(1))
    assert main(["checkpoints", "get", "thorax", "--from", address, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "CC BY 4.0" in said
    assert f"{(offered / 'weights.safetensors').stat().st_size / 1e6:.1f} MB" in said
    assert not files_of(home)
    assert main(["checkpoints", "get", "thorax", "--from", address]) == 0
    assert files_of(home) == {"thorax", "checkpoint.json", "weights.safetensors", "README.md"}
    assert load_checkpoint("thorax").folder == home / "checkpoints" / "thorax"
    capsys.readouterr()
    assert main(["checkpoints", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["thorax"]["licence"] == "CC BY 4.0"
    assert get_checkpoint("thorax", address) == home / "checkpoints" / "thorax"  # what is here is left alone


@pytest.mark.parametrize("below", [True, False])
def test_a_folder_is_named_itself_or_by_what_holds_it(offered: Path, home: Path, *, below: bool) -> None:
    source = offered if below else offered.parent
    assert get_checkpoint("thorax", str(source)) == home / "checkpoints" / "thorax"
    assert look_up("thorax", offered.as_uri()).card.name == "thorax"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://[abc", "neither a folder nor an address"),
        ("ftp://hub.example/lab", "is not safe"),
        ("a\0b", "cannot be read"),
        ("x" * 400, "cannot be read"),
    ],
)
def test_a_source_that_is_none_is_one_sentence(source: str, said: str, home: Path) -> None:
    with pytest.raises(InputError, match=said) as error:
        get_checkpoint("thorax", source)
    assert len(str(error.value)) < 400
    assert not files_of(home)


def test_a_checkpoint_that_may_not_be_read_is_one_sentence(offered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"checkpoint\.json cannot be read \(Permission denied\): check the path"):
        look_up("thorax", str(offered))


@pytest.mark.parametrize("spoiled", ["checkpoint.json", "weights.safetensors"])
def test_what_was_changed_on_its_way_is_refused_and_leaves_nothing(
    address: str, offered: Path, home: Path, spoiled: str
) -> None:
    content = bytearray((offered / spoiled).read_bytes())
    content[-2] ^= 1
    (offered / spoiled).write_bytes(content)
    with pytest.raises(InputError, match="changed or damaged"):
        get_checkpoint("thorax", address)
    assert not files_of(home)


def test_a_pickle_under_the_name_of_safetensors_is_refused(offered: Path, home: Path) -> None:
    (offered / "weights.safetensors").write_bytes(pickle.dumps({"weight": np.ones(3)}))
    write_card(offered)  # its own list of checksums says that all is well
    with pytest.raises(InputError, match="damaged"):
        get_checkpoint("thorax", str(offered))
    save_file({"other": np.ones(3, np.float32)}, offered / "weights.safetensors")
    write_card(offered)
    with pytest.raises(InputError, match="different network"):
        get_checkpoint("thorax", str(offered))
    assert not files_of(home)


def test_a_checksum_is_needed_from_the_source_or_the_user(offered: Path, home: Path) -> None:
    (offered / "SHA256SUMS").unlink()
    with pytest.raises(InputError, match="--sha256"):
        get_checkpoint("thorax", str(offered))
    with pytest.raises(InputError, match="64 hexadecimal"):
        get_checkpoint("thorax", str(offered), sha256="12")
    with pytest.raises(InputError, match="changed or damaged"):
        get_checkpoint("thorax", str(offered), sha256="0" * 64)
    assert get_checkpoint("thorax", str(offered), sha256=sum_of(offered / "weights.safetensors")).is_dir()


def test_another_one_of_its_name_is_never_replaced(offered: Path, home: Path) -> None:
    mine = save_checkpoint(
        home / "checkpoints" / "thorax", untrained_encoder(seed=1), Card(name="thorax", method="isimed"), half=True
    )
    with pytest.raises(InputError, match="Another checkpoint thorax is in"):
        get_checkpoint("thorax", str(offered))
    assert not (mine / "README.md").exists()


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("../thorax", "HUB", "no checkpoint's name"),
        (".thorax", "HUB", "no checkpoint's name"),
        ("abdomen", "HUB", "has no checkpoint abdomen"),
        ("thorax", "/does/not/exist", "has no checkpoint thorax"),
        ("thorax", "http://192.0.2.1/hub", "is not safe"),
        ("thorax", "ftp://127.0.0.1/hub", "is not safe"),
        ("thorax", "ADDRESS/elsewhere", "is not safe"),
        ("thorax", "http://127.0.0.1:1", "cannot be fetched"),
    ],
)
def test_a_wrong_source_is_one_sentence(
    name: str, source: str, said: str, address: str, offered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source.replace("HUB", str(offered.parent)).replace("ADDRESS", address)
    assert main(["checkpoints", "get", name, "--from", source]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_an_address_is_https_or_this_machine() -> None:
    for safe in ("https://hub.example/a", "http://localhost:80/a", "http://[::1]/a", "http://127.0.0.1:8/a"):
        check_address(safe)
    for unsafe in ("http://hub.example/a", "http://127.0.0.1.example/a", "http://localhost@hub.example/"):
        with pytest.raises(InputError):
            check_address(unsafe)


def test_the_profile_is_passed_on_under_its_name() -> None:
    assert PROFILE == FILE
