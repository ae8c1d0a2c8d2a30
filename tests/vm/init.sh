#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# The guest's init: runs what comes over the second serial line. A request is one line "NUMBER SECONDS
# BASE64"; the answer is the output, then "@NUMBER STATUS" on a line of its own.
export PATH=/bin LANG=C HOME=/
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
chmod 1777 /tmp /dev/shm
ip link set lo up

serve() {
	stty raw -echo
	echo "@0 0"
	while read -r number seconds text; do
		timeout -s KILL "$seconds" sh -c "$(echo "$text" | base64 -d)" </dev/null
		printf '\n@%s %s\n' "$number" "$?"
	done
}

# A shell that hears of a dead child while it reads forgets what it has read: so what orphans there are
# come here, and the one that reads has none.
serve </dev/ttyS1 >/dev/ttyS1 2>&1 &
wait
