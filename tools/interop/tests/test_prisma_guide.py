"""The guide for a worker beside a template app: its schema is pushed, and its programs run."""

import os
import re
import subprocess
import sys

from environment import ROOT
from interop.prisma_cli import push

GUIDE = ROOT / "tools" / "docs" / "guides" / "prisma.md"


def blocks(language):
    text = GUIDE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_guide(tmp_path, redis_url):
    (tmp_path / "prisma").mkdir()
    models = tmp_path / "prisma" / "schema.prisma"
    (schema,) = blocks("prisma")
    models.write_text(schema, encoding="utf-8")
    url = f"file:{tmp_path / 'prisma' / 'dev.sqlite'}"
    assert "now in sync" in push("sqlite", url, models)
    programs = blocks("python")
    assert len(programs) == 2
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=tmp_path,
            env={**os.environ, "REDIS_URL": redis_url},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "already in sync" in push("sqlite", url, models)
