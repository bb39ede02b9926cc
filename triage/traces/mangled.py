"""Reads the mangled names of C++ and Rust as far as a group needs: scopes and function, no arguments.

What it does not understand it leaves as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LENGTH = re.compile(r"[1-9]\d{0,3}")
_QUALIFIED = re.compile(r"[rVKRO]+")
_SHORT_SCOPES = {"St": "std", "Sa": "std::allocator", "Ss": "std::string"}
_HASH = re.compile(r"h[0-9a-f]{16}$")
_SIGNS = {
    "$LT$": "<",
    "$GT$": ">",
    "$LP$": "(",
    "$RP$": ")",
    "$RF$": "&",
    "$BP$": "*",
    "$C$": ",",
    "$u20$": " ",
    "$u7b$": "{",
    "$u7d$": "}",
    "$u27$": "'",
    "$u5b$": "[",
    "$u5d$": "]",
}
_SIGN = re.compile(r"\$\w{1,3}\$")


def rust_name(name: str) -> str:
    """Puts the signs back into a name of Rust's older mangling."""
    name = _SIGN.sub(lambda found: _SIGNS.get(found[0], found[0]), name).replace("..", "::")
    return name[1:] if name.startswith("_<") else name.replace("::_<", "::<")


def _after_arguments(name: str, place: int) -> int:
    """Skips template arguments, which begin with `I`; they nest."""
    depth = 0
    while place < len(name):
        length = _LENGTH.match(name, place)
        if length is not None:
            place = length.end() + int(length[0])
            continue
        if name[place] in "INXJ":
            depth += 1
        elif name[place] == "E":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return len(name)


def _scopes(name: str, place: int) -> list[str]:
    """Reads names with their lengths, up to what is no name."""
    found: list[str] = []
    while place < len(name):
        length = _LENGTH.match(name, place)
        two = name[place : place + 2]
        if length is not None:
            place = length.end() + int(length[0])
            found.append(name[length.end() : place])
        elif two in _SHORT_SCOPES and not found:
            found.append(_SHORT_SCOPES[two])
            place += 2
        elif name[place] == "I" and found:
            place = _after_arguments(name, place)
        elif two[:1] in "CD" and two[1:].isdigit() and found:
            found.append(f"~{found[-1]}" if two[0] == "D" else found[-1])
            place += 2
        elif name[place] in "LB":
            place += 1
        else:
            break
    return found


@lru_cache(maxsize=4096)
def readable(name: str) -> str:
    """Returns `shop::Cart::total` for `_ZN4shop4Cart5totalEi`; other names as they are."""
    place = name.find("Z") + 1
    if not name.startswith(("_Z", "__Z")) or len(name) > 1000:
        return name
    while name[place : place + 1] in ("Z", "N"):
        place += 1
    qualified = _QUALIFIED.match(name, place)
    scopes = _scopes(name, place if qualified is None else qualified.end())
    if len(scopes) > 1 and _HASH.match(scopes[-1]):
        scopes.pop()
    return rust_name("::".join(scopes)) if scopes else name
