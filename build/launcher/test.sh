# shellcheck shell=bash disable=SC2154 # root and tree are ./linformer's
# Sourced by ./linformer: builds and runs the tests, and counts them.

test_help() {
  cat <<'HELP'
Usage: ./linformer test [--fast] [NAME…]

Builds and runs the tests. The last line has the counts.

  --fast   leave out tests that start processes and tests that take long
  NAME     run only the tests with one of these in their full names
HELP
}

command_test() {
  local fast=false names='' slow='' assemblies=() starters=() project name
  while (($# > 0)); do
    case $1 in
      --fast) fast=true ;;
      --help | -h) test_help; return ;;
      -*) die "unknown option '$1'; run './linformer test --help'" ;;
      *) names+="${names:+|}FullyQualifiedName~$1" ;;
    esac
    shift
  done

  if ! up_to_date tests || ! packages_are_there; then build tests; fi
  npm_up_to_date || install_npm

  # Those that take longest first, so that none of them is left alone at the end.
  for project in "$root"/tests/Linformer.{Coordinator,Training}.Tests/*.csproj "$root"/tests/*/*.csproj; do
    # The others are programs that tests start.
    grep -q '<IsTestProject>true' "$project" || continue
    name=$(basename "$project" .csproj)
    [[ " ${assemblies[*]-} " != *"/$name.dll "* ]] || continue
    assemblies+=("$tree/bin/$name/release/$name.dll")
    [[ -f ${assemblies[-1]} ]] || die "tests/$name is not built: it is not in Linformer.sln"
    ! grep -rqF --include='*.cs' 'Trait("Lane", "Processes")' "${project%/*}" || starters+=("${assemblies[-1]}")
  done

  exec 8>"$tree/test.lock"
  flock -n 8 || die "these tests are already running"
  results=$tree/test-results
  passed=0 failed=0 skipped=0
  rm -rf "$results"
  [[ $fast == false ]] || slow='&Speed!=Slow'
  names=${names:+"&($names)"}

  prepare_environment
  # Two assemblies at a time share the processors; tests inside one run one after another.
  set_threads 2
  run_lane main 2 "Lane!=Processes$slow$names" "${assemblies[@]}"
  if [[ $fast == false ]]; then
    set_threads 1
    run_lane processes 1 "Lane=Processes$names" "${starters[@]}"
  fi

  ((failed == 0)) || note "what the tests have left is in $TMPDIR"
  ((passed + failed + skipped > 0)) || note "no test was run"
  echo "$passed passed, $failed failed, $skipped skipped"
  ((failed == 0 && passed > 0))
}

# What tests look for while they run; without it some would be skipped, and nobody would notice.
packages_are_there() {
  source "$root/build/launcher/install.sh"
  local name
  [[ -z ${LINFORMER_SKIP_INSTALL:-} ]] || return 0
  while IFS=: read -r name _; do
    is_there "$name" || return 1
  done < <(debian_packages tests)
}

# What killed processes leave behind goes with it, unless a test has failed: then it may tell why.
prepare_environment() {
  TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/linformer.XXXXXX")
  export TMPDIR
  trap '((failed > 0)) || rm -rf --one-file-system "$TMPDIR"' EXIT
  # Some processes of the tests are those of other users.
  chmod 1777 "$TMPDIR"
  # Nobody attaches a debugger to them, and each that is killed would leave its sockets.
  # They do not last long enough to get back what it takes to find out how their code is used.
  export DOTNET_EnableDiagnostics=0 DOTNET_TieredPGO=0
}

# What the machine's threads allow for each of some test processes, unless the caller has said so.
set_threads() { # PROCESSES
  local threads=$(($(nproc) / $1))
  export OMP_NUM_THREADS=${omp_given:-$((threads > 0 ? threads : 1))}
  export OPENBLAS_NUM_THREADS=${openblas_given:-$OMP_NUM_THREADS}
}
omp_given=${OMP_NUM_THREADS:-}
openblas_given=${OPENBLAS_NUM_THREADS:-}

# Runs the tests that a filter selects, and adds up the counts of the report.
run_lane() { # NAME ASSEMBLIES-AT-A-TIME FILTER ASSEMBLY…
  local report=$results/$1.trx status=0 counters='' total executed lane_passed lane_failed
  note "tests, lane $1"
  set +e
  # Some tests send Ctrl-C, which whatever was started in the background of a script ignores, and so do its children.
  env --default-signal=INT,QUIT dotnet test "${@:4}" --filter "$3" --results-directory "$results" \
    --logger "trx;LogFileName=$1.trx" --logger "console;verbosity=minimal" \
    --blame-hang --blame-hang-timeout 15m --blame-hang-dump-type none \
    -- "RunConfiguration.MaxCpuCount=$2" xUnit.ParallelizeTestCollections=false \
    </dev/null 8>&- | grep --line-buffered -vE "^$|^No test matches|^Data collector 'Blame'|^Results File|^VSTest version|^Starting test|^A total of"
  status=${PIPESTATUS[0]}
  set -e
  ((status < 128)) || exit "$status"

  [[ ! -f $report ]] || counters=$(grep -o '<Counters [^>]*' "$report" || true)
  total=$(counter total) executed=$(counter executed) lane_passed=$(counter passed)
  lane_failed=$((executed - lane_passed))
  # A test process that died leaves no failed test behind, only the exit code.
  if ((status != 0 && lane_failed == 0)); then
    note "lane $1 ended with exit code $status"
    lane_failed=1
  fi
  passed=$((passed + lane_passed)) failed=$((failed + lane_failed)) skipped=$((skipped + total - executed))
}

counter() { # NAME: its number in $counters
  if [[ $counters =~ [[:space:]]$1=\"([0-9]+)\" ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}
