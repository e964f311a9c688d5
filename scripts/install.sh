#!/bin/sh
# Installs xerj on this machine, as root: user, directories, executable, configuration, systemd unit.
# Running it again upgrades the executable and the unit, and leaves configuration and data as they are.
#
#   scripts/install.sh [--binary FILE] [--root DIR] [--no-start]
#   scripts/install.sh --uninstall [--purge] [--root DIR]
#
#   --binary FILE  the executable (else dist/xerj beside this script's folder)
#   --root DIR     installs below DIR, for images and packages: no user is made, systemd is not called
#   --no-start     installs without starting or restarting the service
#   --uninstall    removes what was installed, but not configuration, data and user
#   --purge        with --uninstall: those as well. Deletes all documents.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
binary=$here/../dist/xerj
root=
start=yes
action=install
purge=no

usage() {
  sed -n '2,13s/^# \{0,1\}//p' "$0"
}

die() {
  echo "install.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -ge 2 ] || die "--binary needs a file"; binary=$2; shift ;;
    --root) [ $# -ge 2 ] || die "--root needs a directory"; root=$2; shift ;;
    --no-start) start=no ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help) usage; exit 0 ;;
    *) die "there is no option $1; see --help" ;;
  esac
  shift
done

executable=$root/usr/local/bin/xerj
config_dir=$root/etc/xerj
config=$config_dir/xerj.toml
data_dir=$root/var/lib/xerj
unit=$root/etc/systemd/system/xerj.service

# Below --root nothing of this machine's own is touched.
owns_machine() {
  [ -z "$root" ]
}

has_systemd() {
  owns_machine && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

need_root() {
  if owns_machine && [ "$(id -u)" -ne 0 ]; then
    die "must run as root (or with --root DIR)"
  fi
}

make_user() {
  owns_machine || return 0
  if getent passwd xerj >/dev/null 2>&1; then
    return 0
  fi
  if command -v useradd >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /var/lib/xerj --no-create-home --shell /usr/sbin/nologin xerj
  elif command -v adduser >/dev/null 2>&1; then
    adduser -S -D -H -h /var/lib/xerj -s /sbin/nologin xerj
  else
    die "cannot make the user xerj: there is neither useradd nor adduser"
  fi
  echo "made the user xerj"
}

# owned OWNER:GROUP PATH
owned() {
  if owns_machine; then
    chown "$1" "$2"
  fi
}

# Replaces by rename, so that a running server keeps the file that it was started from.
put() {
  source=$1
  target=$2
  mode=$3
  mkdir -p "$(dirname -- "$target")"
  cp -- "$source" "$target.new"
  chmod "$mode" "$target.new"
  mv -f -- "$target.new" "$target"
}

write_config() {
  if [ -e "$config" ]; then
    echo "kept $config"
    return 0
  fi
  sed 's|^data_dir = .*|data_dir = "/var/lib/xerj"|' "$here/../config.toml" >"$config.new"
  grep -q '^data_dir = "/var/lib/xerj"$' "$config.new" || die "config.toml has no data_dir to set"
  chmod 0640 "$config.new"
  owned root:xerj "$config.new"
  mv -f -- "$config.new" "$config"
  echo "wrote $config"
}

install_xerj() {
  [ -f "$binary" ] || die "there is no $binary; make it with: ./scripts/deno task compile"
  "$binary" --version >/dev/null 2>&1 || die "$binary does not run on this machine"
  make_user
  put "$binary" "$executable" 0755
  echo "installed $("$executable" --version) as $executable"
  mkdir -p "$config_dir" "$data_dir"
  chmod 0750 "$config_dir"
  chmod 0700 "$data_dir"
  owned root:xerj "$config_dir"
  owned xerj:xerj "$data_dir"
  write_config
  "$executable" --check-config --config "$config" >/dev/null || die "$config cannot be used; the service was not touched"
  put "$here/xerj.service" "$unit" 0644
  if has_systemd; then
    systemctl daemon-reload
    systemctl enable --quiet xerj
    if [ "$start" = yes ]; then
      systemctl restart xerj
      echo "started; see: systemctl status xerj"
    fi
  else
    echo "installed $unit; systemd does not run here, so nothing was started"
  fi
  echo "the administrator's key is made at the first start: $data_dir/admin.key"
}

uninstall_xerj() {
  if has_systemd && [ -e "$unit" ]; then
    systemctl disable --quiet --now xerj || die "the service could not be stopped"
  fi
  rm -f -- "$unit" "$executable"
  if has_systemd; then
    systemctl daemon-reload
  fi
  if [ "$purge" = no ]; then
    echo "removed; configuration and data stay: $config_dir $data_dir"
    return 0
  fi
  rm -rf -- "$config_dir" "$data_dir"
  if owns_machine && getent passwd xerj >/dev/null 2>&1; then
    userdel xerj
  fi
  echo "removed, with configuration, data and user"
}

need_root
case $action in
  install) install_xerj ;;
  uninstall) uninstall_xerj ;;
esac
