"""docs/results.md and its pages are what their script makes of stored JSON: no figure in them is typed or stale."""

from docs.scripts import make_results, make_search


def test_the_documents_are_made_of_the_stored_results() -> None:
    for page, text in make_results.documents().items():
        assert page.read_text(encoding="utf-8") == text, f"{page}: run make_results"
        assert "{{" not in text


def test_the_stored_results_hold_no_more_than_the_document_needs() -> None:
    for file in make_results.result_files():
        assert file.read_text(encoding="utf-8") == make_results.slim(file), f"{file}: run make_results --slim"


def test_the_tables_of_the_search_are_those_of_its_json() -> None:
    before = make_search.PAGE.read_text(encoding="utf-8")
    assert make_search.document() == before
