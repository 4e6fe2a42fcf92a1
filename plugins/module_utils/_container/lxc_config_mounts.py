# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc.mount.entry: lines of fstab(5) whose targets are inside."""
from __future__ import annotations

from .lxc_config_parse import place, problem
from .lxc_config_values import check, escape, fields, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .lxc_config_parse import Setting
    from .lxc_config_values import Lines, Reading

_NOTHING = ("rw", "defaults", "bind", "rbind")  # said by the type, or what is done anyway


def read(settings: list[Setting], reading: Reading) -> dict[str, Any]:
    made = []
    places: dict[str, Setting] = {}
    for setting in settings:
        mount = _read_entry(setting, reading)
        target = check("mounts", [mount], setting)[0]["target"]
        if target in places:
            raise problem(setting, "%s is a target already: %s" % (target, place(places[target])),
                          "Mount one thing there.")
        places[target] = setting
        made.append(mount)
    return {"mounts": made}


def _read_entry(setting: Setting, reading: Reading) -> dict[str, Any]:
    words = [unescape(field) for field in fields(setting.value)]
    if not 4 <= len(words) <= 6:
        raise problem(setting, "it has %d fields" % len(words),
                      "Write source, target, type and options, like"
                      " /srv srv none rbind,create=dir 0 0.")
    source, target, kind, options = words[:4]
    words = options.split(",")
    bind = "bind" in words or "rbind" in words
    if kind in ("none", "bind") and not bind:
        raise problem(setting, "type %s without bind mounts nothing" % kind,
                      "Add rbind to the options.")
    mount: dict[str, Any] = {
        "source": source, "target": _target(target, setting, reading),
        "type": "bind" if bind else kind, "read_only": "ro" in words,
        "optional": "optional" in words, "options": []}
    if "relative" in words and bind:
        mount["source"] = "/" + source.lstrip("/")
    for word in words:
        if word.startswith("create=") and "create" in mount:
            raise problem(setting, "create is said twice", "Keep one of the two.")
        if word.startswith("create="):
            mount["create"] = word[len("create="):]
        elif word and word not in ("ro", "optional", *_NOTHING):
            mount["options"].append(word)
    return mount


def _target(target: str, setting: Setting, reading: Reading) -> str:
    """Seen from inside. Files of 2009 have the root file system's own path before it."""
    if not target.startswith("/"):
        return "/" + target
    for root in reading.roots:
        root = root.rstrip("/")
        if target == root or target.startswith(root + "/"):
            return target[len(root):] or "/"
    raise problem(setting, "the target %s is not in the root file system" % target,
                  "Write it as seen from inside, without a slash before it.")


def write(definition: dict[str, Any]) -> Lines:
    lines = []
    for mount in definition["mounts"]:
        bind = mount["type"] == "bind"
        words = (["rbind"] if bind else []) + (["ro"] if mount["read_only"] else [])
        words += mount["options"]
        if mount["create"]:
            words.append("create=" + mount["create"])
        if mount["optional"]:
            words.append("optional")
        lines.append(("mount.entry", "%s %s %s %s 0 0" % (
            escape(mount["source"]), escape(mount["target"].lstrip("/")),
            "none" if bind else mount["type"], escape(",".join(words) or "defaults"))))
    return lines
