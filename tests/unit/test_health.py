# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc/net/tcp says of ports (Documentation/networking/proc_net_tcp.rst of the kernel)."""
from __future__ import annotations

from ansible_collections.fleet.lxc.plugins.module_utils._container import health

TCP = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:0A0A 0100007F:D431 06 00000000:00000000 00:00000000 00000000     0        0 0 1
"""
TCP6 = b"""\
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:0
"""


def test_only_what_listens() -> None:
    assert health.listening(TCP) == {22, 8080}
    assert health.listening(TCP6) == {443}
    assert health.listening(b"") == set()
