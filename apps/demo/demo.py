#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""make demo: the main job on modelled hardware, as any user, then one table.

1 forward   two modelled 82574L ports joined by a wire, io-forward, live rate
2 ping      the kernel's ping against icmpecho behind a tap wire
3 echo      the frames of that ping exchange, captured, sent again and echoed byte for byte
4 crypto    a file through the modelled SEC2 accelerator and back, beside the openssl command, and
            the device beside the software one

2 and 3 run in a network namespace of their own (no privilege where user namespaces are allowed)
and are left out, with the reason, where /dev/net/tun cannot be used. Exit 0 only if all that ran
was as it should be.
"""
import argparse
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from crypto import crypto

HERE = os.path.dirname(os.path.abspath(__file__))
TX_FIRST = 64  # packets that --tx-first puts on the wire: a burst of 32 from each port
ETH_P_ALL = 3
SHORTEST = 60  # bytes of an Ethernet frame without FCS


def testpmd(build, *args):
    return [os.path.join(build, 'apps', 'fl-testpmd'), *args]


def forward(build, seconds, out):
    """part 1; returns the row of the table"""
    wire = 'model:e1000e,wire=demo'
    # on a terminal fl-testpmd keeps one live line by itself
    live = [] if sys.stdout.isatty() else ['--stats-period', '1']
    try:
        r = subprocess.run(testpmd(build, '-a', wire, '-a', wire, '--forward-mode=io', '--tx-first',
                                   '--duration', str(seconds), *live, '--json', out),
                           stdin=subprocess.DEVNULL)
        if r.returncode:
            return row('forward', False, note=f'fl-testpmd ended with {r.returncode}')
        with open(out) as f:
            j = json.load(f)
    except (OSError, ValueError) as e:
        return row('forward', False, note=str(e))
    t, m = j['total'], j['memory']
    lost = t['rx_dropped'] + t['tx_dropped']
    ok = t['rx_packets'] > 0 and not lost and 0 <= t['tx_packets'] - t['rx_packets'] <= TX_FIRST
    return row('forward', ok, rx=t['rx_packets'], tx=t['tx_packets'], lost=lost, mpps=t['mpps'],
               locked=m['locked_bytes'],
               note=f"first packet after {j['first_packet_ms'] or 0:.0f} ms; "
                    f"packet memory {j['residency']}, {m['mapped_bytes'] >> 20} of "
                    f"{m['owned_bytes'] >> 20} MiB mapped; "
                    f"{t['tx_packets'] - t['rx_packets']} on the wire at the stop")


def row(part, ok, **more):
    return {'part': part, 'ok': ok, **more}


# ---- inside the namespace -------------------------------------------------------------------

def ip(*args):
    subprocess.run(['ip', *args], check=True, capture_output=True)


def wait_for_interface(name, proc, seconds):
    """by its index: /sys still shows the namespace that it was mounted in"""
    end = time.time() + seconds
    while True:
        try:
            return socket.if_nametoindex(name)
        except OSError:
            if time.time() > end or proc.poll() is not None:
                raise RuntimeError(f'the interface {name} did not appear within {seconds} s')
        time.sleep(0.02)


class Port:
    """fl-testpmd on one tap port for the length of a with block"""

    def __init__(self, build, tap, *args):
        self.cmd = testpmd(build, '-a', f'model:e1000e,wire=tap:{tap}', *args)
        self.tap = tap

    def __enter__(self):
        self.log = tempfile.TemporaryFile('w+')
        self.proc = subprocess.Popen(self.cmd, stdin=subprocess.DEVNULL, stdout=self.log,
                                     stderr=subprocess.STDOUT)
        try:
            wait_for_interface(self.tap, self.proc, 5)
            ip('link', 'set', self.tap, 'up')
        except Exception as e:
            self.proc.terminate()
            self.proc.wait()
            self.log.seek(0)
            said = [ln for ln in self.log.read().split('\n') if 'error' in ln]
            raise RuntimeError(said[0] if said else str(e))
        return self

    def __exit__(self, *exc):
        self.proc.terminate()
        self.proc.wait(10)
        self.log.close()


def sniffer(tap):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((tap, ETH_P_ALL))
    return s


def drain(s, seconds=0.0):
    """frames that have come, as (outgoing, bytes)"""
    frames = []
    end = time.time() + seconds
    while select.select([s], [], [], max(0, end - time.time()))[0]:
        data, addr = s.recvfrom(65536)
        frames.append((addr[2] == socket.PACKET_OUTGOING, data))
    return frames


def ping(build, count):
    tap = 'flping'
    with Port(build, tap, '--forward-mode=icmpecho'):
        ip('addr', 'add', '198.18.0.1/24', 'dev', tap)
        with sniffer(tap) as s:
            time.sleep(0.2)
            r = subprocess.run(['ping', '-c', str(count), '-i', '0.01', '-W', '1', '198.18.0.2'],
                               capture_output=True, text=True)
            frames = [f for _, f in drain(s, 0.1)]
    line = next((ln for ln in r.stdout.split('\n') if 'packet loss' in ln), r.stderr.strip())
    sent, got = (int(w.split()[0]) for w in line.split(', ')[:2]) if 'loss' in line else (count, 0)
    return row('ping', r.returncode == 0 and sent == got == count, rx=sent, tx=got,
               lost=sent - got, note=next((x for x in line.split(', ') if 'loss' in x), line)), frames


def comes_back(s, frame, seconds):
    """sends a frame and waits for its echo, padded as Ethernet demands"""
    s.send(frame)
    frame = frame.ljust(SHORTEST, b'\0')
    end = time.time() + seconds
    while time.time() < end:
        if frame in (d for outgoing, d in drain(s, 0.01) if not outgoing):
            return True
    return False


def echo(build, frames):
    tap = 'flecho'
    with Port(build, tap, '--forward-mode=io', '--port-topology=loop'), sniffer(tap) as s:
        # what is sent before the port forwards is flushed: the first echo says that it does
        if not any(comes_back(s, frames[0], 0.1) for _ in range(50)):
            raise RuntimeError('no echo within 5 s')
        drain(s, 0.2)
        got = sum(comes_back(s, f, 1) for f in frames)
    return row('echo', got == len(frames), rx=len(frames), tx=got, lost=len(frames) - got,
               note='captured frames, compared byte for byte')


def inside(build, count):
    rows = []
    try:
        ip('link', 'set', 'lo', 'up')
        first, frames = ping(build, count)
        rows = [first, echo(build, frames[:200])]
    except (RuntimeError, OSError, subprocess.SubprocessError) as e:
        rows.append(row('tap', False, note=str(e)))
    print(json.dumps(rows))


def tap_parts(build, count):
    """runs inside() in a namespace of its own; None and the reason where that cannot be"""
    try:
        os.close(os.open('/dev/net/tun', os.O_RDWR))
    except OSError as e:
        return None, f'/dev/net/tun: {e.strerror}'
    if not shutil.which('unshare'):
        return None, 'unshare(1) is missing (package util-linux)'
    flags = ['-n'] if os.geteuid() == 0 else ['-r', '-n']
    if subprocess.run(['unshare', *flags, 'true'], capture_output=True).returncode:
        return None, 'network namespaces are not allowed here'
    r = subprocess.run(['unshare', *flags, sys.executable, os.path.abspath(__file__), build,
                        '--inside', '--pings', str(count)], capture_output=True, text=True)
    if r.returncode:
        return [row('tap', False, note=r.stderr.strip().split('\n')[-1])], None
    return json.loads(r.stdout.split('\n')[-2]), None


def human(n):
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if n < 1024 or unit == 'GiB':
            return f'{n:.0f} {unit}'
        n /= 1024


def table(rows, left_out):
    print(f"\n{'part':9} {'Mpps':>6} {'packets in':>12} {'out':>12} {'lost':>5} {'locked':>8} "
          f"{'ok':>4} note")
    print(*('-' * n for n in (9, 6, 12, 12, 5, 8, 4)), '-' * 50)
    for r in rows:
        mpps = f"{r['mpps']:.2f}" if 'mpps' in r else '-'
        locked = human(r['locked']) if 'locked' in r else '-'
        print(f"{r['part']:9} {mpps:>6} {r.get('rx', 0):>12,} {r.get('tx', 0):>12,} "
              f"{r.get('lost', 0):>5} {locked:>8} {'yes' if r['ok'] else 'NO':>4} {r.get('note', '')}")
    if left_out:
        print(f'ping and echo left out: {left_out}')


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument('build')
    ap.add_argument('--seconds', type=int, default=5)
    ap.add_argument('--pings', type=int, default=100)
    ap.add_argument('--crypto', default='model:hisi_sec', metavar='URI')
    ap.add_argument('--inside', action='store_true', help=argparse.SUPPRESS)
    args = ap.parse_args()
    build = os.path.abspath(args.build)
    if args.inside:
        inside(build, args.pings)
        return
    print('Two modelled 82574L ports joined by a wire, io-forward:', flush=True)
    with tempfile.TemporaryDirectory() as tmp:
        rows = [forward(build, args.seconds, os.path.join(tmp, 'out.json'))]
    print('A tap wire: ping, then the captured frames echoed ...', flush=True)
    more, left_out = tap_parts(build, args.pings)
    rows += more or []
    table(rows, left_out)
    with tempfile.TemporaryDirectory() as tmp:
        right = crypto(build, args.crypto, tmp)
    sys.exit(0 if right and all(r['ok'] for r in rows) else 1)


if __name__ == '__main__':
    main()
