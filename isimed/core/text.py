"""Names, descriptions, paths, errors and labels are text, never markup: what a file says must not change a page.

They come from whoever made the file. Whatever shows one as part of marked-up text passes it through here.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

JOINER = "\u2060"  # has no width; it breaks what is looked for in text even behind a backslash
_REPLACED = re.compile(  # by emoji, icons, links and arrows
    r":(?=[\w+-]+:|material[/_]|//)|(?<=www)(?=\.)|(?<=\S)@(?=\S)|(?<!\S)(?:<-?|[->~])(?=[->=]>?(?!\S))", re.IGNORECASE
)
_MARKUP = re.compile(r"[\\`*\[\]<>~$&|{}#]|(?<!\w)_|_(?!\w)|:(?=[^\W\d])|^[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_TURNING = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}  # would turn the words around them
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: object) -> str:
    r"""Text as Streamlit's Markdown shows it letter for letter, on one line.

    >>> plain("![x](http://host/y.png) **b**").replace(JOINER, "")
    '!\\[x\\](http://host/y.png) \\*\\*b\\*\\*'
    """
    words = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in str(text)).split())
    words = "".join("\ufffd" if letter in _TURNING else letter for letter in words)
    return _MARKUP.sub(r"\\\g<0>", _REPLACED.sub(rf"\g<0>{JOINER}", words))


def plain_html(text: object) -> str:
    """Text as HTML and as plotly's titles, labels and hovers show it letter for letter.

    >>> plain_html("<b>1 & 2</b>")
    '&lt;b&gt;1 &amp; 2&lt;/b&gt;'
    """
    return html.escape(str(text), quote=True)


def plain_cell(text: object) -> str:
    """Text as a table's cell, where a spreadsheet would take it for a formula otherwise; not for numbers.

    >>> plain_cell("=HYPERLINK(A1)"), plain_cell("scan 1")
    ("'=HYPERLINK(A1)", 'scan 1')
    """
    words = str(text)
    return f"'{words}" if words.startswith(_FORMULA) else words


def first_names(names: Sequence[str], *, most: int = 5) -> str:
    """The first of some names, for a sentence that says how many there are.

    >>> first_names(["P1", "P2"]), first_names(["P1", "P2", "P3"], most=2)
    ('P1, P2', 'P1, P2 and others')
    """
    return ", ".join(names[:most]) + (" and others" if len(names) > most else "")
