# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VNC client (RFC 6143) that logs in, types a line, and takes a picture.

rfb.py HOST PORT PASSWORD PICTURE.png LINE [CA.pem|anonymous]; says the size and depth, and how
many colours the picture has, as JSON. With CA.pem it logs in by VeNCrypt's X509Vnc, with
"anonymous"
by its TLSVnc, without by VncAuth.
"""
from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import time
import zlib

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

VNC_AUTH, VENCRYPT, TLS_VNC, X509_VNC = 2, 19, 258, 261
ANONYMOUS = "anonymous"


def read(link: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = link.recv(min(size - len(found), 1 << 16))
        if not piece:
            raise EOFError("the server hung up after %r" % found[-100:])
        found += piece
    return found


def number(link: socket.socket, form: str) -> int:
    return int(struct.unpack(">" + form, read(link, struct.calcsize(form)))[0])


def log_in(link: socket.socket, host: str, password: str, authority: str | None) -> socket.socket:
    assert read(link, 12) == b"RFB 003.008\n"
    link.sendall(b"RFB 003.008\n")
    kinds = list(read(link, number(link, "B")))
    wanted = VENCRYPT if authority else VNC_AUTH
    assert kinds == [wanted], "the server has the security types %s" % kinds
    link.sendall(bytes([wanted]))
    if authority:
        assert read(link, 2) == b"\0\2"
        link.sendall(b"\0\2")
        assert read(link, 1) == b"\0"
        offered = [number(link, "I") for _each in range(number(link, "B"))]
        kind = TLS_VNC if authority == ANONYMOUS else X509_VNC
        assert offered == [kind], "VeNCrypt has %s" % offered
        link.sendall(struct.pack(">I", kind))
        assert read(link, 1) == b"\1"
        link = context(authority).wrap_socket(link, server_hostname=host)
    # DES with each byte's bits the other way round, as RFC 6143, 7.2.2 and every server have it.
    key = bytes(int(f"{byte:08b}"[::-1], 2)
                for byte in password.encode()[:8].ljust(8, b"\0"))
    cipher = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    link.sendall(cipher.update(read(link, 16)))
    if number(link, "I"):
        raise SystemExit("refused: " + read(link, number(link, "I")).decode())
    return link


def context(authority: str) -> ssl.SSLContext:
    if authority != ANONYMOUS:
        return ssl.create_default_context(cafile=authority)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 has no keys without a certificate
    made.set_ciphers("aNULL:@SECLEVEL=0")
    return made


def press(link: socket.socket, line: str) -> None:
    for key in [*map(ord, line), 0xff0d]:
        for down in (1, 0):
            link.sendall(struct.pack(">BBHI", 4, down, 0, key))
        time.sleep(0.01)


def point(link: socket.socket, x: int, y: int) -> None:
    for buttons in (0, 1, 0):
        link.sendall(struct.pack(">BBHH", 5, buttons, x, y))


def picture(link: socket.socket, width: int, height: int) -> bytes:
    """Red, green and blue of every pixel."""
    link.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    rows = [bytearray(width * 3) for _row in range(height)]
    missing = width * height
    while missing > 0:
        kind = number(link, "B")
        if kind == 2:  # bell
            continue
        if kind == 3:  # the clipboard
            read(link, 3)
            read(link, number(link, "I"))
            continue
        assert kind == 0, "message %d" % kind
        read(link, 1)
        for _rectangle in range(number(link, "H")):
            x, y, w, h, encoding = struct.unpack(">HHHHi", read(link, 12))
            assert encoding == 0
            for row in range(y, y + h):
                pixels = read(link, w * 4)
                for colour in range(3):
                    rows[row][x * 3 + colour:(x + w) * 3:3] = pixels[2 - colour::4]
            missing -= w * h
    return b"".join(b"\0" + row for row in rows)


def png(lines: bytes, width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def main() -> None:
    host, port, password, file, line, *authority = sys.argv[1:]
    link = socket.create_connection((host, int(port)), timeout=30)
    link = log_in(link, host, password, authority[0] if authority else None)
    link.sendall(b"\1")
    width, height = number(link, "H"), number(link, "H")
    _bits, depth = struct.unpack(">BB14x", read(link, 16))
    name = read(link, number(link, "I")).decode()
    link.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
    link.sendall(struct.pack(">BxHi", 2, 1, 0))
    point(link, 200, 200)
    press(link, line)
    time.sleep(1)  # for the line's echo to be drawn, in the picture to look at
    lines = picture(link, width, height)
    with open(file, "wb") as made:
        made.write(png(lines, width, height))
    colours = {lines[at:at + 3] for row in range(height)
               for at in range(row * (width * 3 + 1) + 1, (row + 1) * (width * 3 + 1), 3)}
    sys.stdout.write(json.dumps({"size": "%dx%d" % (width, height), "depth": depth, "name": name,
                                 "colours": len(colours)}))


main()
