#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs lanes of cases in guests: QEMU without KVM, a kernel, busybox and our programs.

A lane is a kernel and a list of machines, a machine a list of cases; README.md here says more.
Every case is a line: its name, ok, FAIL or skip with the reason, and seconds. One that fails is tried once
more in a new guest, unless the guest's kernel complained. The last line is
"N passed, N failed, N skipped"; the exit status is 1 when something failed or nothing ran.
"""
import argparse
import json
import os
import signal
import sys
import time
import traceback

import doctable
import fetch
import initramfs
import klog
import lanes
import vm
from guest import Guest, Skip

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
CASE_SECONDS = 90
VM_SECONDS = 900


# what a guest's kernel says that only gets too little CPU, or loses a timer
STARVED = [r'INFO: rcu_', r'Call Trace:', r'\? lockdep_']


class Complaint(AssertionError):
    """of the guest's kernel: it stands, whatever a second look would give"""


class Report:
    """counts, lines on the terminal, and the rows of the table"""

    def __init__(self, total):
        self.passed = self.failed = self.skipped = self.done = 0
        self.total = total
        self.rows = []
        self.shows = sys.stdout.isatty()

    def progress(self, text):
        if self.shows:
            print(f'\r\033[K   [{self.done + 1}/{self.total}] {text}', end='', flush=True)

    def line(self, text):
        print(('\r\033[K' if self.shows else '') + text, flush=True)

    def case(self, name, result, why, seconds):
        self.done += 1
        if result == 'ok':
            self.passed += 1
        elif result == 'skip':
            self.skipped += 1
        else:
            self.failed += 1
        note = f' ({why})' if result == 'skip' else ''
        self.line(f'   {result:4} {name}{note} {seconds:.1f} s')
        if result == 'FAIL':
            lines = why.rstrip().split('\n')
            lines = lines if len(lines) < 90 else [*lines[:20], '...', *lines[-60:]]
            print('\n'.join('        ' + ln for ln in lines), flush=True)


