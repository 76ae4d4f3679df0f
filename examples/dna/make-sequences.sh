#!/usr/bin/env bash
# Writes DNA-like sequences as a table with the columns class and sequence.
# Usage: make-sequences.sh [COUNT [LENGTH [SEED]]] > sequences.tsv
# COUNT sequences (1600 by default) of LENGTH symbols (65534 by default), the same ones each time for the same SEED (1 by default).
#
# Bases are drawn at random. Two sites, at least a quarter of the sequence apart, hold an ambiguity code each: R (A or G) or Y (C or T).
# The class is "same" if both hold the same code, and "different" if not.
set -euo pipefail
awk -v count="${1:-1600}" -v symbols="${2:-65534}" -v seed="${3:-1}" '
  # Park and Miller 1988, so that every awk draws the same numbers.
  function draw(below) {
    state = (state * 16807) % 2147483647
    return int(state / 2147483647 * below)
  }
  function bases(number) {
    for (; number >= 6; number -= 6) printf "%s", six[draw(4096)]
    if (number > 0) printf "%s", substr(six[draw(4096)], 1, number)
  }
  BEGIN {
    if (count !~ /^[0-9]+$/ || count < 1 || symbols !~ /^[0-9]+$/ || symbols < 8 || seed !~ /^[0-9]+$/ || seed > 1000000) {
      print "make-sequences.sh: COUNT must be at least 1, LENGTH at least 8, and SEED from 0 to 1000000." > "/dev/stderr"
      exit 1
    }
    split("A C G T", base, " ")
    for (i = 0; i < 4096; i++) {
      piece = ""
      for (rest = i; length(piece) < 6; rest = int(rest / 4)) piece = piece base[rest % 4 + 1]
      six[i] = piece
    }
    state = 1000 + seed
    for (i = 0; i < 20; i++) draw(2)

    print "class\tsequence"
    for (made = 0; made < count; made++) {
      do { first = draw(symbols); second = draw(symbols) } while (second - first < symbols / 4)
      one = draw(2); two = draw(2)
      printf "%s\t", one == two ? "same" : "different"
      bases(first)
      printf "%s", one ? "R" : "Y"
      bases(second - first - 1)
      printf "%s", two ? "R" : "Y"
      bases(symbols - second - 1)
      printf "\n"
    }
  }'
