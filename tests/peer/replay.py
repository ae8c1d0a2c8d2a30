#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""replay.py BUILD [MIB]: the kernel's traffic through our ports, byte for byte.

Two network namespaces joined by a veth pair; iperf3 sends MIB (default 64) of UDP from one to the
other, tcpdump captures it; fl-testpmd replays the capture from a pcap wire on one port to a pcap
wire on another; every frame must come out, in order, with the same bytes (padded to the 60 that
Ethernet demands).
A busy machine may capture less than was sent; half is enough to go on with.
Needs root (namespaces, capture), tcpdump, iperf3: exit 77 with the reason where one is missing.
"""
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

SIDES = ('flreplay-a', 'flreplay-b')
SKIP = 77
# The reading wire is held back by a full receive ring, but testpmd drops what finds no room to be
# sent: several times the receive ring always has room
RINGS = ['--rxd=256', '--txd=1024']
SHORTEST = 60  # Ethernet pads shorter frames


def skip(why):
    print(f'skipped: {why}')
    sys.exit(SKIP)


def ns(side, *cmd, **kw):
    return ['ip', 'netns', 'exec', side, *cmd]


def ip(*args):
    subprocess.run(['ip', *args], check=True)


def teardown():
    for side in SIDES:
        subprocess.run(['ip', 'netns', 'del', side], stderr=subprocess.DEVNULL)


def setup():
    teardown()
    for side in SIDES:
        ip('netns', 'add', side)
    ip('link', 'add', 'flra', 'netns', SIDES[0], 'type', 'veth', 'peer', 'name', 'flrb', 'netns', SIDES[1])
    for n, (side, dev) in enumerate(zip(SIDES, ('flra', 'flrb')), 1):
        ip('-n', side, 'addr', 'add', f'198.18.1.{n}/24', 'dev', dev)
        ip('-n', side, 'link', 'set', dev, 'up')


def capture(path, mib):
    """tcpdump on the receiving side while iperf3 sends; returns when both have ended"""
    dump = subprocess.Popen(ns(SIDES[1], 'tcpdump', '-i', 'flrb', '-w', path, '-B', '65536',
                               '--immediate-mode', '-s', '0', 'udp'), stderr=subprocess.DEVNULL)
    server = subprocess.Popen(ns(SIDES[1], 'iperf3', '-s', '-1'), stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        subprocess.run(ns(SIDES[0], 'iperf3', '-c', '198.18.1.2', '-u', '-b', '1G', '-l', '1400',
                          '-n', f'{mib}M'), check=True, stdout=subprocess.DEVNULL, timeout=120)
        server.wait(20)
        time.sleep(1)
    finally:
        for p in (server, dump):
            if p.poll() is None:
                p.send_signal(signal.SIGINT)
        dump.wait(20)


def frames(path):
    """yields the frames of a pcap file (either time resolution, our byte order)"""
    with open(path, 'rb') as f:
        head = f.read(24)
        if len(head) < 24 or struct.unpack('<I', head[:4])[0] not in (0xa1b2c3d4, 0xa1b23c4d):
            raise ValueError(f'{path}: not a pcap file')
        while rec := f.read(16):
            caplen = struct.unpack('<IIII', rec)[2]
            yield f.read(caplen)


def replay(build, source, sink, want):
    cmd = [os.path.join(build, 'apps', 'fl-testpmd'),
           '-a', f'model:e1000e,wire=pcap,rx={source}', '-a', f'model:e1000e,wire=pcap,tx={sink}',
           '--forward-mode=io', '--no-flush-rx', *RINGS, '--duration', '120']
    proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL)
    last, quiet = -1, 0
    while proc.poll() is None and quiet < 15:
        time.sleep(0.2)
        size = os.path.getsize(sink) if os.path.exists(sink) else 0
        quiet = quiet + 1 if size == last and size > 0 else 0
        last = size
        if size >= want:
            break
    time.sleep(0.5)
    if proc.poll() is None:
        proc.send_signal(signal.SIGINT)
    return proc.wait(30)


def main():
    build = os.path.abspath(sys.argv[1])
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get('FL_REPLAY_MIB', '64'))
    if os.geteuid() != 0:
        skip('network namespaces and capture need root')
    for tool in ('ip', 'tcpdump', 'iperf3'):
        if not shutil.which(tool):
            skip(f'{tool} is not installed')
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o777)  # tcpdump drops privileges
        source, sink = os.path.join(tmp, 'in.pcap'), os.path.join(tmp, 'out.pcap')
        try:
            setup()
            capture(source, mib)
        finally:
            teardown()
        size = os.path.getsize(source)
        rc = replay(build, source, sink, size)
        sent = got = 0
        out = frames(sink)
        for n, frame in enumerate(frames(source), 1):
            sent += len(frame)
            back = next(out, None)
            if back != frame.ljust(SHORTEST, b'\0'):
                what = 'is missing' if back is None else f'differs ({len(frame)} bytes in, {len(back)} out)'
                sys.exit(f'frame {n} {what}')
            got = n
        if next(out, None) is not None:
            sys.exit(f'more frames came out than the {got} that went in')
        print(f'{got} frames, {sent / 2**20:.1f} MiB of {mib} MiB payload wanted, the same bytes in the same order')
        if rc or sent < mib * 2**20 * 0.5:
            sys.exit(f'fl-testpmd ended with {rc}; captured {sent} bytes')


if __name__ == '__main__':
    main()
