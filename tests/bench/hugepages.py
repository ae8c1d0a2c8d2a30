# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages of 2 MiB for the time of a run: taken where we may, given back after it."""
import contextlib
import os

FOLDER = '/sys/kernel/mm/hugepages/hugepages-2048kB'


def read(name):
    try:
        with open(os.path.join(FOLDER, name), encoding='ascii') as f:
            return int(f.read())
    except OSError:
        return 0


def write_total(count):
    with open(os.path.join(FOLDER, 'nr_hugepages'), 'w', encoding='ascii') as f:
        f.write(str(count))


@contextlib.contextmanager
def reserve(wanted, least, note):
    """Gives the number of free pages; `least` is what the notes ask for when they are short."""
    before = read('nr_hugepages')
    missing = wanted - read('free_hugepages')
    changed = False
    if missing > 0:
        try:
            write_total(before + missing)
            changed = True
        except OSError as e:
            if read('free_hugepages') < least:
                note(f'hugepages: {read("free_hugepages")} free, {least} wanted, and no right to '
                     f'reserve them ({e.strerror}): net_e1000_em and all hugepage rows take no '
                     f'part. Remedy: sudo sysctl vm.nr_hugepages={wanted}')
    try:
        yield read('free_hugepages')
    finally:
        if changed:
            write_total(before)
