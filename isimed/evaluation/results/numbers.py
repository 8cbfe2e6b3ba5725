"""Numbers as people read them."""

from isimed.evaluation.results.result import Measured


def number(value: float | None) -> str:
    """Three digits, no exponent.

    >>> number(0.95061), number(12.345), number(230.4), number(None)
    ('0.951', '12.3', '230', '–')
    """
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) < 0.0005:
        return "0.000"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def with_interval(figure: Measured | None) -> str:
    """``0.951 (0.940 – 0.960)``."""
    if figure is None:
        return ""
    if figure.low is None:
        return number(figure.value)
    return f"{number(figure.value)} ({number(figure.low)} – {number(figure.high)})"
