# What the parts of scripts/harden share. Sourced, never run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
need python3 python3
db=$work/keycroft.db

# new_lab: a file with alice, an admin; sets $secret, a token of hers.
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
