# SPDX-License-Identifier: BSD-3-Clause
"""The log of pages that a device writes to (guest/written.c), while a frame comes in."""
import re

from guest import same, true
from peer import Traffic


def one_frame(g, *options):
    """output of the program, which has received it"""
    nic = g.nic('e1000e')
    job = g.spawn(f'vm-written {g.uri(nic)} {" ".join(options)}')
    job.wait_for('^ready', 20)
    Traffic(nic.wire, send=1, expect=0).run(10)
    same(job.wait(30), 0, f'exit status of vm-written, which said:\n{job.output()}\n')
    return job.output()


def all_pinned(g):
    """type1 does not know: each page that is pinned may have been written to"""
    text = one_frame(g)
    m = re.search(r'^(\d+) of (\d+) pages$', text, re.M)
    true(m and int(m[1]) == int(m[2]) > 100, text)
    g.tried('dirty-page log: every pinned page', [g.nic('e1000e')], 'MSI-X', '1')


def refused(g):
    """QEMU's VT-d has no dirty bits in its second stage"""
    text = one_frame(g, 'refused')
    true('no dirty log: it takes Linux 6.7 and an IOMMU with dirty bits' in text, text)
