#!/usr/bin/env bash
# The images without a container engine: puts an image's root file system together from the same packages as its Dockerfile, and runs
# its program in there as a container engine would. For FEED=compat, Debian 12 and root only. Exit code 75: this machine cannot do that.
#
#   rootfs.sh make coordinator|worker-cpu PROGRAM-FOLDER     prints where the root file system is
#   rootfs.sh run ROOT DATA-FOLDER COMMAND…                  as user 10001, read-only but for /data and /tmp
set -euo pipefail

# The caller's temporary folder is not in the root file systems, and packages' scripts would look for it.
unset TMPDIR

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cache=$(readlink -f "$here/../..")/artifacts/rootfs
user=10001

main() {
  ((EUID == 0)) || cannot "only root can make a root file system"
  # Root of a container may not, unless it was started with more rights.
  unshare --mount --propagation private --pid --fork true 2>/dev/null || cannot "this root may not make namespaces (CAP_SYS_ADMIN)"
  case ${1:-} in
    make) shift; make_image "$@" ;;
    run) shift; run "$@" ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
}

cannot() { echo "$*" >&2; exit 75; }

make_image() { # coordinator|worker-cpu PROGRAM-FOLDER
  local image=$1 program=$2 root=$cache/$1
  [[ -f $here/$image.Dockerfile ]] || { echo "error: there is no image '$image'" >&2; exit 2; }
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  make_debian
  [[ $image != worker-cpu ]] || make_libraries "$program"
  rm -rf "$root"
  cp -a "$cache/debian" "$root"
  if [[ $image == worker-cpu ]]; then
    cp -a "$cache/collected/." "$root/usr/local/lib/"
    chroot "$root" ldconfig
  fi
  copy_dotnet "$root/usr/share/dotnet"
  mkdir -p "$root/data" "$root/opt"
  cp -a "$program" "$root/opt/linformer"
  [[ $image == worker-cpu ]] || sh "$here/without-tensors.sh" "$root/opt/linformer"
  install -m 755 "$here/healthcheck.sh" "$root/usr/local/bin/healthcheck"
  # As container engines bring it.
  printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
  echo "$root"
}

# What every image starts from: the smallest Debian, and the packages of the stage runtime.
make_debian() {
  local suite mirror stamp
  command -v debootstrap >/dev/null || PATH=$PATH:/usr/sbin
  command -v debootstrap >/dev/null || cannot "debootstrap is not there"
  # shellcheck source=/dev/null
  suite=$(. /etc/os-release && echo "${ID:-} ${VERSION_CODENAME:-}")
  [[ $suite == "debian bookworm" ]] || cannot "the images are of Debian 12, whose packages this machine ($suite) does not offer"
  suite=bookworm
  # Where this machine has its packages from.
  # shellcheck disable=SC2016 # apt's own variables
  mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' "Identifier: Packages" | awk -v suite=$suite '$2 == suite && $3 == "main" { print $1; exit }')
  [[ -n $mirror ]] || cannot "this machine's list of package sources has no Debian"
  stamp=$({ cat "$here/packages.txt" "$here/install.sh"; declare -f make_debian install_stages in_root; } | sha256sum)
  [[ $(cat "$cache/debian.stamp" 2>/dev/null) != "$stamp" ]] || return 0
  rm -rf "$cache"/debian* "$cache"/libraries* "$cache/collected"
  debootstrap --variant=minbase $suite "$cache/debian" "$mirror" >&2
  install_stages "$cache/debian" runtime runtime-compat
  echo "$stamp" >"$cache/debian.stamp"
}

# The libraries of the CPU image, from packages of which most is left behind.
make_libraries() { # PROGRAM-FOLDER
  local root=$cache/libraries
  if [[ ! -f $cache/libraries.done ]] || [[ ! -d $root ]]; then
    rm -rf "$root" "$cache/libraries.done"
    cp -a "$cache/debian" "$root"
    install_stages "$root" libraries libraries-compat
    touch "$cache/libraries.done"
  fi
  rm -rf "$cache/collected" "$root/opt/linformer" "$root/collected"
  mkdir -p "$root/opt"
  cp -a "$1" "$root/opt/linformer"
  cp "$here/collect-libraries.sh" "$root/opt/"
  chroot "$root" sh /opt/collect-libraries.sh /opt/linformer /collected >&2
  mv "$root/collected" "$cache/collected"
}

install_stages() { # ROOT STAGE…
  local root=$1
  shift
  cp "$here/packages.txt" "$here/install.sh" "$root/opt/"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  # Proxies and the like.
  apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99machine"
  in_root "$root" sh /opt/install.sh /opt/packages.txt "$@" >&2
  rm -f "$root/opt/packages.txt" "$root/opt/install.sh" "$root/etc/apt/apt.conf.d/99machine"
}

# As root, with what packages' scripts expect. The mounts end with the namespace.
in_root() { # ROOT COMMAND…
  local root=$1
  shift
  # shellcheck disable=SC2016 # the inner shell's
  unshare --mount --propagation private sh -euc 'mount -t proc proc "$1/proc"; root=$1; shift; exec chroot "$root" "$@"' sh "$root" "$@"
}

copy_dotnet() { # TARGET
  local dotnet=${DOTNET_ROOT:-} part
  if [[ ! -d $dotnet/shared ]]; then
    dotnet=$(readlink -f "$(command -v dotnet)")
    dotnet=${dotnet%/*}
  fi
  mkdir -p "$1"
  for part in dotnet host shared; do cp -a "$dotnet/$part" "$1/"; done
}

# The environment that the Dockerfile sets.
environment() { # ROOT
  sed -n 's/^ENV \(.*\)/\1/p' "$here/$(basename "$1").Dockerfile" | tr ' ' '\n' | grep -v '^PATH='
}

run() { # ROOT DATA-FOLDER COMMAND…
  local root data
  root=$(readlink -f "$1") data=$(readlink -f "$2")
  shift 2
  # What is executed at the end has to have no other children.
  mapfile -t variables <<<"$(environment "$root" | grep -vE '^DOTNET_(CLI|NOLOGO|SYSTEM)')"
  # A process namespace of its own: whatever it leaves behind ends with it.
  # shellcheck disable=SC2016 # the inner shell's
  exec unshare --mount --propagation private --pid --fork --kill-child=SIGTERM sh -euc '
    root=$1 data=$2 user=$3
    shift 3
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for device in null:3 zero:5 full:7 random:8 urandom:9; do
      mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    mkdir "$root/dev/shm"
    mount -t tmpfs -o size=64m tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount --bind "$data" "$root/data"
    mount -o remount,bind,ro "$root"
    exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups= "$root" "$@"
  ' sh "$root" "$data" $user env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" "$@"
}

main "$@"
