"""Draws curves over the steps of a run as SVG; the colours are those of the page's style."""

import math
from collections.abc import Callable, Mapping, Sequence

from assay.reference_tasks.run_page.elements import Element, element
from assay.reference_tasks.run_page.event_files import Curve

_WIDTH, _HEIGHT = 380, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 34, 24
_TICKS = 4
_NICE = (1, 2, 2.5, 5, 10)
_MOST_MARKED = 40  # with more points, marks would hide the line

_Scale = Callable[[float], float]  # from a value to a coordinate


def line_chart(title: str, curves: Mapping[str, Curve]) -> Element:
    """Draw curves over one another.

    Args:
        title: What the values are.
        curves: The curves by what they are of, `train` or `validation`; values that are not finite leave a gap.

    Returns:
        An `svg` element. Lines and marks have the classes `curve-train` and `curve-validation`.
    """
    ordinates = [value for curve in curves.values() for value in curve.values if math.isfinite(value)]
    abscissas = [step for curve in curves.values() for step in curve.steps]
    y_ticks = ticks(min(ordinates, default=0.0), max(ordinates, default=1.0))
    x_ticks = ticks(0, max(abscissas, default=1))
    x_end = max(abscissas, default=1)

    def x_of(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(x_end, 1)

    def y_of(value: float) -> float:
        share = (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    parts = [element("text", title, class_="title", x=0, y=14)]
    parts += _legend(list(curves))
    for tick in y_ticks:
        parts.append(element("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y_of(tick), y2=y_of(tick)))
        parts.append(element("text", _short(tick), class_="tick", x=_LEFT - 6, y=y_of(tick) + 4, text_anchor="end"))
    for tick in x_ticks:
        if tick <= x_end:
            anchor = "end" if x_of(tick) > _WIDTH - _RIGHT - 20 else "middle"
            place = {"x": x_of(tick), "y": _HEIGHT - 6, "text_anchor": anchor}
            parts.append(element("text", f"{tick:,.0f}", class_="tick", **place))
    for name, curve in curves.items():
        parts += _drawn(curve, f"curve-{name}", name, x_of, y_of)
    told = "; ".join(f"{name}: {_short(curve.last)} at step {curve.steps[-1]:,}" for name, curve in curves.items())
    return element("svg", *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=f"{title}. {told}")


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers at equal distances, the first at or below `low` and the last at or above `high`."""
    if not high > low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    distance = next(nice * magnitude for nice in _NICE if nice * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / distance + 1e-9), math.ceil(high / distance - 1e-9)
    return [number * distance for number in range(first, last + 1)]


def _legend(names: Sequence[str]) -> list[Element]:
    parts, x = [], _WIDTH - _RIGHT
    for name in reversed(names):
        parts.append(element("text", name, class_="tick", x=x, y=14, text_anchor="end"))
        x -= 7 * len(name) + 12
        parts.append(element("circle", class_=f"curve-{name} mark", cx=x + 4, cy=10, r=4))
        x -= 14
    return parts


def _drawn(curve: Curve, class_: str, name: str, x_of: _Scale, y_of: _Scale) -> list[Element]:
    points = list(zip(curve.steps, curve.values, strict=True))
    path, pen_down = [], False
    for step, value in points:
        if math.isfinite(value):
            path.append(f"{'L' if pen_down else 'M'}{x_of(step):.1f} {y_of(value):.1f}")
        pen_down = math.isfinite(value)
    parts = [element("path", class_=f"{class_} line", d=" ".join(path))]
    if len(points) <= _MOST_MARKED:
        for step, value in points:
            if math.isfinite(value):
                told = element("title", f"{name}, step {step:,}: {_short(value)}")
                parts.append(element("circle", told, class_=f"{class_} mark", cx=x_of(step), cy=y_of(value), r=2.5))
    return parts


def _short(value: float) -> str:
    return f"{value:.4g}"
