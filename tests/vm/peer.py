# SPDX-License-Identifier: BSD-3-Clause
"""The far end of a guest's NIC: a UNIX socket that QEMU puts the frames of a device on.

Nothing is dropped on the way: QEMU leaves frames in the socket while the device cannot take them,
and holds the device's own while the socket is full. So what is missing was lost by the guest.
"""
import os
import select
import socket
import struct
import threading
import time

SIZES = (60, 1514, 64, 128, 60, 594, 60, 1024)
ETHERTYPE = b'\x88\xb5'  # for local experiments
PAD = bytes(i & 0xff for i in range(1600))
SOURCE = b'\x02\x00\x00\x00\x00\x01'


def payload(number):
    """what follows the addresses of frame `number`"""
    return ETHERTYPE + struct.pack('>Q', number) + PAD[:SIZES[number % len(SIZES)] - 22]


class Stream:
    """`-netdev stream`: four bytes of length, then the frame."""

    def __init__(self, folder, name):
        self.name = name
        self.path = os.path.join(folder, f'{name}.sock')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.sock = None
        self.out = self.part = b''

    def netdev(self):
        return {'type': 'stream', 'id': self.name, 'server': False,
                'addr': {'type': 'unix', 'path': self.path}}

    def connect(self, seconds):
        if not self.sock:
            self.listener.settimeout(seconds)
            self.sock = self.listener.accept()[0]
            self.sock.setblocking(False)

    def send(self, frames=()):
        """True when all has gone; what has not goes first the next time"""
        self.out += b''.join(struct.pack('>I', len(f)) + f for f in frames)
        try:
            self.out = self.out[self.sock.send(self.out):]
        except BlockingIOError:
            pass
        return not self.out

    def recv(self):
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError(f'{self.name}: QEMU hung up')
        data = self.part + data
        frames, at = [], 0
        while len(data) - at >= 4:
            n = int.from_bytes(data[at:at + 4], 'big')
            if len(data) - at - 4 < n:
                break
            frames.append(data[at + 4:at + 4 + n])
            at += 4 + n
        self.part = data[at:]
        return frames

    def close(self):
        for s in (self.sock, self.listener):
            if s:
                s.close()
        os.unlink(self.path)


class Dgram:
    """`-netdev dgram`: a frame is a datagram."""

    def __init__(self, folder, name):
        self.name = name
        self.path = os.path.join(folder, f'{name}.peer')
        self.qemu = os.path.join(folder, f'{name}.qemu')
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.setblocking(False)
        self.out = []

    def netdev(self):
        return {'type': 'dgram', 'id': self.name, 'local': {'type': 'unix', 'path': self.qemu},
                'remote': {'type': 'unix', 'path': self.path}}

    def connect(self, seconds):
        end = time.monotonic() + seconds
        while True:
            try:
                return self.sock.connect(self.qemu)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def send(self, frames=()):
        self.out += frames
        for i, f in enumerate(self.out):
            try:
                self.sock.send(f)
            except BlockingIOError:
                self.out = self.out[i:]
                return False
        self.out = []
        return True

    def recv(self):
        frames = []
        try:
            while len(frames) < 256:
                frames.append(self.sock.recv(65536))
        except BlockingIOError:
            pass
        return frames

    def close(self):
        self.sock.close()
        os.unlink(self.path)


class Traffic:
    """Numbered frames out on one wire, looked for on another (or the same): counted and checked.

    send    frames to send (None: until stop())
    expect  frames to wait for; by default those sent
    window  how many may be under way; None: as many as the guest takes, nothing is awaited
    check   ours are looked for, in order and whole; else all that comes is only counted
    """

    runs = 0

    def __init__(self, out, back=None, send=0, expect=None, window=128, check=True,
                 to=b'\xff' * 6):
        self.out, self.back = out, back or out
        self.goal = send
        self.expect = send if expect is None else expect
        self.window, self.check = window, check
        self.head = to + SOURCE
        Traffic.runs += 1
        self.base = Traffic.runs << 32  # what an earlier run left on the way is not ours
        self.sent = self.received = self.lost = self.wrong = self.others = self.next = 0
        self.end = 0
        self.error = None
        self.stopping = threading.Event()
        self.thread = None

    def _send(self):
        room = 64 if self.window is None else self.window - (self.sent - self.next)
        if self.goal is not None:
            room = min(room, self.goal - self.sent)
        n = 0 if self.stopping.is_set() else max(0, min(room, 64))
        first = self.base + self.sent
        done = self.out.send([self.head + payload(first + i) for i in range(n)])
        self.sent += n
        return done

    def _take(self, frame):
        if not self.check:
            self.received += 1
            return
        number = int.from_bytes(frame[14:22], 'big') - self.base
        # the guest's own (IPv6 looks for routers), or of an earlier run
        if frame[12:14] != ETHERTYPE or number < 0:
            self.others += 1
            return
        self.received += 1
        if frame[12:] != payload(self.base + number) or number < self.next:
            self.wrong += 1
            return
        self.lost += number - self.next
        self.next = number + 1

    def _done(self):
        all_sent = self.stopping.is_set() or (self.goal is not None and self.sent >= self.goal)
        expect = self.sent if self.expect is None else self.expect
        return all_sent and not self.out.out and self.received >= expect

    def run(self, seconds):
        """until all is done, or for as long as that; returns itself"""
        self.end = time.monotonic() + seconds
        self.out.connect(seconds)
        self.back.connect(seconds)
        while not self._done() and time.monotonic() < self.end:
            wants = not self._send()
            select.select([self.back.sock], [self.out.sock] if wants else [], [],
                          0.001 if self.window is None else 0.02)
            for f in self.back.recv():
                self._take(f)
        return self

    def start(self, seconds):
        """the same in a thread of its own, for at most so long"""
        def body():
            try:
                self.run(seconds)
            except (OSError, EOFError) as e:
                self.error = e
        self.thread = threading.Thread(target=body, daemon=True)
        self.thread.start()
        return self

    def stop(self, seconds=5):
        """no more is sent; what is under way has so long to come back"""
        self.end = time.monotonic() + seconds
        self.stopping.set()
        self.thread.join(seconds + 1)
        return self

    def wait_for(self, received, seconds):
        end = time.monotonic() + seconds
        while self.received < received and time.monotonic() < end and not self.error:
            time.sleep(0.02)
        return self.received >= received

    def __str__(self):
        return (f'{self.sent} sent, {self.received} received, {self.lost} lost, '
                f'{self.wrong} wrong')
