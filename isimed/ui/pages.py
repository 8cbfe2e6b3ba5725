"""Where the pages' files are, for links from one page to another."""

from isimed.core import paths


def page_file(name: str) -> str:
    """The path of a page that ``st.switch_page`` and ``st.page_link`` understand from anywhere."""
    return str(paths.ROOT / "pages" / f"{name}.py")
