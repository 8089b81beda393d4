"""The page as one file that needs nothing else: styles, scripts and content are written into it."""

import base64
import hashlib
import html
import re

from dgdr_api.results import Results
from dgdr_controller.manifest import Manifest
from dgdr_controller.results.assets import PAGE, VENDOR, read
from dgdr_controller.results.content import content
from dgdr_controller.settings import Settings

_LINKED = re.compile(r'<link rel="stylesheet" href="(?P<style>[^"]+)">|<script src="(?P<script>[^"]+)" defer></script>')
_ENDS = re.compile(r"<(/(?:script|style)|!--)", re.IGNORECASE)
_TITLE = "<title></title>"
_CONTENT = '<script type="application/json" id="content"></script>'
_SOURCES = (
    *("default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"),
    *("script-src {script}", "style-src {style}"),
)


def report(results: Results, settings: Settings, base: Manifest | None = None) -> str:
    """Return the page for these results. The same inputs give the same text.

    Raises:
        MissingAssetError: A file of the page is not there.
    """
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    last = []

    def inline(link: re.Match[str]) -> str:
        kind = "style" if link["style"] else "script"
        text = _licensed(link[kind])
        if _ENDS.search(text):
            raise ValueError(f"{link[kind]} holds what would end its element")
        hashes[kind].append(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")
        if kind == "style":
            return f"<style>{text}</style>"
        last.append(f"<script>{text}</script>")  # what is written into a page runs at once: after the body, then
        return ""

    page = _LINKED.sub(inline, read(PAGE))
    policy = "; ".join(_SOURCES).format(**{kind: " ".join(found) for kind, found in hashes.items()})
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    title = html.escape(
        f"{results.request.spec.model} on {results.hardware.total_gpus.value} × {results.hardware.gpu_sku}"
    )
    # In JSON, "<" occurs in strings alone; written as an escape it can end no element.
    data = content(results, settings, base).replace("<", "\\u003c")
    for mark, text in (
        ('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}'),
        (_TITLE, f"<title>{title}</title>"),
        (_CONTENT, f"{_CONTENT.removesuffix('</script>')}{data}</script>"),
        ("</body>", "\n".join([*last, "</body>"])),
    ):
        before, found, after = page.partition(mark)
        if not found:
            raise ValueError(f"{PAGE} has no {mark}")
        page = f"{before}{text}{after}"
    return page


def _licensed(name: str) -> str:
    """Return a file of the page; others' with their licence, which has to be in every copy."""
    text = read(name)
    if not name.startswith(VENDOR):
        return text
    return f"/*\n{read(name.partition('.')[0] + '.LICENSE')}*/\n{text}"
