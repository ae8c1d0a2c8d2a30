#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`make lab`: all that shows devices faulting in, built and run. `make lab-STEP` is one step of it:

  qemu            QEMU with page requests and our SEC2 as a device of it
  module          the patched VFIO modules for Debian's own 6.12 kernel
  patches         a check that each of them applies, compiles by itself and has the kernel's style
  kernel-NAME     the kernel of lane NAME: fault-iommufd (7.2, as shipped), series (6.12 with the
                  patches), lockdep (the same, watching itself)
  fault-type1, fault-iommufd, series, lockdep
                  the guests of that lane; builds what of the above it needs
  density         how many processes with 64 MiB of DMA buffers each a guest holds, pinned and lazy; by name
  boot            lab.py boot LANE [MACHINE]: a shell in a guest, with the programs of build-test/gcc

What is in the cache is not built again; lockdep, the longest, runs until it has passed with these patches.
"""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'vm'))
import fetch      # noqa: E402
import guest      # noqa: E402
import initramfs  # noqa: E402
import lanes      # noqa: E402
import vm         # noqa: E402

ALWAYS = ['fault-type1', 'fault-iommufd', 'series', 'lockdep']
GUESTS = [*ALWAYS, 'density']
BUILD = os.path.join(ROOT, 'build-test', 'gcc')


def guests(*names):
    """boots and runs; says itself how it goes"""
    if subprocess.run([os.path.join(ROOT, 'tests', 'run.py'), *(f'vm-{n}' for n in names)]).returncode:
        sys.exit(1)


STEPS = {'qemu': lambda: lanes.qemu.built().argv[0],
         'module': lambda: lanes.patched_kernel().modules[-1],
         'patches': lambda: lanes.module.run(lanes.PATCHES + '/lint.py', '--compile').strip(),
         **{f'kernel-{n}': lambda n=n: lanes.built_for(n).image for n in lanes.BUILDS}}


def build(name):
    start = time.time()
    print(f'== lab {name}: {STEPS[name]()} ({time.time() - start:.0f} s)', flush=True)


def boot(name, *which):
    """a line goes to a shell of the guest, what it says comes back; it ends with the input"""
    lane = lanes.LANES[name].ready()
    machine = next(m for m, _ in lane.plan if not which or m.name == which[0])
    with open(os.path.join(ROOT, 'tests', 'vm', 'init.sh')) as f:
        archive = initramfs.build(os.path.join(fetch.CACHE, 'initramfs'), fetch.busybox(), f.read(),
                                  lane.kernel, lane.modules, [os.path.join(BUILD, p) for p in lane.programs])
    there = vm.VM(machine, lane.qemu, lane.kernel, archive, BUILD, 24 * 3600, lane.patience)
    try:
        guest.Guest(there, lane, machine).prepare()
        print(f'{machine.name}: {machine.iommu}; ' + ', '.join(f'{n.model} {n.address}' for n in machine.nics))
        while line := prompt():
            status, text = there.sh(line, 600)
            print(text.rstrip('\n') + (f'\n[{status}]' if status else ''), flush=True)
    finally:
        there.close()


def prompt():
    if sys.stdin.isatty():
        print('# ', end='', flush=True)
    return sys.stdin.readline()


def due():
    """of the guests that nobody named"""
    if not lanes.has_passed('lockdep'):
        return ALWAYS
    print('== lab lockdep: left out: it passed on this kernel: make lab-lockdep', flush=True)
    return [n for n in ALWAYS if n != 'lockdep']


def main():
    steps = sys.argv[1:] or [*STEPS, *due()]
    if steps[0] == 'boot' and 2 <= len(steps) <= 3 and steps[1] in lanes.LANES:
        return boot(*steps[1:])
    unknown = set(steps) - set(STEPS) - set(GUESTS)
    if unknown:
        sys.exit(f'{__doc__}\nlab: no step {", ".join(unknown)}')
    for name in (s for s in steps if s in STEPS):
        build(name)
    run = [s for s in steps if s in GUESTS]
    return guests(*run) if run else None


if __name__ == '__main__':
    try:
        main()
    except (fetch.Error, vm.GuestError, OSError, subprocess.CalledProcessError) as e:
        sys.exit(f'lab: {e}')
    except KeyboardInterrupt:
        sys.exit('lab: interrupted')
