# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host keys, made by the host's own ssh-keygen."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from .._kernel.errors import LxcError

_TIMEOUT = 120  # seconds; a long RSA key on a slow machine takes 10


def make_key(kind: str, comment: str) -> tuple[bytes, bytes]:
    """A new pair: the private and the public file's content.

    The pair is made in a folder of its own that only root can enter, not in the tree, which the
    container's root may be changing.

    :raises LxcError: when ssh-keygen is missing or fails
    """
    keygen = find_keygen()
    if keygen is None:
        raise LxcError("make host key", kind, detail="the host has no ssh-keygen",
                       hint="Install openssh-client, or set 'ssh_host_keys: []'.")
    folder = tempfile.mkdtemp(prefix="fleet-lxc-key-")
    try:
        name = os.path.join(folder, "key")
        answer = subprocess.run(  # pylint: disable=ansible-bad-function
            [keygen, "-q", "-t", kind, "-N", "", "-C", "root@%s" % comment, "-f", name],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
        if answer.returncode:
            text = answer.stderr.decode("utf-8", "replace").strip()
            raise LxcError("make host key", kind,
                           detail="%s says: %s" % (keygen, text.splitlines()[-1] if text else
                                                   "status %d" % answer.returncode),
                           hint="Choose another type in 'ssh_host_keys', or repair ssh-keygen.")
        with open(name, "rb") as private, open(name + ".pub", "rb") as public:
            return private.read(), public.read()
    except subprocess.TimeoutExpired as error:
        raise LxcError("make host key", kind,
                       detail="ssh-keygen took more than %d seconds" % _TIMEOUT,
                       hint="The host may lack randomness; try again later.") from error
    except OSError as error:
        raise LxcError.from_os("make host key", kind, error,
                               "See whether %s can be written to." % folder) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_keygen() -> str | None:
    """Where the host's ssh-keygen is; a task's PATH is not asked."""
    for folder in ("/usr/bin", "/bin", "/usr/local/bin"):
        if os.access(folder + "/ssh-keygen", os.X_OK):
            return folder + "/ssh-keygen"
    return None
