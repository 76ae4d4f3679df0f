#!/bin/sh
# Copies the shared libraries that a published program's native parts need into a folder, under the names by which they are looked
# up. Debian's libtorch depends on packages of twice that size, most of which no rank ever touches.
# Usage: collect-libraries.sh PROGRAM-FOLDER TARGET-FOLDER
set -eu
program=$1 target=$2
mkdir -p "$target"
for native in "$program"/*.so; do
  if ldd "$native" | grep 'not found'; then
    echo "error: $native needs libraries that no package has brought" >&2
    exit 1
  fi
  ldd "$native" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p'
done | sort -u | while read -r library; do
  case ${library##*/} in
    # The C and C++ libraries are the base system's: they have to fit each other.
    libc.so.* | libgcc_s.so.* | libm.so.* | libstdc++.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | ld-linux*) ;;
    "") ;;
    *) cp -L "$library" "$target/" ;;
  esac
done
