# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's own tests, each line of whose TAP counts, and the patched modules beside Debian's."""
import contextlib
import re

import leaks
from guest import same, true

LINE = re.compile(r'^(not ok|ok) \d+ (\S+)(?: # (SKIP))?', re.M)
ROUNDS = 8
# what is known to fail on 6.12 with and without the patches: the tests are newer than that kernel
OLDER = {'iommufd': [r'iommufd_ioas\.(mock_domain|two_mock_domain|mock_domain_limit)\.get_hw_info'],
         'vfio_dma_mapping_test': [r'vfio_dma_map_limit_test\.vfio_type1(v2)?_iommu\.overflow']}


def results(text):
    """{test: ok, FAIL or skip} of a program's TAP"""
    found = {}
    for word, name, skipped in LINE.findall(text):
        found[name] = 'skip' if skipped else 'ok' if word == 'ok' else 'FAIL'
    plan = re.search(r'^1\.\.(\d+)$', text, re.M)
    true(plan and int(plan[1]) == len(found), f'{len(found)} results of {plan and plan[1]}:\n{text[-2000:]}')
    return found


def said(text, name):
    """what a test said of itself"""
    m = re.search(rf'^#  RUN +{re.escape(name)} \.\.\.\n(.*?)^(?:not )?ok \d+ {re.escape(name)}', text, re.M | re.S)
    return f'{name}:\n{m[1]}' if m else name


def run(g, command, seconds, failing=(), skipping=()):
    """all of a program's tests pass, but for those that are known to fail, and do, and those that may be left out"""
    job = g.spawn(command)
    job.wait(seconds * g.lane.patience)
    text = job.output()
    found = results(text)

    def known(name, patterns):
        return any(re.fullmatch(p, name) for p in patterns)

    bad = [n for n, r in found.items() if (r == 'FAIL') != known(n, failing)
           or (r == 'skip' and not known(n, skipping))]
    true(not bad, 'not as expected:\n' + '\n'.join(said(text, n) for n in bad))
    count = [sum(r == w for r in found.values()) for w in ('ok', 'FAIL', 'skip')]
    true(count[0] > 0, 'none passed')
    program = next(w for w in command.split() if w != 'env' and '=' not in w)
    g.say(f'{program}: {count[0]} ok, {count[1]} known not to be, {count[2]} skipped')


@contextlib.contextmanager
def hugepages(g, n):
    knob = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages'
    before = g.vm.out(f'cat {knob}; echo {n} >{knob}').split()[0]
    try:
        yield
    finally:
        g.vm.out(f'echo {before} >{knob}')


def fault_command(g, model):
    return (f'env VFIO_FAULT_GROUP={g.group(g.nic(model))} VFIO_PINNED_GROUP={g.group(g.nic("e1000e"))} '
            'vfio_fault')


def vfio_fault(g, model):
    """the interface of mappings that fault, without DMA"""
    with hugepages(g, 2):
        run(g, fault_command(g, model), 60)


def leak(g, model):
    """containers, mappings and processes come and go, and all that was theirs does"""
    command = fault_command(g, model)
    rounds = ROUNDS if g.lane.patience == 1 else 1  # where kmemleak counts, too, and once is enough for it
    again = f'i=0; while [ $i -lt {rounds} ]; do {command} >/dev/null || exit 1; i=$((i+1)); done'
    with hugepages(g, 2):
        run(g, command, 60)
        for last in (False, False, True):  # a leak is there each time; what the kernel keeps for later is not
            try:
                with leaks.counted(g, ROUNDS * 8):
                    g.vm.out(again, 60 * rounds * g.lane.patience)
                return
            except AssertionError:
                if last:
                    raise


def replaced(g, model):
    """our modules go, Debian's own takes their place and has nothing of ours, and the other way"""
    version = 'cat /sys/module/vfio_iommu_type1/version'
    same(g.vm.out(version), '0.2.1', 'version of the patched module')
    g.vm.out('rmmod vfio_iommu_type1; rmmod vfio_iommu_fault; unxz -c /bin/vfio_iommu_type1.ko.xz >/tmp/stock.ko; '
             'insmod /tmp/stock.ko')
    same(g.vm.out(version), '0.2', "version of Debian's module")
    text = g.vm.out(fault_command(g, model), 30)
    same(set(results(text).values()), {'skip'}, 'results with a kernel that knows nothing of faults')
    g.vm.out('rmmod vfio_iommu_type1; rm /tmp/stock.ko; '
             'insmod /mod/vfio_iommu_fault.ko && insmod /mod/vfio_iommu_type1.ko')
    same(g.vm.out(version), '0.2.1', 'version of the patched module')
    vfio_fault(g, model)


def iommufd(g, name, seconds):
    """with its own mock of a device, which on 6.12 an IOMMU that is there would take for its own"""
    g.vm.out('mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; true')
    with hugepages(g, 80):
        run(g, name, seconds, OLDER.get(name, ()))


def vfio_pci(g, model, series):
    """those of 7.2, of a device that is bound to vfio-pci"""
    address = g.nic(model).address
    for name in ('vfio_dma_mapping_test', 'vfio_dma_mapping_mmio_test', 'vfio_iommufd_setup_test',
                 'vfio_pci_device_test'):
        with hugepages(g, 2):
            run(g, f'{name} {address}', 60, OLDER.get(name, ()) if series == '6.12' else (),
                [r'.*hugetlb_1gb.*', r'vfio_pci_irq_test\..*'])
