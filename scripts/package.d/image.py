"""An image FROM scratch, as an OCI layout in a tar file: image.py PROGRAM VERSION ARCHITECTURE FILE

One layer: the program, the libraries that it is linked with (none for a static program), a user without a name to log in by,
and /data. The configuration has Docker's health check, which plain OCI lacks; other runtimes ignore it.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

USER = 65532
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
FILES = {
    "etc/passwd": f"keycroft:x:{USER}:{USER}:Keycroft:/data:/nonexistent\n",
    "etc/group": f"keycroft:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def linked(program):
    """The libraries of a dynamic program and their loader, with the paths under which the program finds them."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return []
    words = (line.split("=>")[-1].split() for line in listed.stdout.splitlines())
    return sorted(line[0] for line in words if line and line[0].startswith("/"))


def entry(name, mode, size=None, owner=0):
    info = tarfile.TarInfo(name)
    info.mode, info.mtime, info.uid, info.gid = mode, EPOCH, owner, owner
    if size is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = size
    return info


def layer(program):
    contents = {name: (0o644, text.encode()) for name, text in FILES.items()}
    for path in linked(program):
        with open(path, "rb") as file:
            contents[path.lstrip("/")] = (0o755, file.read())
    with open(program, "rb") as file:
        contents["usr/bin/keycroft"] = (0o755, file.read())
    folders = {"data": (0o700, USER), "tmp": (0o1777, 0)}
    for name in contents:
        parts = name.split("/")[:-1]
        for depth in range(len(parts)):
            folders.setdefault("/".join(parts[: depth + 1]), (0o755, 0))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, (mode, owner) in sorted(folders.items()):
            tar.addfile(entry(name, mode, owner=owner))
        for name, (mode, text) in sorted(contents.items()):
            tar.addfile(entry(name, mode, len(text)), io.BytesIO(text))
    return packed.getvalue()


def digest(text):
    return "sha256:" + hashlib.sha256(text).hexdigest()


def main():
    program, version, architecture, target = sys.argv[1:]
    unpacked = layer(program)
    packed = gzip.compress(unpacked, 6, mtime=0)
    created = subprocess.run(
        ["date", "-u", "-d", f"@{EPOCH}", "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, text=True, check=True
    ).stdout.strip()
    config = {
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", "KEYCROFT_DB=/data/keycroft.db"],
            "Entrypoint": ["/usr/bin/keycroft"],
            "Cmd": ["serve"],
            "WorkingDir": "/data",
            "Volumes": {"/data": {}},
            "ExposedPorts": {"8420/tcp": {}},
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/keycroft", "health"],
                "Interval": 30_000_000_000,
                "Timeout": 5_000_000_000,
                "StartPeriod": 10_000_000_000,
                "Retries": 3,
            },
            "Labels": {"org.opencontainers.image.title": "keycroft", "org.opencontainers.image.version": version},
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(unpacked)]},
        "history": [{"created": created, "created_by": "scripts/package image"}],
    }
    blobs = {}

    def blob(kind, text):
        blobs[digest(text)] = text
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(text), "size": len(text)}

    def as_json(value):
        return json.dumps(value, indent=1, sort_keys=True).encode()

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", as_json(config)),
        "layers": [blob("layer.v1.tar+gzip", packed)],
    }
    first = blob("manifest.v1+json", as_json(manifest))
    first["platform"] = {"architecture": architecture, "os": "linux"}
    first["annotations"] = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [first]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": as_json(index)}
    files |= {"blobs/" + name.replace(":", "/"): text for name, text in blobs.items()}
    with tarfile.open(target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in ["blobs", "blobs/sha256"]:
            tar.addfile(entry(folder, 0o755))
        for name, text in sorted(files.items()):
            tar.addfile(entry(name, 0o644, len(text)), io.BytesIO(text))


main()
