"""docs/results.md is what its script makes of the JSON beside it: no figure in it is typed or stale."""

from docs.scripts import make_results, make_search


def test_the_document_is_made_of_the_stored_results() -> None:
    text = (make_results.DOCS / "results.md").read_text(encoding="utf-8")
    assert text == make_results.document()
    assert "{{" not in text


def test_the_stored_results_hold_no_more_than_the_document_needs() -> None:
    for file in make_results.result_files():
        assert file.read_text(encoding="utf-8") == make_results.slim(file), f"{file}: run make_results --slim"


def test_the_tables_of_the_search_are_those_of_its_json() -> None:
    before = make_search.PAGE.read_text(encoding="utf-8")
    assert make_search.document() == before
