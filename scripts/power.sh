# R2: a trace of what the program does to its files, and what power cuts would have made of them. Sourced behind lib.sh by
# test.d/65-power (quick) and harden.d/65-power (long).
need python3 python3
need cc gcc

power=$work/power
trace=$work/trace

# watched COMMAND...: with every write, sync and name written down.
watched() {
    LD_PRELOAD=$work/power.so POWER_FOLDER=$power POWER_TRACE=$trace "$@"
}

promise() {
    python3 "$root/scripts/power.py" acknowledge "$trace" "$@"
}

serve_watched() {
    : >"$work/log"
    LD_PRELOAD=$work/power.so POWER_FOLDER=$power POWER_TRACE=$trace \
        "$keycroft" serve --db "$power/keycroft.db" --listen 127.0.0.1:0 --log warn 2>"$work/log" &
    server=$!
    started+=("$server")
    wait_for 30 grep -q 'listening on' "$work/log" || { cat "$work/log"; exit 1; }
    url=$(sed -n 's/.*listening on //p' "$work/log")
}

write_load() {
    python3 "$root/scripts/power.py" load "$url" "$secret" "$trace" "$1" "$2"
}

# born: a folder with a file, of which alice is the admin; sets $secret, a token of hers. A server runs on it.
born() {
    power=$(cd "$work" && pwd -P)/power
    rm -rf "$power"
    cc -O1 -shared -fPIC -o "$work/power.so" "$root/scripts/power.c"
    mkdir -m 700 "$power"
    : >"$trace"
    watched "$keycroft" user add alice --admin --db "$power/keycroft.db" >/dev/null 2>&1
    promise user alice
    secret=$(watched "$keycroft" user token alice --db "$power/keycroft.db" 2>/dev/null)
    promise token "$(echo "$secret" | cut -d_ -f2)"
    serve_watched
    curl -sf -X PATCH -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' \
        -d '{"api_keys_max": 100000}' "$url/api/v1/policy" >/dev/null
}

# back_up NAME: contains all promises from before its start once it has its name.
back_up() {
    promise appearing "$1"
    watched "$keycroft" backup "$power/$1" --db "$power/keycroft.db" 2>/dev/null
    promise whole "$1"
}

# power_trace SECONDS: a life: born, written to, backed up meanwhile, stopped, started, killed, started.
power_trace() {
    born
    write_load "$1" first
    write_load "$1" second &
    local writing=$!
    back_up backup.db
    wait "$writing"
    watched "$keycroft" backup "$power/whole.db" --db "$power/keycroft.db" 2>/dev/null
    promise whole whole.db
    stops_cleanly >/dev/null
    serve_watched
    write_load "$1" third
    write_load "$1" killed &
    writing=$!
    sleep "$(python3 -c "print($1 / 2)")"
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    wait "$writing"
    serve_watched
    write_load "$1" last
    stops_cleanly >/dev/null
}

# restore_trace SECONDS: another: backed up, killed while it was written to, the backup put back over it, and beside it; gone on with.
restore_trace() {
    born
    write_load "$1" first
    promise mark backup
    back_up backup.db
    promise mark backed-up
    write_load "$1" killed &
    local writing=$!
    sleep "$(python3 -c "print($1 / 2)")"
    kill -KILL "$server"
    wait "$server" 2>/dev/null || true
    wait "$writing"
    [ -s "$power/keycroft.db-wal" ] || { echo "no journal is left to be put aside" >&2; exit 1; }
    promise mark restore
    promise restoring backup.db
    watched "$keycroft" restore "$power/backup.db" --yes --db "$power/keycroft.db" >/dev/null 2>&1
    promise restored backup.db
    promise mark restored
    promise appearing elsewhere.db
    watched "$keycroft" restore "$power/backup.db" --db "$power/elsewhere.db" >/dev/null 2>&1
    promise whole elsewhere.db
    promise mark elsewhere
    secret=$(watched "$keycroft" user token alice --db "$power/keycroft.db" 2>/dev/null)
    promise token "$(echo "$secret" | cut -d_ -f2)"
    serve_watched
    write_load "$1" after
    stops_cleanly >/dev/null
    promise mark end
}

# window_cuts CUTS BEGIN END [LIE]: between two marks; CUTS 0 is every record, in every way where it is decided.
window_cuts() {
    python3 "$root/scripts/power.py" window "$trace" "$keycroft" "$@" 2>"$work/cuts"
}

# power_cuts CUTS [LIE]: rebuilds disks; prints the findings.
power_cuts() {
    python3 "$root/scripts/power.py" replay "$trace" "$keycroft" "$@" 2>"$work/cuts"
}
