"""The one thing in a .cu file that a host compiler cannot be told by macros: declarations of shared memory.

`__shared__ T x[N];` becomes KB_SHARED(…) and `extern __shared__ T x[];` KB_DYNAMIC_SHARED(…) (see keywords.h), which
take guarded memory from the worker's arena. `__noinline__` becomes KB_NOINLINE. Line numbers stay; comments, strings
and preprocessor lines are left alone. A declaration that is not understood keeps its keyword, which the shim defines
as `static thread_local`: right, but without guards.
"""

from __future__ import annotations

import re

_COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_SHARED = re.compile(r"((?:\b(?:static|extern|volatile|const)\s+)*)\b__shared__\b\s*")
_ALIGN = re.compile(r"(?:__align__|alignas)\s*\(([^()]*(?:\([^()]*\))?[^()]*)\)\s*")
_DIMS = r"\s*((?:\[[^\]]*\]\s*)*)"
_FIRST = re.compile(r"(.*?[\s*&>}])(\w+)" + _DIMS, re.DOTALL)
_MORE = re.compile(r"\s*(\**)\s*(\w+)" + _DIMS, re.DOTALL)
_NOINLINE = re.compile(r"\b__noinline__\b(?!\s*\))")


def translate(source: str) -> str:
    """The text of a .cu file as the host compiler gets it, line for line."""
    blank = _COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source)  # same length, code only
    parts, position = [], 0
    for match in _SHARED.finditer(blank):
        line_start = blank.rfind("\n", 0, match.start()) + 1
        if match.start() < position or blank[line_start : match.start()].lstrip().startswith("#"):
            continue
        end = _end_of_declaration(blank, match.end())
        code = _rewrite(blank[match.end() : end], match[1].split())
        if code is not None:
            parts += [source[position : match.start()], code, "\n" * blank.count("\n", match.start(), end)]
            position = end
    return _NOINLINE.sub("KB_NOINLINE", "".join(parts) + source[position:])


def _end_of_declaration(code: str, start: int) -> int:
    depth = 0
    for index in range(start, len(code)):
        if code[index] == ";" and depth == 0:
            return index
        depth += (code[index] in "([{") - (code[index] in ")]}")
    return len(code)


def _rewrite(declaration: str, qualifiers: list[str]) -> str | None:
    """The macro calls for `T x[N], y` (what follows `__shared__`); None where it is not understood."""
    align = _ALIGN.search(declaration)
    first, *more = _split(_ALIGN.sub("", declaration))
    match = _FIRST.fullmatch(first.strip())
    if not match:
        return None
    base = " ".join([*(q for q in qualifiers if q in ("volatile", "const")), *match[1].split()])
    if "extern" in qualifiers:
        return f"KB_DYNAMIC_SHARED({base}, {match[2]})"
    variables = [(match[2], match[3], base)]
    for text in more:
        next_one = _MORE.fullmatch(text)
        if not next_one:
            return None
        variables.append((next_one[2], next_one[3], base.rstrip("* ") + next_one[1]))
    alignment = " ".join(align[1].split()) if align else "1"
    return "; ".join(f"KB_SHARED({n}, ({alignment}), {' '.join(d.split()) or ' '}, {t})" for n, d, t in variables)


def _split(declaration: str) -> list[str]:
    """`T a[2], b` split at the commas that are in no bracket."""
    parts, depth = [""], 0
    for character in declaration:
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
