#!/usr/bin/env bash
# Installs the gateway as a service of a machine with systemd, and says whether it is well.
#
#   ./setup-gateway.sh [--binary FILE] [--listen ADDRESS] [--dry-run] [--root DIR]
#   ./setup-gateway.sh --uninstall [--dry-run] [--root DIR]
#
# It may be run again at any time: what is as it should be is left alone, and the secret is never replaced.
set -euo pipefail

usage() {
    cat <<'END'
Usage: ./setup-gateway.sh [OPTIONS]

Installs the binary, the user `gateway`, the systemd unit and an env file with a secret of its own, starts the service
and checks /health and /health/websocket. Run again, it changes what has changed and leaves the rest alone.

  --binary FILE     the gateway to install; without it, it is built with cargo (a minute or two)
  --listen ADDRESS  address and port for the env file when that is written anew [127.0.0.1:4000]
  --dry-run         prints each action and does nothing
  --uninstall       removes the service and the binary; keeps the env file, the data and the user
  --root DIR        lays everything below DIR, needs no systemd and no root, and runs the gateway only for the checks
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary='' listen=127.0.0.1:4000 dry_run='' uninstall='' root=''
changed='' service=gateway.service

say() { printf 'setup-gateway: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}
# Does it, or says only what it would do.
act() {
    local what=$1
    shift
    if [[ $dry_run ]]; then
        say "would $what"
    else
        say "$what"
        "$@"
    fi
}

wrong() {
    usage >&2
    exit 2
}
while [[ $# -gt 0 ]]; do
    case $1 in
    --binary | --listen | --root)
        [[ $# -ge 2 && $2 ]] || wrong
        declare "${1#--}=$2"
        shift 2
        ;;
    --dry-run) dry_run=yes && shift ;;
    --uninstall) uninstall=yes && shift ;;
    --help | -h) usage && exit 0 ;;
    *) wrong ;;
    esac
done
root=${root%/}

program=$root/usr/local/bin/gateway
unit=$root/etc/systemd/system/$service
env_file=$root/etc/gateway/gateway.env
data=$root/var/lib/gateway

if [[ ! $root && ! $dry_run ]]; then
    [[ $(id -u) -eq 0 ]] || fail "run it as root, or try it out with --dry-run or --root DIR"
    [[ -d /run/systemd/system ]] || fail "systemd does not run here; try it out with --root DIR"
fi

# Puts a file in its place in one step, unless it is there already.
put() {
    local from=$1 to=$2 mode=$3
    if cmp -s "$from" "$to" && [[ $(stat -c %a "$to") == "$mode" ]]; then
        say "$to is as it should be"
        return
    fi
    changed=yes
    act "install $to" put_now "$from" "$to" "$mode"
}
put_now() {
    mkdir -p "$(dirname "$2")"
    # A running program cannot be written to, but another one can take its name.
    install -m "$3" "$1" "$2.new"
    mv -f "$2.new" "$2"
}

find_binary() {
    if [[ $binary ]]; then
        [[ -f $binary && -x $binary ]] || fail "--binary $binary is no program"
        return
    fi
    local target=${CARGO_TARGET_DIR:-$here/target}
    binary=$target/release/gateway
    command -v cargo > /dev/null || fail "cargo is not here: give the gateway by --binary FILE"
    act "build the gateway with cargo" \
        cargo build --manifest-path "$here/Cargo.toml" --target-dir "$target" --release --locked \
        --package realtime-gateway-server --bin gateway
}

make_user() {
    [[ $root ]] && return
    if id gateway > /dev/null 2>&1; then
        say "the user gateway is there"
    else
        act "make the user gateway" \
            useradd --system --user-group --home-dir "$data" --shell /usr/sbin/nologin gateway
    fi
}

make_env_file() {
    if [[ -e $env_file ]]; then
        say "$env_file is there and stays as it is"
    else
        changed=yes
        act "write $env_file with a secret of its own" write_env_file
    fi
}
write_env_file() {
    mkdir -p "$(dirname "$env_file")"
    local secret metrics=''
    secret=$(od -An -N48 -tx1 /dev/urandom | tr -d ' \n')
    case $listen in
    127.* | localhost:* | '[::1]:'*) ;;
    *) metrics="# Prometheus sends it: authorization: { credentials: ... }
