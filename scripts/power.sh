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

# power_trace SECONDS: a life: born, written to, backed up meanwhile, stopped, started, killed, started.
power_trace() {
    power=$(cd "$work" && pwd -P)/power
    cc -O1 -shared -fPIC -o "$work/power.so" "$root/scripts/power.c"
    mkdir -m 700 "$power"
    : >"$trace"
    watched "$keycroft" user add alice --admin --db "$power/keycroft.db" >/dev/null 2>&1
    promise user alice
    secret=$(watched "$keycroft" user token alice --db "$power/keycroft.db" 2>/dev/null)
    promise lives "$(echo "$secret" | cut -d_ -f2)"
    serve_watched
    curl -sf -X PATCH -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' \
        -d '{"api_keys_max": 100000}' "$url/api/v1/policy" >/dev/null
    write_load "$1" first
    write_load "$1" second &
    local writing=$!
    watched "$keycroft" backup "$power/backup.db" --db "$power/keycroft.db" 2>/dev/null
    wait "$writing"
    watched "$keycroft" backup "$power/whole.db" --db "$power/keycroft.db" 2>/dev/null
    promise whole whole.db
    ends_well >/dev/null
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
    ends_well >/dev/null
}

# power_cuts CUTS [LIE]: rebuilt disks; what was found.
power_cuts() {
    python3 "$root/scripts/power.py" replay "$trace" "$keycroft" "$@" 2>"$work/cuts"
}
