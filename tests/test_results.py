"""docs/results.md is what its script makes of the JSON beside it: no figure in it is typed or stale."""

from docs.scripts import make_results


def test_the_document_is_made_of_the_stored_results() -> None:
    text = (make_results.DOCS / "results.md").read_text(encoding="utf-8")
    assert text == make_results.document()
    assert "{{" not in text