GATEWAY_METRICS__TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
" ;;
    esac
    (
        # Nobody but root reads it: systemd does so before it becomes the user gateway.
        umask 077
        cat > "$env_file.new" <<END
# The gateway's configuration, written once by setup-gateway.sh. Every variable is in env.example, and
# \`gateway check\` says what would hurt. After a change: systemctl restart gateway
GATEWAY_LISTEN=$listen
# Verifies and signs tokens. Your identity provider signs with it, or give its keys by GATEWAY_AUTH__JWKS_URL.
GATEWAY_AUTH__JWT_SECRET=$secret
$metrics# Backend services need an API key: \`gateway key new\` prints one, and the line GATEWAY_AUTH__API_KEYS for this file.
END
    )
    mv -f "$env_file.new" "$env_file"
}

# A variable of the env file, or what it is without one.
setting() {
    local found=''
    [[ ! -r $env_file ]] || found=$(sed -n "s/^$1=//p" "$env_file" | tail -n 1 | tr -d "\"'")
    printf '%s' "${found:-$2}"
}

# Where a configured address is reached from this machine.
url() {
    local address=$1 scheme=http
    [[ ! $(setting GATEWAY_TLS__CERT '') || $2 == internal ]] || scheme=https
    address=${address/#0.0.0.0:/127.0.0.1:}
    printf '%s://%s' "$scheme" "${address/#\[::\]:/[::1]:}"
}

check_health() {
    local public internal
    public=$(url "$(setting GATEWAY_LISTEN "$listen")" public)
    internal=$(setting GATEWAY_INTERNAL__LISTEN '')
    [[ ! $internal ]] || internal=$(url "$internal" internal)
    local endpoint
    for endpoint in "$public/health" "${internal:-$public}/health/websocket"; do
        act "check $endpoint" await_health "$endpoint"
    done
}
await_health() {
    local answer tries=0
    # A start takes a moment, and as long as it takes to read a large store.
    until answer=$("$program" healthcheck --url "$1" 2>&1); do
        tries=$((tries + 1))
        [[ $tries -lt 150 ]] || fail "$answer"
        sleep 0.2
    done
    say "$answer"
}

# Without systemd, the gateway runs as long as the checks do.
run_for_checks() {
    mkdir -p "$data"
    (
        set -a
        # shellcheck disable=SC1090 # Written above.
        . "$env_file"
        cd "$data"
        # Nobody is there who would have to notice.
        GATEWAY_DRAIN__DELAY=0s exec "$program" serve
    ) > "$root/gateway.log" 2>&1 &
    local gateway=$!
    # shellcheck disable=SC2064 # The process that runs now.
    trap "kill $gateway 2> /dev/null || true" EXIT
    check_health
    kill "$gateway"
    wait "$gateway" || fail "the gateway did not end well; see $root/gateway.log"
    trap - EXIT
}

install_all() {
    find_binary
    put "$binary" "$program" 755
    make_user
    put "$here/deploy/systemd/$service" "$unit" 644
    make_env_file
    if [[ $root ]]; then
        if [[ $dry_run ]]; then
            say "would run the gateway for the checks"
            check_health
        else
            run_for_checks
        fi
    else
        if [[ $changed ]]; then
            act "tell systemd" systemctl daemon-reload
            act "enable and restart the service" systemd_restart
        else
            act "make sure that the service runs" systemctl enable --now --quiet "$service"
        fi
        check_health
    fi
    say "done"
}
systemd_restart() {
    systemctl enable --quiet "$service"
    systemctl restart "$service"
}

uninstall_all() {
    if [[ ! $root && -e $unit ]]; then
        act "stop the service, which drains for up to a minute" systemctl disable --now --quiet "$service"
    fi
    local file
    for file in "$unit" "$program"; do
        if [[ -e $file ]]; then
            act "remove $file" rm -f "$file"
        else
            say "$file is not there"
        fi
    done
    [[ $root ]] || act "tell systemd" systemctl daemon-reload
    if [[ $root ]]; then say "kept: $env_file, $data"; else say "kept: $env_file, $data, the user gateway"; fi
    say "done"
}

if [[ $uninstall ]]; then uninstall_all; else install_all; fi
