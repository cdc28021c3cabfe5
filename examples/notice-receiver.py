#!/usr/bin/env python3
"""Receives notices of Keycroft and prints them. Rejects those with a wrong, old or repeated signature.

    KEY_FILE=key examples/notice-receiver.py [PORT]

KEY_FILE contains the signing key that `keycroft notice-channel create` printed. `verify` is the function to copy.
"""

import hashlib
import hmac
import http.server
import json
import os
import sys
import time

AGE_MAX = 300  # seconds
seen = set()  # ids of notices; a real receiver keeps those of the last three days


def verify(key, header, body, now=None):
    """Returns whether the header signs this body, and is not older than five minutes."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    try:
        sent = int(parts.get("t", ""))
    except ValueError:
        return False
    expected = hmac.new(key, b"%d." % sent + body, hashlib.sha256).hexdigest()
    fresh = abs((time.time() if now is None else now) - sent) <= AGE_MAX
    return fresh and hmac.compare_digest(expected, parts.get("v1", ""))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > 65536:
            self.send_error(400)
            return
        body = self.rfile.read(int(length))
        if not verify(self.server.key, self.headers.get("Keycroft-Signature", ""), body):
            self.send_error(403)
            return
        notice = json.loads(body)
        if notice["id"] not in seen:
            seen.add(notice["id"])
            print(json.dumps(notice), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    with open(os.environ["KEY_FILE"], "rb") as file:
        server.key = file.read().strip()
    server.serve_forever()
