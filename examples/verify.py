#!/usr/bin/env python3
"""Verifies the secret on standard input, and that it has all permissions in the arguments.

    printf %s "$SECRET" | examples/verify.py [PERMISSION]...

Prints the owner. Exit code 0: valid; 1: invalid; 2: no answer. `verify` is the function to copy.
"""

import os
import sys
import urllib.error
import urllib.parse
import urllib.request

SERVER = os.environ.get("KEYCROFT_SERVER", "http://127.0.0.1:8420")


def verify(secret, *permissions):
    """Returns owner, groups and permissions; None if the secret is invalid or lacks a permission.

    Raises OSError if there was no answer: then deny access, too.
    """
    query = urllib.parse.urlencode([("permission", permission) for permission in permissions])
    request = urllib.request.Request(f"{SERVER}/verify?{query}", headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            if answer.status != 204:
                raise OSError(f"unexpected answer {answer.status}")
            return {
                "user": answer.headers["Remote-User"],
                "groups": [group for group in answer.headers["Remote-Groups"].split(",") if group],
                "permissions": answer.headers["Keycroft-Permissions"].split(),
            }
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return None
        raise


if __name__ == "__main__":
    try:
        holder = verify(sys.stdin.readline().strip(), *sys.argv[1:])
    except (OSError, ValueError) as error:
        print(f"verify: {error}", file=sys.stderr)
        sys.exit(2)
    if holder is None:
        sys.exit(1)
    print(holder["user"])
