#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs what is missing of the named groups of config/debian-packages. Needs root or sudo only
# when something is missing.
set -eu
list=$(dirname "$0")/debian-packages
want=$(awk -v groups=" $* " '
  /^\[/ { g = substr($0, 2, length($0) - 2); next }
  /^[a-z0-9]/ && index(groups, " " g " ") { print $1 }' "$list")

missing=
for p in $want; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: missing packages:$missing" >&2
    echo "setup: run as root, or install sudo: apt-get install$missing" >&2
    exit 1
  }
  sudo=sudo
fi
echo "setup: installing$missing"
case "$missing" in
*:arm64*) dpkg --print-foreign-architectures | grep -qx arm64 || $sudo dpkg --add-architecture arm64 ;;
esac
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
