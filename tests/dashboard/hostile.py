"""Texts that would do something if a page took them for anything but letters, and how each is shown."""

from collections.abc import Sequence

HOSTILE_TEXTS = (
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<svg onload=hit()>",
    "<svg><script>hit()</script></svg>",
    "<iframe srcdoc='<script>parent.hit()</script>'>",
    "<iframe src=javascript:hit()>",
    "<a href=javascript:hit()>x</a>",
    "[x](javascript:hit())",
    "![x](javascript:hit())",
    "![x](x onerror=hit())",
    "javascript:hit()",
    "data:text/html,<script>hit()</script>",
    "'-hit()-'",
    '"-hit()-"',
    '" autofocus onfocus=hit() x="',
    "' onmouseover=hit() x='",
    "`${hit()}`",
    "${hit()}",
    "{{hit()}}",
    "{{constructor.constructor('hit()')()}}",
    "<%= hit() %>",
    "]]><script>hit()</script>",
    "<!--><script>hit()</script>-->",
    "</title><script>hit()</script>",
    "</style><script>hit()</script>",
    "</script><script>hit()</script>",
    "</textarea><script>hit()</script>",
    "<style>@import 'x';*{background:url(javascript:hit())}</style>",
    "<link rel=stylesheet href=javascript:hit()>",
    "<base href=javascript:hit()//>",
    "<meta http-equiv=refresh content='0;url=javascript:hit()'>",
    "<form action=javascript:hit()><button autofocus>x</form>",
    "<details open ontoggle=hit()>",
    "<video><source onerror=hit()></video>",
    "<audio src=x onerror=hit()>",
    "<object data=javascript:hit()>",
    "<embed src=javascript:hit()>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=hit()>",
    "<marquee onstart=hit()>",
    "<body onload=hit()>",
    "<input autofocus onfocus=hit()>",
    "<xss style=animation-name:x onanimationstart=hit()>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "\\u003cscript\\u003ehit()\\u003c/script\\u003e",
    "%3Cscript%3Ehit()%3C/script%3E",
    "\uff1cscript\uff1ehit()\uff1c/script\uff1e",
    "\u202egnirts desrever",
    "\u2066hidden\u2069",
    "a\u200bb\ufeffc",
    "\x1b[31mred\x1b[0m",
    "bell\x07 and null\x00",
    "\ud800 alone",
    "Z̷͎͝a̵͔͗l̶͚̓g̸̞͛o̶͉͝",
    "x" * 4000,
    "../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "constructor",
)
# What means something only where nothing stands beside it: as a key, an address, a path, a cell or the whole of a line.
_ALONE = (
    "javascript:hit()",
    "data:text/html,<script>hit()</script>",
    "x" * 4000,
    "../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "constructor",
)
_SIDE_BY_SIDE = 6
_SHOWN = {
    "\u202egnirts desrever": "U+202Egnirts desrever",
    "\u2066hidden\u2069": "U+2066hiddenU+2069",
    "a\u200bb\ufeffc": "aU+200BbU+FEFFc",
    "\x1b[31mred\x1b[0m": "␛[31mred␛[0m",
    "bell\x07 and null\x00": "bell␇ and null␀",
    "\ud800 alone": "U+D800 alone",
}


def joined(texts: Sequence[str]) -> list[str]:
    """Return all the texts in fewer, some side by side, since every page that is opened costs."""
    others = [text for text in texts if text not in _ALONE]
    starts = range(0, len(others), _SIDE_BY_SIDE)
    return [
        *(" ".join(others[start : start + _SIDE_BY_SIDE]) for start in starts),
        *(text for text in texts if text in _ALONE),
    ]


def fitting(texts: Sequence[str], chars: int) -> list[str]:
    """Return the texts that have at most so many characters, in as few of this length as hold them side by side."""
    found: list[str] = []
    for text in (text for text in texts if len(text) <= chars):
        if text in _ALONE or not found or found[-1] in _ALONE or len(found[-1]) + 1 + len(text) > chars:
            found.append(text)
        else:
            found[-1] += f" {text}"
    return found


TEXTS = joined(HOSTILE_TEXTS)


def shown(text: str) -> str:
    """Return a text as pages show it."""
    for raw, told in _SHOWN.items():
        text = text.replace(raw, told)
    return text
