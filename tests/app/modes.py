#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every forward mode, checked on the packets that come out of a pcap wire."""
import os
import struct
import tempfile

from app import (IP6_A, IP6_B, IP_A, IP_B, MAC_A, MAC_B, check, csum, eth, ip4, ip6, l4, pcap_read,
                 pcap_write, testpmd, verify)

TMP = tempfile.TemporaryDirectory()
SEQ = iter(range(1000))


def through(mode, frames, *args, ports=2, script=None, seconds='0.3'):
    """frames in at port 0, what port 1 (or the same one) sends out; with the report"""
    n = next(SEQ)
    src, dst = (os.path.join(TMP.name, f'{n}.{x}') for x in ('in', 'out'))
    pcap_write(src, frames)
    uris = [f'model:e1000e,wire=pcap,rx={src}' + (f',tx={dst}' if ports == 1 else '')]
    if ports == 2:
        uris.append(f'model:e1000e,wire=pcap,tx={dst}')
    more = [x for u in uris for x in ('-a', u)] + [f'--forward-mode={mode}', *args]
    if script:
        path = os.path.join(TMP.name, f'{n}.cmd')
        with open(path, 'w') as f:
            f.write(script + f'port start all\nstart\nsleep {int(float(seconds) * 1000)}\nstop\n')
        more += ['--disable-device-start', '--cmdline-file', path]
    else:
        more += ['--duration', seconds]
    j, r = testpmd(*more)
    return pcap_read(dst) if os.path.exists(dst) else [], j, r


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def sample(good=True):
    return [eth(ip4(l4(17, b'x' * 100, IP_A, IP_B, good=good), 17, good=good)),
            eth(ip4(l4(6, b'y' * 333, IP_A, IP_B, good=good), 6, good=good)),
            eth(ip6(l4(17, b'z' * 51, IP6_A, IP6_B, good=good), 17), 0x86dd),
            eth(ip6(l4(6, b'w' * 700, IP6_A, IP6_B, good=good), 6), 0x86dd)]


def swapping():
    frames = sample() + [eth(b'q' * 46, 0x88b5)]
    out, j, _ = through('io', frames)
    check(out == frames, 'io changes nothing, keeps the order')
    check(j['ports'][0]['rx_packets'] == j['ports'][1]['tx_packets'] == 5, 'counted')

    out, j, _ = through('mac', frames, '--eth-peer=1,02:11:22:33:44:55')
    want = mac('02:11:22:33:44:55') + mac(j['ports'][1]['mac'])
    check(out == [want + f[12:] for f in frames], 'mac: peer, own address')

    out, _, _ = through('macswap', frames)
    check(out == [f[6:12] + f[:6] + f[12:] for f in frames], 'macswap')

    out, _, _ = through('5tswap', frames)
    check(len(out) == 5, '5tswap passes all')
    for f, o in zip(frames, out):
        check(o[:12] == f[6:12] + f[:6], '5tswap: Ethernet')
        if f[12:14] == b'\x08\x00':
            check(o[26:34] == f[30:34] + f[26:30] and o[34:38] == f[36:38] + f[34:36], '5tswap: IPv4')
            verify(o)
        elif f[12:14] == b'\x86\xdd':
            check(o[22:54] == f[38:54] + f[22:38] and o[54:58] == f[56:58] + f[54:56], '5tswap: IPv6')
            verify(o)
        else:
            check(o[12:] == f[12:], '5tswap: the rest as it was')


def checksums():
    broken = sample(good=False)
    none = eth(ip4(struct.pack('!HHHH', 5, 6, 30, 0) + b'n' * 22, 17))
    for how in ('sw', 'hw'):
        script = ''.join(f'csum set {x} {how} all\n' for x in ('ip', 'tcp', 'udp'))
        out, j, _ = through('csum', broken + [none], script=script)
        check(len(out) == 5, f'csum {how}: all pass')
        for f, o in zip(sample(), out):
            verify(o)
            check(o[12:] == f[12:], f'csum {how}: the right sums, and nothing else changed')
            check(o[6:12] == mac(j['ports'][1]['mac']), f'csum {how}: source address')
        check(out[4][40:42] == b'\0\0', f'csum {how}: no UDP checksum stays none')
    # a jumbo frame in several buffers: the software sum crosses them at odd places too
    jumbo = eth(ip4(l4(17, bytes(i * 7 & 255 for i in range(5001)), IP_A, IP_B, good=False), 17))
    out, _, _ = through('csum', [jumbo], '--enable-scatter', '--max-pkt-len=9018')
    check(len(out) == 1 and len(out[0]) == len(jumbo), 'csum: a chained frame passes whole')
    verify(out[0])
    # and TCP that the device cuts into pieces
    data = bytes(i * 11 & 255 for i in range(5001))
    long = eth(ip4(l4(6, data, IP_A, IP_B, good=False), 6))
    out, _, _ = through('csum', [long], '--enable-scatter', '--max-pkt-len=9018',
                        script='tso set 800 1\n')
    check(len(out) == 7 and b''.join(o[54:] for o in out) == data, 'tso: cut, nothing lost')
    for o in out:
        verify(o)
    _, _, r = through('csum', broken, '--enable-rx-cksum')
    check('Bad-ipcsum: 2' in r.stdout, 'csum: bad IPv4 sums are counted')
    check('Bad-l4csum: ' in r.stdout, 'csum: bad TCP and UDP sums are counted')


