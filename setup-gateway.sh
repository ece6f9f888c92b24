#!/usr/bin/env bash
# Installs the gateway as a systemd service and checks its health.
#
#   ./setup-gateway.sh [--binary FILE] [--listen ADDRESS] [--dry-run] [--root DIR]
#   ./setup-gateway.sh --uninstall [--dry-run] [--root DIR]
#
# It can be run again at any time: it changes only what differs, and never replaces the secret.
set -euo pipefail

usage() {
    cat <<'END'
Usage: ./setup-gateway.sh [OPTIONS]

Installs the binary, the user `gateway`, the systemd unit and an env file with a generated secret, starts the service
and checks /health and /health/websocket. When it is run again, it changes only what differs.

  --binary FILE     the gateway to install; without it, it is built with cargo (a minute or two)
  --listen ADDRESS  address and port for the env file when it is created [127.0.0.1:4000]
  --dry-run         prints each action and does nothing
  --uninstall       removes the service and the binary; keeps the env file, the data and the user
  --root DIR        installs everything below DIR, needs no systemd and no root, and runs the gateway only for the checks
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
# Runs a command, or only prints what it would do (--dry-run).
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

# Installs a file in one step, unless the same file is installed already.
put() {
    local from=$1 to=$2 mode=$3
    if cmp -s "$from" "$to" && [[ $(stat -c %a "$to") == "$mode" ]]; then
        say "$to is up to date"
        return
    fi
    changed=yes
    act "install $to" put_now "$from" "$to" "$mode"
}
put_now() {
    mkdir -p "$(dirname "$2")"
    # A running program cannot be overwritten, but it can be replaced by renaming.
    install -m "$3" "$1" "$2.new"
    mv -f "$2.new" "$2"
}

find_binary() {
    if [[ $binary ]]; then
        [[ -f $binary && -x $binary ]] || fail "--binary $binary is not an executable file"
        return
    fi
    local target=${CARGO_TARGET_DIR:-$here/target}
    binary=$target/release/gateway
    command -v cargo > /dev/null || fail "cargo was not found: pass the gateway with --binary FILE"
    act "build the gateway with cargo" \
        cargo build --manifest-path "$here/Cargo.toml" --target-dir "$target" --release --locked \
        --package realtime-gateway-server --bin gateway
}

make_user() {
    [[ $root ]] && return
    if id gateway > /dev/null 2>&1; then
        say "the user gateway exists"
    else
        act "create the user gateway" \
            useradd --system --user-group --home-dir "$data" --shell /usr/sbin/nologin gateway
    fi
}

make_env_file() {
    if [[ -e $env_file ]]; then
        say "$env_file exists and stays as it is"
    else
        changed=yes
        act "write $env_file with a generated secret" write_env_file
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
        # Only root can read it: systemd reads it before it changes to the user gateway.
        umask 077
        cat > "$env_file.new" <<END
# The gateway's configuration, written once by setup-gateway.sh. Every variable is in env.example, and
# \`gateway check\` validates it. After a change: systemctl restart gateway
GATEWAY_LISTEN=$listen
# Verifies and signs tokens. Your identity provider signs with it, or set GATEWAY_AUTH__JWKS_URL to its keys.
GATEWAY_AUTH__JWT_SECRET=$secret
$metrics# Backend services need an API key: \`gateway key new\` prints one, and the line GATEWAY_AUTH__API_KEYS for this file.
END
    )
    mv -f "$env_file.new" "$env_file"
}

# Prints a variable of the env file, or the given default.
setting() {
    local found=''
    [[ ! -r $env_file ]] || found=$(sed -n "s/^$1=//p" "$env_file" | tail -n 1 | tr -d "\"'")
    printf '%s' "${found:-$2}"
}

# Prints the URL at which this machine reaches a configured address.
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
    # The start takes longer with a large store, which is read first.
    until answer=$("$program" healthcheck --url "$1" 2>&1); do
        tries=$((tries + 1))
        [[ $tries -lt 150 ]] || fail "$answer"
        sleep 0.2
    done
    say "$answer"
}

# Without systemd, runs the gateway for the duration of the checks.
run_for_checks() {
    mkdir -p "$data"
    (
        set -a
        # shellcheck disable=SC1090 # Written above.
        . "$env_file"
        cd "$data"
        # No balancer has to notice the shutdown.
        GATEWAY_DRAIN__DELAY=0s exec "$program" serve
    ) > "$root/gateway.log" 2>&1 &
    local gateway=$!
    # shellcheck disable=SC2064 # The process that runs now.
    trap "kill $gateway 2> /dev/null || true" EXIT
    check_health
    kill "$gateway"
    wait "$gateway" || fail "the gateway exited with an error; see $root/gateway.log"
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
            act "reload the units of systemd" systemctl daemon-reload
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
        act "stop the service, which shuts down gracefully within a minute" systemctl disable --now --quiet "$service"
    fi
    local file
    for file in "$unit" "$program"; do
        if [[ -e $file ]]; then
            act "remove $file" rm -f "$file"
        else
            say "$file does not exist"
        fi
    done
    [[ $root ]] || act "reload the units of systemd" systemctl daemon-reload
    if [[ $root ]]; then say "kept: $env_file, $data"; else say "kept: $env_file, $data, the user gateway"; fi
    say "done"
}

if [[ $uninstall ]]; then uninstall_all; else install_all; fi
