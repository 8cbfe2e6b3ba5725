"""Who is answered, and what every answer allows a page."""

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from streamlit import config

from isimed.ui import link, server
from tests.ui.asgi import ask


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv(server.HOSTS, "scans.hospital.org, 10.0.0.7")

    async def echo(websocket):
        await websocket.accept()
        await websocket.close()

    routes = [Route("/", lambda request: PlainTextResponse("voxels")), WebSocketRoute("/stream", echo)]
    return Starlette(routes=routes, middleware=server.middleware())


@pytest.mark.parametrize(
    "host", ["localhost:8501", "127.0.0.1", "[::1]:8501", "LOCALHOST", "scans.hospital.org:443", "10.0.0.7"]
)
def test_known_hosts_are_answered(app, host):
    assert ask(app, "/", host=host).content == b"voxels"


@pytest.mark.parametrize(
    "host", ["evil.example:8501", "localhost.evil.example", "192.168.1.9", "", "[", "a@evil.example"]
)
def test_a_name_that_was_not_told_gets_nothing_but_the_remedy(app, host):
    answer = ask(app, "/", host=host)
    assert answer.status_code == 421
    assert b"voxels" not in answer.content
    assert server.HOSTS.encode() in answer.content


def test_the_wire_of_the_app_is_closed_to_unknown_names(app):
    assert ask(app, "/stream", kind="websocket").type == "websocket.accept"
    assert ask(app, "/stream", kind="websocket", host="evil.example").type == "websocket.close"


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_allows_this_server_alone(app, host):
    policy = ask(app, "/", host=host).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'self'"
    foreign = {source for rule in rules.values() for source in rule.split() if not source.startswith("'")}
    assert foreign == {"data:", "blob:"}
    assert "data:" not in rules["script-src"]


def test_the_address_that_streamlit_listens_on_is_known(monkeypatch):
    monkeypatch.setattr(config, "get_option", {"server.address": "10.1.2.3", "browser.serverAddress": "Lab.org"}.get)
    assert {"localhost", "10.1.2.3", "lab.org"} <= set(server.known_hosts())


def test_routes_stand_below_the_base_url(monkeypatch):
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": "/lab/isimed/"}.get)
    assert {route.path.split("/{")[0] for route in server.routes()} == {
        "/lab/isimed/isimed/voxels",
        "/lab/isimed/isimed/viewer",
    }


def test_a_page_learns_where_its_server_is():
    page = "<!DOCTYPE html><html><head><title>x</title></head></html>"

    async def app(scope, receive, send):
        assert b"accept-encoding" not in dict(scope["headers"])
        await HTMLResponse(page)(scope, receive, send)

    accepts = {"accept": "text/html,*/*", "accept-encoding": "gzip"}
    answer = ask(server.KnownBase(app), "/viewer", headers=accepts)
    assert answer.content == page.encode().replace(b"<head>", b"<head>" + server.BASE_SCRIPT + link.SCRIPT)
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_what_is_no_page_is_left_as_it_is():
    async def app(scope, receive, send):
        assert b"accept-encoding" in dict(scope["headers"])
        await PlainTextResponse("<head>")(scope, receive, send)

    accepts = {"accept": "*/*", "accept-encoding": "gzip"}
    assert ask(server.KnownBase(app), "/isimed/voxels/x", headers=accepts).content == b"<head>"
