"""kubeiso installed from its wheel and from its sdist, in an environment of its own outside the clone, with the builds' cache."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.cluster.lifecycle import ClusterPlan

pytestmark = pytest.mark.boot

ROOT = Path(__file__).parents[2]


def run(*words: str | Path, cwd: Path) -> str:
    """The output of a program that must succeed, with nothing of this clone in its environment."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("KUBEISO_PROJECT", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist of the clone, and the wheel that is made from it."""
    made = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", made, ROOT, cwd=made)
    return {"wheel": next(made.glob("*.whl")), "sdist": next(made.glob("*.tar.gz"))}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_check_render_and_an_offline_build(packages: dict[str, Path], base_plan: ClusterPlan, tmp_path: Path, kind: str) -> None:
    """base_plan: the cache has all that a build needs."""
    assert base_plan.media
    here = tmp_path / "anywhere"
    here.mkdir()
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=here)
    run(tmp_path / "env" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", packages[kind], cwd=here)
    kubeiso = tmp_path / "env" / "bin" / "kubeiso"
    run(kubeiso, "new", "my.yml", cwd=here)
    assert run(kubeiso, "check", "my.yml", cwd=here) == "my.yml: no mistakes\n"
    assert "kubeadm" in run(kubeiso, "render", "--recipe", "my.yml", cwd=here)
    built = json.loads(run(kubeiso, "build", "--recipe", "my.yml", "--role", "master", "--offline", "--json", cwd=here))
    (iso,) = here.glob("out/*.iso")
    assert iso.name == "kubeiso-my-master.iso" and iso.stat().st_size > 100 << 20, built
    assert sorted(path.name for path in here.iterdir()) == ["my.yml", "out"], "nothing else is left in the folder"
