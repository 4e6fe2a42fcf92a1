# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process has made in namespaces that its parent can't enter: a descriptor, or an error.

Over a SEQPACKET socket; whoever is killed before it has said anything leaves an end of file.
"""
from __future__ import annotations

from .._kernel import descriptors
from .._kernel.errors import LxcError
from .._kernel.lean import json

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    import _socket


def give(link: _socket.socket, word: bytes, fd: int) -> None:
    """Hand over what was made."""
    descriptors.send(link, word, [fd])


def refuse(link: _socket.socket, error: LxcError) -> None:
    """Say why there is nothing."""
    link.send(b"E" + json.dumps(error.to_dict()).encode())


def take(link: _socket.socket, doing: str, subject: str) -> tuple[bytes, int]:
    """Wait for it, and close the socket.

    :param doing: what the other one was to do, for the error of one that was killed
    :raises LxcError: the other one's
    """
    word, fds = descriptors.receive(link)
    link.close()
    if word[:1] == b"E":
        raise LxcError.from_dict(json.loads(word[1:]))
    if not fds:
        raise LxcError(doing, subject, detail="who did it was killed")
    return word, fds[0]
