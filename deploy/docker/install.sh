#!/bin/sh
# Installs the Debian packages of one or more stages of packages.txt, in the root file system where it runs.
# Usage: install.sh FILE STAGE…
set -eu
file=$1
shift
packages=
for stage in "$@"; do
  packages="$packages $(sed -n "s/^$stage  *\([^ #]*\).*/\1/p" "$file")"
done
export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086 # a list of names
apt-get install -y --no-install-recommends $packages
apt-get clean
rm -rf /var/lib/apt/lists/*
