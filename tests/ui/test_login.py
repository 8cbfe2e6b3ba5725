"""Where the server's secrets name an identity provider, no page is shown before the login, and no token given out."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import REPOSITORY

MAIN = REPOSITORY / "isimed" / "ui" / "main.py"
AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "x",
    "client_id": "isimed",
    "client_secret": "y",
    "server_metadata_url": "https://login.example/.well-known/openid-configuration",
}


def test_nothing_is_shown_before_the_login(home: Path) -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.secrets["auth"] = AUTH
    app.run()
    assert not app.exception
    assert [button.label for button in app.button] == ["Log in"]
    assert "Research use only" in app.markdown[0].value
    assert not app.sidebar.selectbox
    assert not (home / "cohorts").exists()  # no page ran


def test_without_a_provider_nobody_is_asked(home: Path) -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not app.exception
    assert "Log in" not in [button.label for button in app.button]


def test_who_has_logged_in_sees_the_pages(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from isimed.ui import login

    monkeypatch.setattr(login.st, "user", {"is_logged_in": True})
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.secrets["auth"] = AUTH
    app.run()
    assert not app.exception
    assert "Log in" not in [button.label for button in app.button]