class Runner:
    """the cases of one machine; a guest is booted when a case needs one, and anew after a failure"""

    def __init__(self, lane, machine, report, args):
        self.lane, self.machine, self.report, self.args = lane, machine, report, args
        self.vm = None
        self.misses = 0

    def boot(self):
        if self.misses > 1:
            raise vm.GuestError('not tried again: two guests in a row did not start')
        self.misses += 1
        self.start()
        bad = klog.bad_lines(self.vm.out('dmesg', 20))
        if bad and not self.args.once:  # nothing of ours runs yet; the first case judges the next one
            self.report.line(f'   unsteady, booted once more: {"; ".join(bad[:3])}')
            self.shut()
            self.start()
        Guest(self.vm, self.lane, self.machine).prepare()
        self.misses = 0

    def start(self):
        programs = [os.path.join(self.args.build, p) for p in self.lane.programs]
        with open(os.path.join(HERE, 'init.sh')) as f:
            init = f.read()
        archive = initramfs.build(os.path.join(fetch.CACHE, 'initramfs'), fetch.busybox(), init,
                                  self.lane.kernel, self.lane.modules, programs)
        start = time.time()
        self.vm = vm.VM(self.machine, self.lane.qemu, self.lane.kernel, archive,
                        self.args.build, VM_SECONDS, self.lane.patience)
        self.report.line(f'   -- {self.machine.name}: {self.machine.iommu}; '
                         f'started in {time.time() - start:.1f} s')

    def shut(self):
        if self.vm:
            self.vm.close()
            self.vm = None

    def attempt(self, case):
        """(result, reason, rows)"""
        g = None
        try:
            if not self.vm:
                self.boot()
            self.vm.deadline = time.monotonic() + CASE_SECONDS * self.lane.patience
            g = Guest(self.vm, self.lane, self.machine)
            before = g.state()
            case.run(g)
            g.stop_all()
            after = g.state()
            bad = klog.bad_lines(self.vm.kernel_log(), g.expected, g.expected_reports)
            if bad:
                raise Complaint('the kernel said:\n' + '\n'.join(bad))
            if before != after:
                raise AssertionError(f'not left as it was:\n{before}\n-- now:\n{after}')
            return 'ok', '', g.rows
        except Skip as e:
            return 'skip', str(e), []
        except (vm.GuestError, AssertionError, OSError, EOFError, RuntimeError) as e:
            why = f'{type(e).__name__}: {e}'
            if not isinstance(e, AssertionError):
                why += '\n' + ''.join(traceback.format_tb(e.__traceback__)[-3:])
            said, log = self.last_words(g)
            if g and klog.bad_lines(log, [*g.expected, *STARVED], g.expected_reports):
                why = f'Complaint: {why}'
            return 'FAIL', f'{why}{said}\n-- kernel log:\n' + '\n'.join(log.splitlines()[-25:]), g.rows if g else []

    def last_words(self, g):
        """what programs and the kernel said, and the end of the guest: the next case gets a new one"""
        if not self.vm:
            return '', ''
        said = text = ''
        try:
            said = g.jobs_said() if g else ''
            text = self.vm.kernel_log()
        except (vm.GuestError, AssertionError, OSError):
            pass
        console = self.vm.close()
        self.vm = None
        return said, text or console

    def run(self, cases):
        try:
            for case in cases:
                self.report.progress(case.name)
                start = time.time()
                result, why, rows = self.attempt(case)
                if result == 'FAIL' and not (self.args.once or why.startswith('Complaint:')):
                    said = '; '.join(line.strip() for line in why.splitlines()[:6])
                    self.report.line(f'   unsteady, tried once more: {case.name}: {said}')
                    result, why, rows = self.attempt(case)
                self.report.case(case.name, result, why, time.time() - start)
                for r in rows:
                    if r.get('table') == 'cost':
                        self.report.line(f'        {r["what"]}: container {r["container"]}, '
                                         f'iommufd {r["iommufd"]}: {r["ratio"]}')
                    elif r.get('table') == 'said':
                        self.report.line(f'        {r["what"]}')
                    self.report.rows.append({**r, 'result': 'ok' if result == 'ok' else 'failed'})
        finally:
            self.shut()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('lanes', nargs='*', metavar='LANE', help=', '.join(lanes.LANES))
    ap.add_argument('--build', default=os.path.join(ROOT, 'build'), help='Meson build folder')
    ap.add_argument('-k', metavar='TEXT', default='', help='only cases whose name has it')
    ap.add_argument('--list', action='store_true', help='only name the cases')
    ap.add_argument('--doc', metavar='FILE', help='rewrite the tables of this page with the results')
    ap.add_argument('--warm', action='store_true',
                    help='only exit with 0 if what the lanes take minutes to make is in the cache')
    ap.add_argument('--left-out', action='store_true', help='only say why a run of everything has not these lanes')
    ap.add_argument('--once', action='store_true', help='a case that fails is not tried again')
    args = ap.parse_args()
    for name in args.lanes:
        if name not in lanes.LANES:
            ap.error(f'no lane {name}')
    os.environ['LC_ALL'] = 'C'
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # guests end with us
    if args.warm:
        return 0 if all(lanes.LANES[name].warm() for name in args.lanes) else 1
    if args.left_out:
        print('\n'.join(lanes.LANES[name].left_out() for name in args.lanes))
        return 0
    passed = failed = skipped = 0
    for name in args.lanes:
        plan = [(m, [c for c in cases if args.k in c.name]) for m, cases in lanes.LANES[name].plan]
        if args.list:
            print('\n'.join(f'{name}/{c.name}' for _, cases in plan for c in cases))
            continue
        start = time.time()
        report = Report(sum(len(c) for _, c in plan))
        print(f'== lane vm-{name}', flush=True)
        try:
            lane = lanes.LANES[name].ready()
        except (fetch.Error, OSError) as e:
            lane = None
            report.case(f'{name}: kernel and QEMU', 'FAIL', str(e), time.time() - start)
        if lane:
            print(f'   Linux {lane.kernel.version}, QEMU {lane.qemu.version}', flush=True)
            for machine, cases in plan:
                if cases:
                    Runner(lane, machine, report, args).run(cases)
            os.makedirs(os.path.join(args.build, 'vm'), exist_ok=True)
            with open(os.path.join(args.build, 'vm', f'{name}.json'), 'w') as f:
                json.dump(report.rows, f, indent=1)
            if not (args.k or report.failed):
                lanes.passed(name)
        print(f'== lane vm-{name}: {report.passed} passed, {report.failed} failed, '
              f'{report.skipped} skipped ({time.time() - start:.0f} s)', flush=True)
        passed, failed = passed + report.passed, failed + report.failed
        skipped += report.skipped
    if args.list:
        return 0
    if args.doc:
        doctable.write(args.doc, os.path.join(args.build, 'vm'))
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
