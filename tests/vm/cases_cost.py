# SPDX-License-Identifier: BSD-3-Clause
"""What it costs to go by a container or by iommufd (guest/cost.c): printed, never judged."""
import re

from guest import same

MAP_ROUNDS, IRQ_ROUNDS = 3, 6
PAGES = {'4k': '4 KiB pages', '2m': '2 MiB pages', 'mixed': '2 MiB and 4 KiB pages by turns'}
KINDS = {'intx': 'INTx', 'msi': 'MSI', 'msix': 'MSI-X'}


def figures(g, command, names):
    """{name: (container, iommufd)}"""
    text = g.vm.out(command, 80)
    found = {m[1]: (int(m[2]), int(m[3])) for m in re.finditer(r'^(\S+) (\d+) (\d+)$', text, re.M)}
    same(sorted(found), sorted(names), f'figures in\n{text}\n')
    return found


def maps(g, pages):
    f = figures(g, f'vm-cost map {pages} {g.nic("e1000e").address} {MAP_ROUNDS}',
                ['map', 'unmap', 'entries'])
    same(f['entries'], (1, 1), 'entries that it took of the kernel')
    for what in ('map', 'unmap'):
        g.cost(f'{what} 1 GiB, {PAGES[pages]}, one entry', *f[what])


def interrupts(g, model, kind):
    names = ['raised', 'raised-p99'] + ['unmasked', 'unmasked-p99'] * (kind == 'intx')
    f = figures(g, f'vm-cost irq {kind} {g.nic(model).address} {IRQ_ROUNDS}', names)
    for name in names:
        what = {'raised': 'to its eventfd', 'unmasked': 'until unmasked'}[name.split('-')[0]]
        g.cost(f'{KINDS[kind]} of {model} {what}, {"99 %" if "p99" in name else "half"} within',
               *f[name])
