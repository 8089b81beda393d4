"""The calibration curves as a picture: SVG, written by hand so that no library is needed."""

from collections.abc import Iterator, Sequence
from html import escape

from hack.bench.truth.curve import CHANCES, NUMBERS, Curve

_SIDE, _GAP, _LEFT, _TOP = 240, 56, 52, 40
_LEGEND_LINE = 18
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#9c6b4e", "#a463f2")
_GREY = "#808080"
_SVG = "http://www.w3.org/2000/svg"
_STYLE = f'font-family="sans-serif" font-size="12" fill="{_GREY}" role="img"'
_TICKS = (0, 20, 40, 60, 80, 100)


def svg(curves: Sequence[Curve]) -> str:
    """Return a picture: a panel for each number, a line for each engine and mode, and the diagonal."""
    names = list(dict.fromkeys(curve.name for curve in curves))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    width = _LEFT + len(NUMBERS) * (_SIDE + _GAP)
    height = _TOP + _SIDE + 48 + _LEGEND_LINE * len(names)
    return "\n".join(
        [
            f'<svg xmlns="{_SVG}" viewBox="0 0 {width} {height}" {_STYLE}>',
            "<title>Share of measured numbers below what was stated, by the chance that was stated</title>",
            *(line for index, number in enumerate(NUMBERS) for line in _panel(index, number, curves, colours)),
            *_legend(colours),
            "</svg>",
            "",
        ]
    )


def _panel(index: int, number: str, curves: Sequence[Curve], colours: dict[str, str]) -> Iterator[str]:
    left = _LEFT + index * (_SIDE + _GAP)
    yield f'<g transform="translate({left} {_TOP})">'
    yield f'<text x="{_SIDE / 2:g}" y="-14" text-anchor="middle" font-size="14">{escape(number)}</text>'
    yield f'<rect width="{_SIDE}" height="{_SIDE}" fill="none" stroke="{_GREY}" stroke-opacity="0.5"/>'
    yield f'<line x1="0" y1="{_SIDE}" x2="{_SIDE}" y2="0" stroke="{_GREY}" stroke-dasharray="4 4"/>'
    for tick in _TICKS:
        at = _SIDE * tick / 100
        yield f'<text x="{at:g}" y="{_SIDE + 16}" text-anchor="middle">{tick}</text>'
        yield f'<text x="-6" y="{_SIDE - at + 4:g}" text-anchor="end">{tick}</text>'
    yield f'<text x="{_SIDE / 2:g}" y="{_SIDE + 34}" text-anchor="middle">stated chance, %</text>'
    if index == 0:
        turned = f"translate(-36 {_SIDE / 2:g}) rotate(-90)"
        yield f'<text transform="{turned}" text-anchor="middle">measured share, %</text>'
    for curve in curves:
        if curve.number == number:
            points = " ".join(
                f"{_SIDE * chance:.1f},{_SIDE * (1 - share):.1f}"
                for chance, share in zip(CHANCES, curve.shares, strict=True)
            )
            yield f'<polyline points="{points}" fill="none" stroke="{colours[curve.name]}" stroke-width="2"/>'
    yield "</g>"


def _legend(colours: dict[str, str]) -> Iterator[str]:
    for line, (name, colour) in enumerate(colours.items()):
        y = _TOP + _SIDE + 56 + line * _LEGEND_LINE
        yield f'<line x1="{_LEFT}" y1="{y - 4}" x2="{_LEFT + 24}" y2="{y - 4}" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{_LEFT + 32}" y="{y}">{escape(name)}</text>'
