# SPDX-License-Identifier: BSD-3-Clause
"""Page requests that are answered wrongly, by knobs of the device or by who resolves: that does no harm."""
import re

from guest import same, true

GROUPS = 512
SUCCESS, FAILURE = 0, 2 << 16
FULL = 40
PROCESS = ['lies', 'refuses', 'makes-up', 'too-late']  # of vm-fault


class Device:
    """what QEMU shows of a fl-hisi-sec"""

    def __init__(self, g, model, which=0):
        self.g, self.nic = g, g.nic(model, which)
        self.path = f'/machine/peripheral/{self.nic.id}'

    def counts(self):
        text = self.g.vm.qmp('qom-get', path=self.path, property='stats')
        return {k: int(n) for k, n in re.findall(r'([\w-]+)=(\d+)', text)}

    def set(self, name, value):
        self.g.vm.qmp('qom-set', path=self.path, property=name, value=value)

    def works(self, case='both-at-once'):
        """every byte of it"""
        rc, text = self.g.vm.sh(f'vm-fault {case} {self.g.uri(self.nic)}', 60)
        true(rc == 0 and text.strip().endswith('right'), f'{case}: status {rc}:\n{text.strip()}')


def strays(g, model):
    """answers to all groups that nobody asked for, while others are asked for"""
    d = Device(g, model)
    before = d.counts()
    job = g.spawn(f'vm-fault cold {g.uri(d.nic)} {32 << 20}')
    for i in range(GROUPS):
        d.set('x-answer', SUCCESS | i)
    same(job.wait(60), 0, f'exit status of vm-fault, which said:\n{job.output()}\n')
    after = d.counts()
    true(after['strays'] - before['strays'] > GROUPS // 2, f'answers of nobody\'s: {before}, then {after}')
    same(after['outstanding'], 0, 'requests without an answer')
    d.works()


def full(g, model):
    """the IOMMU's queue takes no more for a while: what was refused is asked for again"""
    d = Device(g, model)
    before = d.counts()
    d.set('x-full', FULL)
    d.works()
    after = d.counts()
    same(after['full'] - before['full'], FULL, 'requests that found the queue full')
    same(after['outstanding'], 0, 'requests without an answer')


def failure(g, model):
    """answers that end the device's page requests until it is reset: nothing waits for ever"""
    d = Device(g, model)
    before = d.counts()
    job = g.spawn(f'vm-fault hold {g.uri(d.nic)}')
    job.wait_for('^pending', 20)
    held = d.counts()['outstanding']
    true(held > 0, 'no request waits')
    for i in range(GROUPS):
        d.set('x-answer', FAILURE | i)
    after = d.counts()
    same(after['outstanding'], 0, 'requests without an answer')
    same(after['failure'] - before['failure'], held, 'failures')
    job.kill(9)
    same(job.wait(20), 137, 'exit status')
    d.works()  # what opens it resets it


def process(g, model, how):
    """the one that resolves"""
    Device(g, model).works(how)
