"""`make sbom`: a bill of materials in CycloneDX's JSON, made of the locks; the same locks make the same bytes."""

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from evalhaven import __version__
from tests.supply.packages import Package, pinned_packages


def bill_of_materials(packages: list[Package]) -> dict[str, Any]:
    """Return the document."""
    components = [_component(package) for package in packages]
    own = f"pkg:pypi/evalhaven@{__version__}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + json.dumps(components))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "evalhaven",
                "version": __version__,
                "licenses": [{"expression": "Apache-2.0"}],
                "purl": own,
            }
        },
        "components": components,
        "dependencies": [{"ref": own, "dependsOn": [package.purl for package in packages if package.is_shipped]}],
    }


def _component(package: Package) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "scope": "required" if package.is_shipped else "excluded",
        "hashes": [{"alg": algorithm, "content": digest} for algorithm, digest in package.hashes],
        "purl": package.purl,
    }
    if package.license is not None:
        component["licenses"] = [{"expression": package.license}]
    return component


if __name__ == "__main__":
    text = json.dumps(bill_of_materials(pinned_packages()), indent=2) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
        print(f"Written to {sys.argv[1]}.")  # noqa: T201 - the command's answer
    else:
        sys.stdout.write(text)
