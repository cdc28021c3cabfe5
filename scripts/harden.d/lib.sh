# Functions of the parts of scripts/harden. Sourced, never run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
need python3 python3
db=$work/keycroft.db

# new_lab: a database with the admin alice; sets $secret, one of alice's tokens.
new_lab() {
    rm -f "$db" "$db"-*
    "$keycroft" user add alice --admin --db "$db" >/dev/null 2>&1
    secret=$("$keycroft" user token alice --db "$db" 2>/dev/null)
}

# abuse WHAT [NUMBER]...: prints its lines.
abuse() {
    python3 "$root/scripts/abuse.py" "$1" "$url" "$server" "$secret" "${@:2}"
}

# line BAR FIGURE CODE: by a command's exit code.
line() {
    if [ "$3" = 0 ]; then
        echo "$1: $2, holds"
    else
        echo "$1: $2, falls short"
        failures=$((failures + 1))
    fi
}

# outside BAR WHAT SCRIPT: a script of test.d/, as one line.
outside() {
    local code=0
    timeout 900 "$root/scripts/test.d/$3" >"$work/output" 2>&1 || code=$?
    if [ "$code" = 77 ]; then
        echo "$1: $2: left out on this machine ($(grep '^missing:' "$work/output" | tail -1))"
        return 0
    fi
    # Success without a single check counts as a failure.
    grep -q '^ok ' "$work/output" && ! grep -q '^FAILED ' "$work/output" || code=1
    # The findings of a program are at the end of its output.
    [ "$code" = 0 ] || grep -A400 '^FAILED ' "$work/output" | tail -200 >&2
    line "$1" "$2: $(grep -c '^ok ' "$work/output" || true) checks" "$code"
}
