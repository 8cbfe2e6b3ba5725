"""The viewer's JavaScript and CSS, and the few lines that Streamlit is given to load them."""

import hashlib
from importlib.resources import files

from isimed.ui.voxel_server import FILES_PATH

FILES: dict[str, bytes] = {
    file.name: file.read_bytes()
    for file in sorted(files(__package__).joinpath("browser").iterdir(), key=lambda file: file.name)
    if file.name.endswith((".js", ".css"))
}
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
