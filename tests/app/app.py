# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the programs share: running them, capture files, packets and checksums."""
import json
import os
import struct
import subprocess
import sys
import tempfile

BUILD = sys.argv[1]
TESTPMD = os.path.join(BUILD, 'apps', 'fl-testpmd')
DEVINFO = os.path.join(BUILD, 'apps', 'fl-devinfo')
TIMEOUT = 60


def check(cond, what):
    if not cond:
        sys.exit(f'FAILED: {what}')


def skip(why):
    print(f'skipped: {why}')
    sys.exit(77)


def run(*cmd, rc=0, **more):
    """runs a program that has to end with rc; returns what it printed"""
    r = subprocess.run(cmd, capture_output=True, text=True, timeout=TIMEOUT,
                       stdin=None if 'input' in more else subprocess.DEVNULL, **more)
    if rc is not None and r.returncode != rc:
        sys.exit(f'FAILED: exit code {r.returncode}, not {rc}: {" ".join(cmd)}\n{r.stdout}{r.stderr}')
    return r


def testpmd(*args, **more):
    """one run with --json; returns its report and output"""
    with tempfile.NamedTemporaryFile('r', suffix='.json') as f:
        r = run(TESTPMD, *args, '--json', f.name, **more)
        return json.load(f), r


# ---- capture files

def pcap_write(path, frames):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, p in enumerate(frames):
            f.write(struct.pack('<IIII', i, 0, len(p), len(p)) + p)


def pcap_read(path):
    with open(path, 'rb') as f:
        data = f.read()
    check(data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1'), f'{path} is a capture file')
    out, at = [], 24
    while at < len(data):
        caplen, length = struct.unpack_from('<II', data, at + 8)
        check(caplen == length, 'a frame is cut')
        out.append(data[at + 16:at + 16 + caplen])
        at += 16 + caplen
    return out


# ---- packets

MAC_A, MAC_B = bytes.fromhex('02aabbccdd01'), bytes.fromhex('02aabbccdd02')
IP_A, IP_B = bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6])
IP6_A, IP6_B = bytes.fromhex('fd00' + '00' * 13 + '01'), bytes.fromhex('fd00' + '00' * 13 + '02')


def csum(data):
    data += b'\0' * (len(data) % 2)
    s = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def eth(payload, kind=0x0800, src=MAC_A, dst=MAC_B, tag=None):
    vlan = b'' if tag is None else struct.pack('!HH', 0x8100, tag)
    return (dst + src + vlan + struct.pack('!H', kind) + payload).ljust(60, b'\0')


def ip4(payload, proto, src=IP_A, dst=IP_B, good=True):
    h = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 7, 0, 64, proto, 0, src, dst)
    c = csum(h) if good else 0xdead
    return h[:10] + struct.pack('!H', c) + h[12:] + payload


def ip6(payload, proto, src=IP6_A, dst=IP6_B):
    return struct.pack('!IHBB16s16s', 6 << 28, len(payload), proto, 64, src, dst) + payload


def l4(proto, payload, src, dst, sport=1111, dport=2222, good=True):
    """a UDP (17) or TCP (6) segment, with its checksum over the pseudo header"""
    if proto == 17:
        head = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0)
        at = 6
    else:
        head = struct.pack('!HHIIBBHHH', sport, dport, 1, 2, 0x50, 0x18, 500, 0, 0)
        at = 16
    seg = head + payload
    c = csum(src + dst + struct.pack('!IHH', len(seg), 0, proto) + seg) if good else 0xbeef
    return seg[:at] + struct.pack('!H', c) + seg[at + 2:]


def verify(frame):
    """every checksum of an IP frame is right"""
    kind, = struct.unpack_from('!H', frame, 12)
    p = frame[14:]
    if kind == 0x0800:
        check(csum(p[:20]) == 0, 'IPv4 header checksum')
        length, proto = struct.unpack_from('!H', p, 2)[0], p[9]
        seg, addrs = p[20:length], p[12:20]
    else:
        length, proto = struct.unpack_from('!H', p, 4)[0], p[6]
        seg, addrs = p[40:40 + length], p[8:40]
    pseudo = b'' if proto == 1 else addrs + struct.pack('!IHH', len(seg), 0, proto)
    check(csum(pseudo + seg) == 0, f'checksum of protocol {proto}')
