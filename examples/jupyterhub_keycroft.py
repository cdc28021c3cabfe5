"""A JupyterHub authenticator that takes a Keycroft API key or token as the password.

In jupyterhub_config.py:

    from jupyterhub_keycroft import KeycroftAuthenticator
    c.JupyterHub.authenticator_class = KeycroftAuthenticator
    c.KeycroftAuthenticator.server = "https://keys.lab.example"
    c.KeycroftAuthenticator.permission = "jupyter:use"
    # Everybody with the permission; JupyterHub admits nobody without this line or allowed_users.
    c.KeycroftAuthenticator.allow_all = True
    # An API key of a service with the permission introspect, in a file that only JupyterHub can read:
    c.KeycroftAuthenticator.token_file = "/etc/jupyterhub/keycroft"
"""

import asyncio
import json
import urllib.parse
import urllib.request

from jupyterhub.auth import Authenticator
from traitlets import Unicode


class KeycroftAuthenticator(Authenticator):
    server = Unicode("http://127.0.0.1:8420", config=True, help="URL of Keycroft")
    token_file = Unicode("/etc/jupyterhub/keycroft", config=True, help="File with the API key of the service")
    permission = Unicode("", config=True, help="Required permission; empty: none")

    def introspect(self, secret):
        with open(self.token_file) as file:
            service = file.read().strip()
        request = urllib.request.Request(
            self.server + "/oauth/introspect",
            data=urllib.parse.urlencode({"token": secret}).encode(),
            headers={"Authorization": "Bearer " + service},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    async def authenticate(self, handler, data):
        said = await asyncio.to_thread(self.introspect, data["password"])
        # The username has to be the owner of the secret.
        if not said.get("active") or said.get("username") != data["username"]:
            return None
        if self.permission and self.permission not in said.get("scope", "").split():
            return None
        return said["username"]
