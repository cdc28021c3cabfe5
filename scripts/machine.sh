# A machine to try things on that may be spoilt: this one's folders behind copies that are thrown away, in a network and under
# a name of its own. Sourced behind lib.sh by the scripts that type what a page of docs/ says.

# own_machine NAME FOLDER...: from here on this script runs on such a machine, called NAME. Changes below the folders are gone at the end.
own_machine() {
    [ "$(id -u)" = 0 ] || { echo "missing: root, as whom this is to be followed"; exit 77; }
    need unshare util-linux
    need ip iproute2
    if [ -z "${machine_of:-}" ]; then
        unshare --mount --net --uts --pid --fork --mount-proc true 2>/dev/null || { echo "missing: namespaces (unshare --mount --net --uts --pid)"; exit 77; }
        # What is still running when the script ends, ends with it.
        KEYCROFT_BIN=$keycroft machine_of=$$ unshare --mount --net --uts --pid --fork --kill-child --mount-proc -- "$0"
        exit
    fi
    unset machine_of
    hostname "$1"
    shift
    ip link set lo up
    mkdir "$work/layers"
    mount -t tmpfs tmpfs "$work/layers"
    mounted=("$work/layers")
    trap leave_machine EXIT
    local folder layer
    for folder in "$@"; do
        layer=$work/layers/$folder
        mkdir -p "$layer/upper" "$layer/work"
        chmod --reference="/$folder" "$layer/upper"
        mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$layer/upper,workdir=$layer/work" "/$folder" 2>/dev/null ||
            { echo "missing: overlay mounts"; exit 77; }
        mounted+=("/$folder")
    done
    mount -t tmpfs -o mode=755 tmpfs /run
    mounted+=(/run)
}

leave_machine() {
    local code=$? file pid
    set +e
    for file in "$work"/unit-*.pid; do
        [ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null
    done
    for pid in ${started[@]+"${started[@]}"}; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    started=()
    cd /
    umount -l "${mounted[@]}" 2>/dev/null
    (exit "$code")
    clean_up
}

# blocks PAGE NAME: the page's blocks of commands, as $work/NAME1, $work/NAME2, …; prints how many there are.
blocks() {
    awk -v to="$work/$2" '/^ *```sh$/ { indent = index($0, "`"); inside = 1; file = to (++number); printf "" >file; next }
        inside && /^ *```$/ { inside = 0; close(file); next }
        inside { print substr($0, indent) >file }' "$1"
    ls "$work/$2"* | wc -l
}

# person NAME: somebody with an account on this machine, who may log in with a key.
person() {
    useradd --create-home --shell /bin/bash "$1"
    usermod -p '*' "$1"
}

# as PERSON COMMAND...: in their home, with nothing of this environment.
as() {
    setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups -- \
        env -i HOME="/home/$1" USER="$1" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin sh -c 'cd && exec "$@"' sh "${@:2}"
}

# machines_sshd: starts the machine's own sshd, by its own /etc/ssh.
machines_sshd() {
    ssh-keygen -A >/dev/null
    mkdir -p /run/sshd
    # What Debian's sshd does with PAM needs rights that a container may not give.
    sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config
    "$(command -v sshd)" -D -E "$work/sshd.log" &
    echo $! >"$work/unit-ssh.pid"
    started+=("$!")
    wait_for 30 grep -q 'Server listening' "$work/sshd.log" || { cat "$work/sshd.log"; failed "sshd starts"; exit 1; }
}

# machines_systemctl: one thing is not there, systemd. This does what the pages ask of it: a service is started as the unit says
# and as whom it says; of a timer the service, once; and who runs already is told to read its files again.
machines_systemctl() {
    cat >/usr/local/sbin/systemctl <<END
#!/bin/bash
work=$work
END
    cat >>/usr/local/sbin/systemctl <<'END'
command_of() {
    echo "runuser -u $(sed -n 's/^User=//p' "$1") -- env -i PATH=/usr/local/bin:/usr/bin:/bin $(sed -n 's/^ExecStart=//p' "$1")"
}
start() {
    unit=/etc/systemd/system/$1.service
    $(command_of "$unit") 2>"$work/unit-$1.log" &
    echo $! >"$work/unit-$1.pid"
    while ! grep -q 'listening on' "$work/unit-$1.log"; do
        kill -0 "$(cat "$work/unit-$1.pid")" || exit 1
        sleep 0.05
    done
}
case "$*" in
    daemon-reload) ;;
    'reload ssh' | 'reload ssh.service')
        # As systemd does, until it listens again.
        before=$(grep -c 'Server listening' "$work/sshd.log")
        kill -HUP "$(cat "$work/unit-ssh.pid")"
        while [ "$(grep -c 'Server listening' "$work/sshd.log")" -le "$before" ]; do sleep 0.05; done ;;
    'reload nginx') nginx -s reload ;;
    'enable --now '*.timer)
        shift 2
        for timer; do
            $(command_of "/etc/systemd/system/${timer%.timer}.service") >>"$work/timers.log" 2>&1 || exit 1
        done ;;
    'enable --now keycroft') start keycroft ;;
    *) echo "systemctl $*: not here" >&2; exit 1 ;;
esac
END
    chmod 755 /usr/local/sbin/systemctl
}
