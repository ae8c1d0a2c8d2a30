#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs into a folder, links a program fully statically through pkg-config, and runs it: it must
# find the built-in drivers (no constructor is there to be dropped). Then the README's program.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
DESTDIR=$dir meson install -C "$build" --no-rebuild --quiet >/dev/null
pc=$(dirname "$(find "$dir" -name faultline.pc)")
export PKG_CONFIG_PATH="$pc" PKG_CONFIG_SYSROOT_DIR="$dir"
# shellcheck disable=SC2046
cc -Wall -Werror "$here/static_link.c" -o "$dir/prog" -static \
  $(pkg-config --static --cflags --libs faultline)
"$dir/prog"
# and dynamically
# shellcheck disable=SC2046
cc -Wall -Werror "$here/static_link.c" -o "$dir/prog-dyn" $(pkg-config --cflags --libs faultline)
libs=$(dirname "$(find "$dir" -name libfaultline.so | head -1)")
LD_LIBRARY_PATH=$libs "$dir/prog-dyn"

[ -f "$pc/faultline-model.pc" ] || exit 0
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$here/../../README.md" >"$dir/echo.c"
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror "$dir/echo.c" -o "$dir/echo" \
  $(pkg-config --cflags --libs faultline-model)
LD_LIBRARY_PATH=$libs timeout 20 "$dir/echo" model:e1000e,wire=gen 100000
# our libraries static, the system's as they are (Debian's libpcap does not link statically)
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror "$dir/echo.c" -o "$dir/echo-st" $(pkg-config --cflags faultline-model) \
  -L"$libs" -Wl,-Bstatic -lfaultline-model -lfaultline -Wl,-Bdynamic -lnuma -lcrypto -lpcap -pthread
timeout 20 "$dir/echo-st" model:e1000e,wire=gen 100000
echo "the README's program runs"
