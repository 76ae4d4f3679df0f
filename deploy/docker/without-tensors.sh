#!/bin/sh
# Removes the native parts that compute, which a coordinator never loads: those of the program, and a libtorch that came as a package.
# SQLite stays.
# Usage: without-tensors.sh PROGRAM-FOLDER
set -eu
find "$1" \( -name '*.so' -o -name '*.so.*' \) ! -name libe_sqlite3.so -delete
