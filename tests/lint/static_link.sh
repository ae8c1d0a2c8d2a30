#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs into a folder, links a program fully statically through pkg-config, and runs it: it must
# find the built-in drivers (no constructor is there to be dropped).
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
LD_LIBRARY_PATH=$(dirname "$(find "$dir" -name libfaultline.so | head -1)") "$dir/prog-dyn"
