#!/usr/bin/env bash
# Writes pairs of a number and its name in English as a table with the columns number and words.
# Usage: make-pairs.sh [BELOW [COUNT]] > pairs.tsv
# COUNT different numbers below BELOW (10000 by default, at most 1000000), the same ones each time; all of them by default.
set -euo pipefail
below=${1:-10000}
awk -v below="$below" -v count="${2:-$below}" '
  function below1000(n,   words) {
    words = ""
    if (n >= 100) { words = ones[int(n / 100)] " hundred"; n %= 100; if (n) words = words " " }
    if (n >= 20) { words = words tens[int(n / 10)]; n %= 10; if (n) words = words "-" ones[n] }
    else if (n) words = words ones[n]
    return words
  }
  function name(n,   words) {
    if (n == 0) return "zero"
    words = ""
    if (n >= 1000) { words = below1000(int(n / 1000)) " thousand"; n %= 1000; if (n) words = words " " }
    return n ? words below1000(n) : words
  }
  BEGIN {
    split("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", ones, " ")
    split("ten twenty thirty forty fifty sixty seventy eighty ninety", tens, " ")
    if (below < 1 || below > 1000000 || count < 1 || count > below) {
      print "make-pairs.sh: BELOW must be from 1 to 1000000, and COUNT from 1 to BELOW." > "/dev/stderr"
      exit 1
    }
    print "number\twords"
    for (i = made = 0; made < count; i++) {
      n = (i * 618033) % 1000000   # each number below a million once in a million
      if (n < below) { print n "\t" name(n); made++ }
    }
  }'