def echo():
    def icmp(seq, data, kind=8):
        h = struct.pack('!BBHHH', kind, 0, 0, 77, seq) + data
        return h[:2] + struct.pack('!H', csum(h)) + h[4:]
    ask = struct.pack('!HHBBH6s4s6s4s', 1, 0x0800, 6, 4, 1, MAC_A, IP_A, bytes(6), IP_B)
    pings = [eth(ip4(icmp(i, bytes([i]) * (i * 3)), 1)) for i in range(40)]
    noise = [eth(ip4(icmp(1, b'', kind=0), 1)), eth(b'junk' * 20, 0x88b5),
             eth(ip4(icmp(1, b'to all'), 1, dst=bytes([224, 0, 0, 1]))),
             eth(ip4(b'\x08', 1)), eth(b'\x4f' + ip4(icmp(1, b''), 1)[1:])]
    tagged = eth(ip4(icmp(9, b'tag'), 1), tag=0x2005)
    out, j, _ = through('icmpecho', [eth(ask, 0x0806)] + pings + noise + [tagged], ports=1)
    own = mac(j['ports'][0]['mac'])
    check(len(out) == 42, f'icmpecho: one answer each, none to noise ({len(out)})')
    check(out[0][:12] == MAC_A + own and out[0][14:42] == struct.pack(
        '!HHBBH6s4s6s4s', 1, 0x0800, 6, 4, 2, own, IP_B, MAC_A, IP_A), 'ARP reply')
    for f, o in zip(pings, out[1:41]):
        verify(o)
        check(o[:12] == MAC_A + own and o[26:34] == IP_B + IP_A, 'echo: addresses')
        check(o[34:36] == b'\0\0' and o[38:] == f[38:], 'echo: type, data')
    check(out[41][12:16] == tagged[12:16] and out[41][38] == 0, 'echo keeps the VLAN tag')


def generators():
    out, j, _ = through('txonly', [], '--txpkts=128', ports=1, seconds='0.2')
    check(len(out) > 100 and all(len(o) == 128 for o in out), 'txonly: length')
    check(j['ports'][0]['rx_packets'] == 0, 'txonly: receives nothing')
    for o in out[:50]:
        check(csum(o[14:34]) == 0, 'txonly: IPv4 sum')
        check(o[6:12] == mac(j['ports'][0]['mac']) and o[23] == 17, 'txonly: UDP from the port')
    check(len({o[26:34] for o in out[:500]}) == 1, 'txonly: one flow')

    out, _, _ = through('txonly', [], '--txonly-multi-flow', '--txpkts=64,100,200', ports=1,
                        seconds='0.2')
    check(all(len(o) == 364 for o in out), 'txonly: segments add up')
    check(len({o[26:34] for o in out[:500]}) > 100, 'txonly: many flows')

    out, j, _ = through('flowgen', sample(), ports=1, seconds='0.2')
    check(j['ports'][0]['rx_packets'] == 4, 'flowgen receives')
    check(len({o[26:34] for o in out[:500]}) > 100, 'flowgen: many flows')

    out, j, _ = through('rxonly', sample(), ports=1)
    check(out == [] and j['ports'][0]['rx_packets'] == 4, 'rxonly')


def vlan():
    script = 'tx_vlan set 1 42\n'
    out, _, _ = through('io', sample(), script=script)
    check(len(out) == 4 and all(o[12:16] == b'\x81\x00\x00\x2a' for o in out), 'tx_vlan')
    check([o[:12] + o[16:] for o in out] == sample(), 'tx_vlan: the rest as it was')


def verbose():
    _, _, r = through('rxonly', sample(), ports=1,
                      script='set verbose 1\n')
    check(r.stdout.count('src=02:AA:BB:CC:DD:01 - dst=02:AA:BB:CC:DD:02') == 4, 'verbose')


if __name__ == '__main__':
    swapping()
    checksums()
    echo()
    generators()
    vlan()
    verbose()
