# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host that are run for a link: lxc.net.N.script.up and .down."""
from __future__ import annotations

import errno

from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

TIMEOUT = 30      # seconds
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def arguments(when: str, network: dict[str, Any]) -> list[str]:
    """What a script gets where hook_version is 0: container, "net", up or down, type, link of the
    host and, for veth, its end on the host (lxc.container.conf(5))."""
    if network["script"]["version"] == 1:
        return []
    found = [network["script"]["name"], "net", when, network["type"]]
    if network["link"]:
        found.append(network["link"])
    return found + ([network["host_name"]] if network["type"] == "veth" else [])


def environment(when: str, network: dict[str, Any]) -> dict[str, str]:
    """What it finds in its environment, whatever the version."""
    script = network["script"]
    found = {"PATH": _PATH, "LXC_NAME": script["name"], "LXC_ROOTFS_PATH": script["rootfs"],
             "LXC_CONFIG_FILE": script["config"], "LXC_HOOK_VERSION": str(script["version"]),
             "LXC_HOOK_TYPE": when, "LXC_HOOK_SECTION": "net", "LXC_NET_TYPE": network["type"]}
    if network["link"]:
        found["LXC_NET_PARENT"] = network["link"]
    if network["type"] == "veth":
        found["LXC_NET_PEER"] = network["host_name"]
    return found


def run(when: str, network: dict[str, Any]) -> None:
    """Run the script of a link and wait for it.

    :param when: "up" or "down"
    :raises LxcError: when it fails, with the end of what it said
    """
    import subprocess  # 20 ms that only those pay who have scripts

    words = network["script_" + when].split()
    subject = "%s for %s" % (words[0], network["name"])
    try:
        done = subprocess.run(  # noqa: S603  # pylint: disable=ansible-bad-function
            [*words, *arguments(when, network)], env=environment(when, network), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=TIMEOUT)
    except OSError as error:
        raise LxcError.from_os("run script", subject, error,
                               "It has to be an executable file of the host.") from error
    except subprocess.TimeoutExpired:
        raise LxcError("run script", subject, errno.ETIMEDOUT,
                       detail="it was ended after %d s" % TIMEOUT) from None
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()[-500:]
        raise LxcError("run script", subject, detail="it %s" % (
            "ended with status %d" % done.returncode if done.returncode > 0
            else "was killed by signal %d" % -done.returncode),
            hint="It said: %s" % said if said else "")
