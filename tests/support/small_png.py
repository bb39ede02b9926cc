"""Makes a browser's picture small: a palette of its 256 most frequent colours, packed well.

For 8-bit RGB and RGBA without interlacing, which is what browsers write.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smaller(png: bytes) -> bytes:
    """The same picture with at most 256 colours."""
    pixels = _pixels(png)
    height, width, _ = pixels.shape
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, places, counts = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    kept = _palette(colours, counts)
    nearest = _nearest(colours, kept)
    rows = nearest[places].reshape(height, width).astype(np.uint8)
    lines = np.hstack([np.zeros((height, 1), np.uint8), rows])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = _split(kept).astype(np.uint8).tobytes()
    body = zlib.compress(lines.tobytes(), 9)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", body), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _pixels(png: bytes) -> Pixels:
    chunks = dict[bytes, bytes]()
    place = len(_SIGNATURE)
    while place < len(png):
        (size,), name = struct.unpack(">I", png[place : place + 4]), png[place + 4 : place + 8]
        chunks[name] = chunks.get(name, b"") + png[place + 8 : place + 8 + size]
        place += 12 + size
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8, "not 8 bits a channel"
    num_channels = {2: 3, 6: 4}[kind]
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    lines = raw.reshape(height, 1 + width * num_channels)
    made = np.zeros((height, width, num_channels), np.uint8)
    above = np.zeros((width, num_channels), np.uint8)
    for number, line in enumerate(lines):
        above = _unfiltered(int(line[0]), line[1:].reshape(width, num_channels), above)
        made[number] = above
    return made[:, :, :3]


def _unfiltered(kind: int, line: Pixels, above: Pixels) -> Pixels:
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint64).astype(np.uint8)
    if kind == 2:
        return line + above
    return _one_by_one(kind, line, above)


def _one_by_one(kind: int, line: Pixels, above: Pixels) -> Pixels:
    made = line.astype(int)
    left, corner = [0] * line.shape[1], [0] * line.shape[1]
    for place, up in enumerate(above.tolist()):
        for channel, high in enumerate(up):
            guess = (
                (left[channel] + high) // 2
                if kind == 3
                else _paeth(left[channel], high, corner[channel])
            )
            made[place, channel] = (made[place, channel] + guess) & 255
        left, corner = made[place].tolist(), up
    return made.astype(np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    by_left, by_up, by_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner


def _split(colours: NDArray[Any]) -> NDArray[Any]:
    return np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1)


def _palette(colours: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The most frequent colours, and of the rest those that are unlike all others."""
    kept = list(colours[np.argsort(-counts)[:192]])
    distances = (_far(colours, np.array(kept)) ** 2).sum(axis=2).min(axis=1)
    while len(kept) < min(256, len(colours)):
        one = colours[int(distances.argmax())]
        kept.append(one)
        distances = np.minimum(distances, (_far(colours, np.array([one]))[:, 0] ** 2).sum(axis=1))
    return np.array(kept)


def _far(colours: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    far: NDArray[Any] = _split(colours).astype(int)[:, None, :] - _split(others).astype(int)
    return far


def _nearest(colours: NDArray[Any], kept: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = (_far(colours, kept) ** 2).sum(axis=2).argmin(axis=1)
    return found


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum
