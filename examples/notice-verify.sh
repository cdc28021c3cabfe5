#!/bin/sh
# Verifies the signature of a notice. The body is on standard input. Exit code 0: valid; 1: invalid.
#
#     KEY_FILE=key examples/notice-verify.sh "$HEADER" < body
#
# HEADER is the value of Keycroft-Signature. KEY_FILE contains the signing key of the channel. The key goes to openssl in
# an argument: run this where no other user can see the processes.
header=$1
time=${header%%,*} && time=${time#t=}
code=${header#*,} && code=${code#v1=}
case $time in '' | *[!0-9]*) exit 1 ;; esac
age=$(($(date +%s) - time))
[ "$age" -le 300 ] && [ "$age" -ge -300 ] || exit 1
expected=$({ printf '%s.' "$time" && cat; } | openssl dgst -sha256 -hmac "$(cat "$KEY_FILE")" | sed 's/^.* //')
[ "$expected" = "$code" ]
