"""Every run of the app: page set-up, navigation, and the page itself. Started by app.py."""

import streamlit as st

from isimed.core import paths
from isimed.ui import garbage, login, style
from isimed.ui.errors import show_error
from isimed.ui.pages import page_file

PAGES = {  # file and URL -> title, icon
    "home": ("Home", ":material/home:"),
    "volumes": ("Volumes", ":material/folder_open:"),
    "viewer": ("Viewer", ":material/view_in_ar:"),
    "embeddings": ("Embeddings", ":material/bubble_chart:"),
    "train": ("Train", ":material/model_training:"),
    "evaluate": ("Evaluate", ":material/monitoring:"),
    "compare": ("Compare", ":material/compare:"),
}


def pages() -> list[st.Page]:
    # Streamlit shows the first page at "/" alone and lets no other have its name; people write "/home" all the same.
    shown = [
        st.Page(page_file(name), title=title, icon=icon, url_path="start" if name == "home" else name,
                default=name == "home")
        for name, (title, icon) in PAGES.items()
    ]  # fmt: skip
    return [*shown, st.Page(_go_home, title=PAGES["home"][0], url_path="home", visibility="hidden")]


def _go_home() -> None:
    st.switch_page(page_file("home"))


# An icon of our own: for a Material one (also a page's) the browser would ask Google for the picture.
st.set_page_config(
    page_title="isimed",
    page_icon=str(paths.PACKAGE / "ui" / "icon.svg"),
    layout="wide",
    initial_sidebar_state=style.SIDEBAR,
)
style.put_on()
login.ask()
page = st.navigation(pages())
st.sidebar.caption(paths.RESEARCH_ONLY)
try:
    page.run()
except Exception as error:  # the one place where every error of a page ends
    show_error(error)
finally:
    garbage.settle()
