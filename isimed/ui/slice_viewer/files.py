"""The viewer's JavaScript and CSS, and the few lines that Streamlit is given to load them."""

import gzip
import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

FILES_PATH = "isimed/viewer"  # relative, so that the browser finds it behind any proxy

_FOLDER = files(__package__).joinpath("browser")
COMPRESSED = {"niivue.js": _FOLDER.joinpath("niivue", "niivue.js.gz").read_bytes()}  # three times as large otherwise
FILES: dict[str, bytes] = {
    file.name: file.read_bytes()
    for file in sorted(_FOLDER.iterdir(), key=lambda file: file.name)
    if file.name.endswith((".js", ".css"))
} | COMPRESSED
DIGEST = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:16]


def loader(module: str) -> str:
    """What Streamlit is given: a few lines that load one of the modules.

    Streamlit resends a component's inline JavaScript at every rerun, from a blob where relative imports do not
    work. So it gets only this; the modules come once, from the app's own route.
    """
    return f"""
export default async (component) => {{
  const url = new URL("{FILES_PATH}/{DIGEST}/{module}", document.baseURI);
  const viewer = await import(url.href);
  return viewer.mount(component);
}};
"""


def routes(base: str = "") -> list[Route]:
    """For ``st.App(routes=...)``: the viewer's JavaScript and CSS, below a base path such as "/lab"."""
    return [Route(f"{base}/{FILES_PATH}/{{digest}}/{{name}}", _viewer_file)]


async def _viewer_file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FILES:
        return PlainTextResponse("Not found.", status_code=404)
    media_type = "text/css" if name.endswith(".css") else "text/javascript"
    content, headers = FILES[name], {"Cache-Control": "private, max-age=86400"}
    if name in COMPRESSED and "gzip" in request.headers.get("accept-encoding", ""):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    elif name in COMPRESSED:
        content = gzip.decompress(content)
    return Response(content, media_type=media_type, headers=headers)
