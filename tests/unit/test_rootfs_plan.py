# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root file system's plan is, and which options and archive members are refused. No I/O."""
from __future__ import annotations

import tarfile
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import (
    accounts,
    host_tree,
    members,
    observe,
    plan,
    spec,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.site import Found

PATH = "/var/lib/fleet-lxc/rootfs/web1"
KEY = "ssh-ed25519 AAAAC3Nza admin"
FACTS = host_tree.HostFacts(
    top_links={"bin": "usr/bin", "lib": "usr/lib"}, top_folders=[],
    kinds={"/usr": "folder", "/etc/alternatives": "folder", "/etc/motd": "file", "/gone": ""},
    copies={"ld.so.cache": b"cache"}, localtime="/usr/share/zoneinfo/Etc/UTC", has_sshd=True,
    has_keygen=True)


def make(options: dict[str, t.Any] | None = None, path: str = PATH) -> spec.RootfsSpec:
    return spec.make_spec({"path": path, "host": options or {}})


def tree(options: dict[str, t.Any] | None = None,
         facts: host_tree.HostFacts = FACTS) -> host_tree.Tree:
    host = make(options).host
    assert host is not None
    return host_tree.host_tree(host, facts)


def there(options: dict[str, t.Any] | None = None) -> observe.RootfsState:
    """The state after ``options`` were applied."""
    made = tree(options)
    state = observe.RootfsState(kind="folder", tree=made)
    for path, entry in made.entries.items():
        if entry.kind == "key":
            state.found[path] = Found("file", 0o600)
            state.found[path + ".pub"] = Found("file", 0o644)
        else:
            state.found[path] = Found(entry.kind, entry.mode, entry.uid, entry.gid, entry.content,
                                      entry.target)
    state.manifest = plan.make_manifest(make(options), state)
    return state


def steps(options: dict[str, t.Any], state: observe.RootfsState) -> list[str]:
    state.tree = tree(options)
    return [o.describe() for o in plan.plan_present(make(options), state)]


def refused(call: t.Callable[[], t.Any]) -> LxcError:
    with pytest.raises(LxcError) as caught:
        call()
    assert caught.value.hint
    return caught.value


def test_a_folder_comes_before_what_is_in_it() -> None:
    seen = {"/"}
    for path in tree({"private": [{"path": "/data/deep/er"}]}).entries:
        assert path.rsplit("/", 1)[0] or "/" in seen
        assert (path.rsplit("/", 1)[0] or "/") in seen
        seen.add(path)


def test_what_is_shared_is_mounted_read_only_the_outer_before_the_inner() -> None:
    made = tree({"shared": ["/usr", "/etc/motd"]})
    assert made.mounts == [{"source": p, "target": p, "read_only": True}
                           for p in ("/etc/motd", "/usr")]
    assert made.entries["/etc/motd"].kind == "file"
    assert made.entries["/bin"].target == "usr/bin"


def test_a_host_that_is_not_merged_shares_its_top_folders() -> None:
    made = tree(facts=FACTS._replace(top_links={}, top_folders=["bin", "lib"]))
    assert [m["target"] for m in made.mounts] == ["/bin", "/etc/alternatives", "/lib", "/usr"]
    assert made.entries["/bin"].kind == "folder"


def test_sshd_has_what_it_needs() -> None:
    entries = tree({"ssh_host_keys": ["ed25519", "rsa"], "ssh_port": 2222,
                    "root_authorized_keys": [KEY]}).entries
    config = entries["/etc/ssh/sshd_config"].content.decode()
    assert "Port 2222\n" in config and "UseDNS no\n" in config
    assert "HostKey /etc/ssh/ssh_host_rsa_key\n" in config
    assert entries["/run/sshd"].kind == "folder"
    assert entries["/root/.ssh/authorized_keys"].content.decode() == KEY + "\n"
    assert entries["/root/.ssh/authorized_keys"].mode == 0o600


def test_without_host_keys_there_is_no_sshd() -> None:
    host = make({"ssh_host_keys": []}).host
    assert host is not None and host.command is None
    assert "/etc/ssh" not in tree({"ssh_host_keys": []}, FACTS._replace(has_sshd=False)).entries


def test_an_account_is_in_all_three_files_and_owns_its_home() -> None:
    entries = tree({"accounts": [{"name": "ann", "uid": 1000, "authorized_keys": [KEY]}]}).entries
    assert b"ann:x:1000:1000::/home/ann:/bin/bash\n" in entries["/etc/passwd"].content
    assert b"ann:x:1000:\n" in entries["/etc/group"].content
    assert b"ann:*::" in entries["/etc/shadow"].content
    assert entries["/etc/shadow"].mode == 0o640
    for path in ("/home/ann", "/home/ann/.ssh", "/home/ann/.ssh/authorized_keys"):
        assert (entries[path].uid, entries[path].gid) == (1000, 1000)


def test_a_private_folder_in_a_home_leaves_the_home_to_its_account() -> None:
    private = [{"path": "/home/ann/.vnc", "uid": 1000}]
    options: dict[str, t.Any] = {"accounts": [{"name": "ann", "uid": 1000}], "private": private}
    entries = tree(options).entries
    assert (entries["/home/ann"].mode, entries["/home/ann"].uid) == (0o700, 1000)
    private.insert(0, {"path": "/home/ann"})
    assert tree(options).entries["/home/ann"].uid == 0  # as it was asked for


@pytest.mark.parametrize("options, said", [
    ({"shared": ["usr"]}, "not absolute"),
    ({"shared": ["/usr/../etc"]}, "'..'"),
    ({"shared": ["/"]}, "itself"),
    ({"shared": ["/var"]}, "itself"),
    ({"shared": ["/proc"]}, "kernel's"),
    ({"shared": ["/usr", "/usr/"]}, "twice"),
    ({"private": [{"path": "/x", "mode": "rwx"}]}, "mode"),
    ({"private": [{"path": "/x", "uid": 70000}]}, "70000"),
    ({"hostname": "a b"}, "'a b'"),
    ({"nameservers": ["1.1.1.1\nfoo"]}, "1.1.1.1"),
    ({"nameservers": ["dns.example.org"]}, "neither an IPv4"),
    ({"nameservers": ["fe80::1%eth 0"]}, "neither an IPv4"),
    ({"accounts": [{"name": "Ann", "uid": 1000}]}, "'Ann'"),
    ({"accounts": [{"name": "ann\n", "uid": 1000}]}, "ann"),
    ({"accounts": [{"name": "ann", "uid": 0}]}, "the id 0"),
    ({"accounts": [{"name": "root", "uid": 7}]}, "root"),
    ({"accounts": [{"name": "ann", "uid": 1000}, {"name": "bob", "uid": 1000}]}, "twice"),
    ({"accounts": [{"name": "ann", "uid": 1000, "shell": "/bin/sh:x"}]}, "colon"),
    ({"accounts": [{"name": "ann", "uid": 1000, "password": "secret"}]}, "not hashed"),
    ({"accounts": [{"name": "ann", "uid": 1000, "home": "/etc"}]}, "/etc"),
    ({"root_authorized_keys": ["hello"]}, "no public key"),
    ({"root_authorized_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "a private key"),
    ({"root_authorized_keys": [KEY + "\n" + KEY]}, "no public key"),
    ({"ssh_host_keys": ["dsa"]}, "'dsa'"),
    ({"ssh_host_keys": ["rsa", "rsa"]}, "twice"),
    ({"ssh_port": 70000}, "70000"),
    ({"command": []}, "no program"),
])
def test_options_that_can_not_be_are_refused(options, said) -> None:
    assert said in str(refused(lambda: make(options)))


@pytest.mark.parametrize("path", ["web1", "/srv/../etc", "/a\0b/c", "/a\n/b", "/usr"])
def test_a_path_that_can_not_be_is_refused(path) -> None:
    assert "path" in refused(lambda: make(path=path)).subject


@pytest.mark.parametrize("checksum", ["md5:abc", "sha256:abc", "a" * 64, "sha256:" + "g" * 64])
def test_a_checksum_that_can_not_be_is_refused(checksum) -> None:
    assert checksum in str(refused(lambda: spec.make_spec(
        {"path": PATH, "archive": {"src": "/a.tar", "checksum": checksum}})))


@pytest.mark.parametrize("options, facts, subject", [
    ({"shared": ["/gone"]}, FACTS, "/gone"),
    ({"private": [{"path": "/usr/mine"}]}, FACTS, "/usr/mine"),
    ({"accounts": [{"name": "ann", "uid": 1000, "home": "/usr/ann"}]}, FACTS, "/usr/ann"),
    ({}, FACTS._replace(has_sshd=False), "/usr/sbin/sshd"),
])
def test_what_the_host_can_not_give_is_refused(options, facts, subject) -> None:
    assert refused(lambda: tree(options, facts)).subject == subject


def test_nothing_is_done_to_what_is_as_it_should_be() -> None:
    assert steps({}, there({})) == []


def test_a_new_tree_gets_its_name_last() -> None:
    made = steps({}, observe.RootfsState(missing_parents=["/var/lib/fleet-lxc/rootfs"]))
    assert made[0] == "make folder /var/lib/fleet-lxc/rootfs for root alone"
    assert made[1] == "make folder %s" % PATH
    assert made[-1] == "give the finished tree its name and its manifest"


@pytest.mark.parametrize("options, expected", [
    ({"hostname": "web2"}, ["write %s/etc/hostname (5 bytes" % PATH,
                            "replace %s/etc/hosts" % PATH, "write the manifest"]),
    ({"ssh_host_keys": ["ed25519", "rsa"]},
     ["make a host key of type rsa", "replace %s/etc/ssh/sshd_config" % PATH,
      "write the manifest"]),
    ({"command": ["/bin/true"]}, ["write the manifest"]),
    ({"ssh_host_keys": []}, ["remove %s/etc/ssh/ssh_host_ed25519_key, " % PATH,
                             "remove %s/etc/ssh/ssh_host_ed25519_key.pub" % PATH,
                             "remove %s/etc/ssh/sshd_config" % PATH, "write the manifest"]),
])
def test_only_what_differs_is_changed(options, expected) -> None:
    state = there({})
    for path in ("/etc/ssh/ssh_host_rsa_key", "/etc/hostname"):
        state.found.setdefault(path, Found())
    made = steps(options, state)
    assert len(made) == len(expected)
    for step, start in zip(made, expected):
        assert step.startswith(start)


@pytest.mark.parametrize("path, found, start", [
    ("/tmp", Found("folder", 0o755), "set owner and mode of folder"),
    ("/etc/passwd", Found("link", target="/etc/shadow"), "replace"),
    ("/etc/passwd", Found("other"), "replace"),
    ("/bin", Found("link", target="/tmp"), "link"),
])
def test_what_the_container_changed_is_put_back(path, found, start) -> None:
    state = there({})
    state.found[path] = found
    made = steps({}, state)
    assert len(made) == 1 and made[0].startswith("%s %s%s" % (start, PATH, path))


@pytest.mark.parametrize("change, said", [
    ({"kind": "file"}, "not a folder"),
    ({"kind": "folder"}, "not made by lxc_rootfs"),
    ({"parent_problem": "/srv is not a folder"}, "/srv is not a folder"),
    ({"open_to_all": True}, "every user"),
    ({"kind": "empty", "mounted": [PATH]}, "mounted"),
    ({"kind": "folder", "manifest": {"kind": "archive"}}, "made by 'archive:'"),
])
def test_a_place_that_can_not_be_is_refused(change, said) -> None:
    state = observe.RootfsState(**change)
    assert said in refused(lambda: steps({}, state)).detail


def test_a_missing_parent_is_made_only_in_the_usual_place() -> None:
    state = observe.RootfsState(missing_parents=["/srv/x"], tree=tree())
    error = refused(lambda: plan.plan_present(make(path="/srv/x/web1"), state))
    assert "/srv/x" in error.detail


@pytest.mark.parametrize("change, said", [
    ({"kind": "folder"}, "no manifest"),
    ({"kind": "folder", "manifest": {}, "users": ["web1", "web2"]}, "web1, web2"),
    ({"kind": "folder", "manifest": {}, "mounted": [PATH + "/usr"]}, PATH + "/usr"),
])
def test_what_is_in_use_or_not_ours_is_not_removed(change, said) -> None:
    state = observe.RootfsState(**change)
    assert said in refused(lambda: plan.plan_absent(make(), state)).detail


def test_nothing_is_removed_where_nothing_is() -> None:
    assert plan.plan_absent(make(), observe.RootfsState()) == []


def test_another_archive_is_refused_and_the_same_left_alone() -> None:
    manifest = {"kind": "archive", "source": {"sha256": "a" * 64}}
    for digest, fine in (("a", True), ("b", False)):
        asked = spec.make_spec({"path": PATH, "archive": {
            "src": "/a.tar", "checksum": "sha256:" + digest * 64}})
        state = observe.RootfsState(kind="folder", manifest=manifest)
        if fine:
            assert plan.plan_present(asked, state) == []
        else:
            assert "a" * 64 in refused(lambda a=asked, s=state: plan.plan_present(a, s)).detail


def member(name: str, kind: bytes = tarfile.REGTYPE, **changes: t.Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in changes.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("bad, said", [
    (member("../x"), "'..'"),
    (member("a/../../x"), "'..'"),
    (member("/etc/passwd"), "absolute"),
    (member("a\0b"), "NUL"),
    (member("null", tarfile.CHRTYPE), "device node"),
    (member("sda", tarfile.BLKTYPE), "device node"),
    (member("odd", b"Z"), "unknown type"),
    (member("./"), "root folder"),
    (member("l", tarfile.LNKTYPE, linkname="/etc/shadow"), "absolute"),
    (member("l", tarfile.LNKTYPE, linkname="../shadow"), "'..'"),
    (member("l", tarfile.SYMTYPE), "to nothing"),
    (member("f", uid=100000), "100000:0"),
    (member("f", gid=-1), "0:-1"),
])
def test_a_member_that_no_honest_tree_has_is_refused(bad, said) -> None:
    error = refused(lambda: members.check_member("/a.tar", bad, devices=False))
    assert said in error.detail and error.subject == "/a.tar"


@pytest.mark.parametrize("good, path", [
    (member("./etc/passwd"), "etc/passwd"), (member("etc//x/"), "etc/x"),
    (member("./", tarfile.DIRTYPE), ""), (member("bin", tarfile.SYMTYPE, linkname="/usr"), "bin"),
    (member("up", tarfile.SYMTYPE, linkname="../../x"), "up"), (member("p", tarfile.FIFOTYPE), "p"),
])
def test_a_member_gets_its_plain_path(good, path) -> None:
    assert members.check_member("/a.tar", good, devices=False) == path


def test_devices_are_let_through_when_asked_for() -> None:
    assert members.check_member("/a.tar", member("null", tarfile.CHRTYPE), devices=True) == "null"


def test_an_options_key_with_options_is_a_key() -> None:
    line = 'from="10.0.0.0/8",no-pty ssh-ed25519 AAAAC3Nza admin'
    assert accounts.make_key_lines([line], "x") == [line]
