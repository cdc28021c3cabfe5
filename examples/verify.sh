#!/bin/sh
# Verifies the secret on standard input, and that it has all permissions in the arguments. Exit code 0: valid; 1: invalid; 2: no
# answer.
#
#     printf %s "$SECRET" | examples/verify.sh [PERMISSION]...
#
# The secret goes to curl through a pipe: in its arguments, every user of this machine could read it.
server=${KEYCROFT_SERVER:-http://127.0.0.1:8420}
query=
for permission in "$@"; do
    query="${query:+$query&}permission=$permission"
done
IFS= read -r secret || [ -n "$secret" ]
# A secret has only these characters; others could end the header within curl's configuration and begin another.
case $secret in
    *[!0-9A-Za-z_]*) exit 1 ;;
esac
answer=$(printf 'header = "Authorization: Bearer %s"\n' "$secret" |
    curl --config - --silent --show-error --max-time 5 --dump-header - --output /dev/null "$server/verify?$query") || exit 2
case $answer in
    HTTP/*\ 204*) printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Rr]emote-[Uu]ser: //p' ;;
    HTTP/*\ 40[13]*) exit 1 ;;
    *) exit 2 ;;
esac
