# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as a peer: start it, talk to its prompt, read what it holds."""
import os
import re
import select
import shutil
import subprocess
import tempfile
import time

PROMPT = re.compile(r'testpmd> ')
TIMEOUT = 60.0


class PeerError(Exception):
    """The peer did not do its part; the text says why."""


def program():
    return shutil.which('dpdk-testpmd')


class Testpmd:
    """One dpdk-testpmd whose two threads both run on `cpu`."""

    def __init__(self, cpu, prefix, eal, options):
        argv = ['stdbuf', '-oL', program(), '--lcores', f'0@{cpu},1@{cpu}', '--no-pci', '--no-telemetry',
                f'--file-prefix={prefix}', *eal, '--', '-i', '--nb-cores=1', *options]
        self.began = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0)
        self.read(PROMPT)
        self.start_ms = (time.monotonic() - self.began) * 1e3

    def read(self, pattern):
        text, end = '', time.monotonic() + TIMEOUT
        while not pattern.search(text):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise PeerError(f'dpdk-testpmd says nothing for {TIMEOUT:.0f} s')
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                last = text.strip().splitlines()[-3:]
                raise PeerError('dpdk-testpmd ended: ' + ' / '.join(last))
            text += got.decode(errors='replace')
        return text

    def say(self, command, pattern):
        self.process.stdin.write((command + '\n').encode())
        return pattern.search(self.read(pattern))

    def rx_packets(self):
        """(when, packets that port 0 has received)"""
        got = self.say('show port stats 0', re.compile(r'RX-packets:\s+(\d+)(?=.*Tx-pps)', re.S))
        return time.monotonic(), int(got.group(1))

    def memory(self):
        """Resident and locked bytes. Hugepages are both; of VmLck, which counts address space
        that mlockall() covered, only what is resident."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as f:
            kib = {k: int(v) for k, v in re.findall(r'^(\w+):\s+(\d+) kB', f.read(), re.M)}
        huge = kib.get('HugetlbPages', 0)
        return (kib['VmRSS'] + huge) * 1024, (min(kib['VmLck'], kib['VmRSS']) + huge) * 1024

    def close(self):
        try:
            self.process.communicate(b'stop\nquit\n', timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.communicate()


def memory_options(huge, mib):
    if huge:
        return ['--in-memory', '--single-file-segments']
    return ['--no-huge', '--no-shconf', '-m', str(mib)]


def forward_mpps(cpus, huge, seconds, bursts):
    """
    io-forward between virtio-user and vhost, `bursts` of 32 packets sent first by each side.
    Packets that one of the two processes receives, and sends back: Mpps.
    """
    sides = []
    with tempfile.TemporaryDirectory() as folder:
        sock = os.path.join(folder, 'vhost')
        vdevs = (f'net_vhost0,iface={sock}', f'net_virtio_user0,path={sock}')
        try:
            for cpu, vdev in zip(cpus, vdevs):
                eal = memory_options(huge, 256) + ['--vdev', vdev]
                sides.append(Testpmd(cpu, f'flbench{len(sides)}', eal,
                                     ['--forward-mode=io', '--total-num-mbufs=8192']))
            for side in sides:
                side.say(f'start tx_first {bursts}', re.compile(r'packet forwarding'))
            time.sleep(0.3)
            began, before = sides[0].rx_packets()
            time.sleep(seconds)
            ended, after = sides[0].rx_packets()
        finally:
            for side in sides:
                side.close()
    return (after - before) / (ended - began) / 1e6


def start_up(cpu, huge, mbufs):
    """(ms from exec to the prompt, resident bytes, locked bytes)"""
    options = [f'--total-num-mbufs={mbufs}'] if mbufs else []
    peer = Testpmd(cpu, 'flbench0', (['--in-memory'] if huge else memory_options(False, 1024)) +
                   ['--vdev', 'net_null0'], options)
    try:
        return (peer.start_ms, *peer.memory())
    finally:
        peer.close()
