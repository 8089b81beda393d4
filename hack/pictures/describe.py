"""A terminal with `kubectl describe dgdr`: what a test on a cluster compares with, drawn by `make generate`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

OUTPUT = Path(__file__).parents[2] / "e2e" / "golden" / "describe.txt"
_COMMAND = "$ kubectl describe dgdr qwen3-32b"
_MASKED = {"<namespace>": "default"}
"""What the recorded output has in place of what differs each time, of the lines that are shown."""
_LEFT_OUT = "..."
_FIELD = re.compile(r" +(Message|Reason|Status|Type): ")
_CONDITIONS = ("ProfilingComplete", "DeploymentReady", "Succeeded")

_COLUMNS = 120
_FONT_SIZE = 14
_ADVANCE = 8.43
"""Width of a character of most monospaced fonts at this size; each line is held to it, whatever font there is."""
_LEADING = 19
_MARGIN = 20
_BAR = 34
_STYLE = f"""
text {{ font: {_FONT_SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
.output {{ fill: #d7dee6; }} .key {{ fill: #7fb4e8; }} .good {{ fill: #6fd3a2; font-weight: 600; }}
.command {{ fill: #fff; font-weight: 600; }} .left-out {{ fill: #8391a0; }}
"""


def picture() -> str:
    """Return the picture as SVG."""
    output = OUTPUT.read_text(encoding="utf-8")
    for masked, shown in _MASKED.items():
        output = output.replace(masked, shown)
    return svg([_COMMAND, *shortened(output.splitlines())])


def shortened(output: Sequence[str]) -> Iterator[str]:
    """Yield lines of an output that tell the story: the request, its last conditions, the best candidate."""
    yield from output[:2]
    yield _LEFT_OUT
    yield "Status:"
    yield "  Conditions:"
    yield f"    {_LEFT_OUT}"
    begun, end = output.index("  Conditions:"), output.index("  Deployment Info:")
    fields = [_cut(line) for line in output[begun:end] if _FIELD.match(line)]
    for last in (number for number, line in enumerate(fields) if line.split()[-1] in _CONDITIONS and "Type:" in line):
        yield from fields[last - 3 : last + 1]
    yield f"  {_LEFT_OUT}"
    yield from (line for line in output if line.startswith("  Phase:"))
    yield f"  {_LEFT_OUT}"
    yield from _best(output)
    yield f"      {_LEFT_OUT}"


def _cut(line: str) -> str:
    """Cut what a terminal would wrap."""
    return line if len(line) <= _COLUMNS else f"{line[: _COLUMNS - 2].rstrip()} …"


def _best(output: Sequence[str]) -> Iterator[str]:
    """Yield the first candidate, without its deployment."""
    begun = output.index("    Pareto:")
    yield "  Profiling Results:"
    yield "    Pareto:"
    fields = [line for line in output[begun:] if re.match(r" {6}\S", line)]
    _, second, *_others = (number for number, line in enumerate(fields) if line.startswith("      Backend: "))
    yield from (f"      {_LEFT_OUT}" if line == "      Config:" else line for line in fields[:second])


def svg(lines: Sequence[str]) -> str:
    """Return a window of a terminal with these lines, as SVG."""
    width = round(max(map(len, lines)) * _ADVANCE) + 2 * _MARGIN
    height = _BAR + len(lines) * _LEADING + _MARGIN
    drawn = "\n".join(_drawn(line, _BAR + _LEADING * number) for number, line in enumerate(lines, start=1))
    dots = "".join(
        f'<circle cx="{_MARGIN + 18 * number}" cy="18" r="5.5" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<title>{_COMMAND[2:]}</title>\n<style>{_STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#161d26"/>\n{dots}\n{drawn}\n</svg>\n'
    )


def _drawn(line: str, y: int) -> str:
    """Draw a line; its words keep their columns."""
    return "".join(
        f'<text class="{kind}" x="{_MARGIN + start * _ADVANCE:.1f}" y="{y}" textLength="{len(text) * _ADVANCE:.1f}">'
        f"{escape(text)}</text>"
        for kind, start, text in _runs(line)
    )


def _runs(line: str) -> Iterator[tuple[str, int, str]]:
    """Yield what is drawn of a line: its kind, its column and its text."""
    if line.startswith("$ "):
        yield "command", 0, line
        return
    if line.strip() == _LEFT_OUT:
        yield "left-out", line.index(_LEFT_OUT), _LEFT_OUT
        return
    key = re.match(r" *([A-Z][\w ]*:)(?= |$)", line)
    if key:
        yield "key", key.start(1), key[1]
    for word in re.finditer(r"\S+(?: \S+)*", line[key.end() :] if key else line):
        column = word.start() + (key.end() if key else 0)
        yield "good" if word[0] in ("True", "true", "Deployed") else "output", column, word[0]
