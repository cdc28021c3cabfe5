#!/bin/sh
# Is the secret on standard input good, and may it do all that the arguments name? Exit code 0: yes; 1: no; 2: nobody could say.
#
#     printf %s "$SECRET" | examples/verify.sh [PERMISSION]...
#
# The secret is handed to curl through a pipe: in its arguments, everybody on this machine could read it.
server=${KEYCROFT_SERVER:-http://127.0.0.1:8420}
query=
for permission in "$@"; do
    query="${query:+$query&}permission=$permission"
done
IFS= read -r secret || [ -n "$secret" ]
answer=$(printf 'header = "Authorization: Bearer %s"\n' "$secret" |
    curl --config - --silent --show-error --max-time 5 --dump-header - --output /dev/null "$server/verify?$query") || exit 2
case $answer in
    HTTP/*\ 204*) printf '%s\n' "$answer" | tr -d '\r' | sed -n 's/^[Rr]emote-[Uu]ser: //p' ;;
    HTTP/*\ 40[13]*) exit 1 ;;
    *) exit 2 ;;
esac
