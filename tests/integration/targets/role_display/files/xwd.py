# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a PNG of what xwd wrote, and says its size, depth and number of colours as JSON.

xwd.py PICTURE.xwd PICTURE.png. The header is X11/XWDFile.h's: 25 numbers, big end first.
"""
from __future__ import annotations

import json
import struct
import sys
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    header = struct.unpack(">25I", data[:100])
    size, _version, _format, depth, width, height = header[:6]
    bits, line, colours = header[11], header[12], header[19]
    assert bits == 32 and header[7] == 0, "not 32 bits a pixel, little end first"
    start = size + colours * 12
    rows, seen = [], set()
    for y in range(height):
        pixels = data[start + y * line:start + y * line + width * 4]
        row = bytearray(width * 3)
        for colour in range(3):
            row[colour::3] = pixels[2 - colour::4]
        seen.update(bytes(row[x:x + 3]) for x in range(0, width * 3, 3))
        rows.append(b"\0" + row)
    with open(sys.argv[2], "wb") as made:
        made.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b""))
    sys.stdout.write(json.dumps({"size": "%dx%d" % (width, height), "depth": depth,
                                 "colours": len(seen)}))


main()
