# A disposable test machine: overlays over folders of this machine, with a separate network and host name. Sourced after lib.sh
# by the scripts that run the commands of a page of docs/.

# own_machine NAME FOLDER...: from here on this script runs on such a machine, called NAME. Changes below the folders are discarded at the end.
own_machine() {
    [ "$(id -u)" = 0 ] || { echo "missing: root, as whom this is to be followed"; exit 77; }
    need unshare util-linux
    need ip iproute2
    if [ -z "${machine_of:-}" ]; then
        unshare --mount --net --uts --pid --fork --mount-proc true 2>/dev/null || { echo "missing: namespaces (unshare --mount --net --uts --pid)"; exit 77; }
        # Remaining processes are killed when the script exits.
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
    # This machine may have Keycroft installed; the test machine does not.
    for folder in "$@"; do
        rm -rf "/$folder/keycroft" "/$folder/keycroft-host"
    done
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

# as PERSON COMMAND...: in their home, with an empty environment.
as() {
    setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups -- \
        env -i HOME="/home/$1" USER="$1" PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin sh -c 'cd && exec "$@"' sh "${@:2}"
}

# machines_journal: a real systemd-journald, which receives the machine's log.
machines_journal() {
    local name folder=$work/dev id
    need journalctl systemd
    mkdir "$folder"
    mount -t tmpfs -o mode=755 tmpfs "$folder"
    for name in null zero full random urandom tty; do
        : >"$folder/$name"
        mount --bind "/dev/$name" "$folder/$name"
    done
    mkdir "$folder/pts" "$folder/shm"
    mount --bind /dev/pts "$folder/pts"
    ln -s pts/ptmx "$folder/ptmx"
    ln -s /proc/self/fd "$folder/fd"
    ln -s /run/systemd/journal/dev-log "$folder/log"
    mount --move "$folder" /dev
    [ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
    id=$(cat /etc/machine-id)
    install -d -m 755 /run/systemd/journal
    install -d -g systemd-journal -m 2755 /run/log/journal "/run/log/journal/$id"
    /lib/systemd/systemd-journald 2>/dev/null &
    started+=("$!")
    wait_for 30 test -S /run/systemd/journal/dev-log || { failed "the journal starts"; exit 1; }
}

# machines_sshd: starts the machine's sshd with its /etc/ssh; it logs to the journal, if there is one.
machines_sshd() {
    ssh-keygen -A >/dev/null
    mkdir -p /run/sshd
    # PAM in Debian's sshd needs privileges that a container may lack.
    sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config
    if [ -d /run/log/journal ]; then
        "$(command -v sshd)" -D &
    else
        : >"$work/sshd.log"
        "$(command -v sshd)" -D -E "$work/sshd.log" &
    fi
    echo $! >"$work/unit-ssh.pid"
    started+=("$!")
    wait_for 30 sshd_listens || { sshd_output; failed "sshd starts"; exit 1; }
}

sshd_output() {
    if [ -d /run/log/journal ]; then
        journalctl --quiet --output=cat _COMM=sshd
    else
        cat "$work/sshd.log"
    fi
}

sshd_listens() {
    sshd_output | grep -q 'Server listening'
}

# machines_systemctl: a replacement for systemd. It starts a service with the command and user of its unit, runs the service of a
# timer once, and sends a reload signal to a running service.
machines_systemctl() {
    {
        printf '#!/bin/bash\nwork=%s\n' "$work"
        declare -f sshd_output
        cat <<'END'
run() {
    local unit=$1 user group
    user=$(sed -n 's/^User=//p' "$unit") group=$(sed -n 's/^SupplementaryGroups=//p' "$unit")
    exec setpriv --reuid "$user" --regid "$(id -g "$user")" --groups "$(id -g "$user")${group:+,$group}" -- \
        env -i PATH=/usr/local/bin:/usr/bin:/bin $(sed -n 's/^ExecStart=//p' "$unit")
}
start() {
    (run "/etc/systemd/system/$1.service") 2>"$work/unit-$1.log" &
    echo $! >"$work/unit-$1.pid"
    while ! grep -q 'listening on' "$work/unit-$1.log"; do
        kill -0 "$(cat "$work/unit-$1.pid")" || exit 1
        sleep 0.05
    done
}
listening() {
    sshd_output | grep -c 'Server listening'
}
case "$*" in
    daemon-reload) ;;
    'reload ssh' | 'reload ssh.service')
        # Like systemd: waits until it listens again.
        before=$(listening)
        kill -HUP "$(cat "$work/unit-ssh.pid")"
        while [ "$(listening)" -le "$before" ]; do sleep 0.05; done ;;
    'reload nginx') nginx -s reload ;;
    'enable --now '*.timer)
        shift 2
        for timer; do
            (run "/etc/systemd/system/${timer%.timer}.service") >>"$work/timers.log" 2>&1 || exit 1
            touch "$work/active-$timer"
        done ;;
    'is-active '*.timer) test -e "$work/active-$2" ;;
    'disable --now '*.timer) rm -f "$work"/active-*.timer ;;
    'enable --now keycroft') start keycroft ;;
    *) echo "systemctl $*: not here" >&2; exit 1 ;;
esac
END
    } >/usr/local/sbin/systemctl
    chmod 755 /usr/local/sbin/systemctl
}

# typed PERSON FILE [VARIABLE=VALUE...]: a block in a shell of this person, in the folder "play" of their home.
typed() {
    local name=$1 file=$2
    shift 2
    chmod 755 "$work"
    as "$name" env "$@" bash -c 'mkdir -p play && cd play && . "$1"' bash "$file"
}

# sign_in PERSON URL TOKEN: like `keycroft login`, without an approval in the console.
sign_in() {
    as "$1" keycroft login "$2" --with-token <<<"$3" 2>/dev/null
}
