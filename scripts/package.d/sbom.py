"""The packages that are linked into the program, as CycloneDX 1.5 JSON: sbom.py MACHINE FILE

`cargo tree` selects them for this platform and these features, with the packages of build scripts and without those of tests;
`cargo metadata` describes them.
"""

import json
import os
import re
import subprocess
import sys
import time

TRIPLE = f"{sys.argv[1]}-unknown-linux-gnu"


def checksums():
    """The SHA-256 of each package's archive, from Cargo.lock."""
    with open("Cargo.lock", encoding="utf-8") as file:
        blocks = file.read().split("[[package]]")
    found = {}
    for block in blocks:
        fields = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', block, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def main():
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={TRIPLE}"]
    metadata = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]

    def needed(node):
        return [
            dep["pkg"]
            for dep in nodes[node]["deps"]
            if dep["pkg"] in reached and any(kind["kind"] != "dev" for kind in dep["dep_kinds"])
        ]

    command = ["cargo", "tree", "--locked", f"--target={TRIPLE}", "--edges=normal,build", "--prefix=none", "--format={p}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    linked = {(name, version.lstrip("v")) for name, version, *_ in map(str.split, lines)}
    reached = {node for node, package in packages.items() if (package["name"], package["version"]) in linked}

    def purl(package):
        return f"pkg:cargo/{packages[package]['name']}@{packages[package]['version']}"

    sums = checksums()

    def component(node):
        package = packages[node]
        described = {
            "type": "library",
            "bom-ref": purl(node),
            "name": package["name"],
            "version": package["version"],
            "purl": purl(node),
        }
        if package["license"]:
            described["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if (checksum := sums.get((package["name"], package["version"]))) is not None:
            described["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return described

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"])))
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": stamp, "component": {**component(root), "type": "application"}},
        "components": [component(node) for node in sorted(reached - {root}, key=purl)],
        "dependencies": [
            {"ref": purl(node), "dependsOn": sorted(purl(dep) for dep in needed(node))}
            for node in sorted(reached, key=purl)
        ],
    }
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(bom, file, indent=1)
        file.write("\n")


main()
