"""Write the files that are made from the models; with --check, say which of them are stale (exit 1)."""

import json
import sys
from pathlib import Path

import yaml

from dgdr_api import crd, v1alpha1, v1beta1
from dgdr_api.model import ApiModel
from dgdr_api.results import Results
from hack import docs
from hack.monitoring import dashboard
from hack.pictures import describe
from hack.sentences import collect

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
CRDS = ROOT / "config" / "crd" / "bases"


def generated() -> dict[Path, str]:
    """Return the content of every generated file."""
    models: dict[str, type[ApiModel]] = {
        "results.schema.json": Results,
        "dgdr.v1beta1.schema.json": v1beta1.DynamoGraphDeploymentRequest,
        "dgdr.v1alpha1.schema.json": v1alpha1.DynamoGraphDeploymentRequest,
    }
    schemas = {
        REFERENCE / name: json.dumps(model.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"
        for name, model in models.items()
    }
    others = {
        CRDS / "nvidia.com_dynamographdeploymentrequests.yaml": _definition(),
        REFERENCE / "sentences.txt": collect(ROOT),
        ROOT / "docs" / "images" / "describe.svg": describe.picture(),
        dashboard.FILE: dashboard.text(),
    }
    return schemas | others | docs.pages()


def _definition() -> str:
    text = yaml.safe_dump(crd.manifest(), sort_keys=False, allow_unicode=True, width=120)
    return f"# Made from api/dgdr_api by 'make manifests'.\n{text}"


def main() -> int:
    """Write or compare."""
    files = generated()
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in stale:
            print(f"{path.name} is stale: run 'make generate'")
        return 1 if stale else 0
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
