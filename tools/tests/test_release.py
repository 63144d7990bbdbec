"""A release that could go wrong is refused, and the rest of it can be rehearsed without GitHub."""

import re
import shutil
import sys
import tarfile

import environment
import pytest
from release.building import build, run
from release.checks import problems
from release.command import main
from release.package import CORE, Package, find
from release.repository import with_absolute_links, write_urls

MEMORY = "shopify-session-storage-memory"
WORKFLOWS = environment.ROOT / ".github" / "workflows"


@pytest.fixture
def root(tmp_path):
    """Return a copy of the repository with two packages, as it is before a release."""
    for name in (CORE, MEMORY):
        shutil.copytree(
            environment.ROOT / "packages" / name,
            tmp_path / "packages" / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        write_version(tmp_path, name, "1.0.0", "unreleased")
    shutil.copy(environment.ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tools").symlink_to(environment.ROOT / "tools")
    require_core(tmp_path, ">=1,<2")
    return tmp_path


def write_version(root, name, version, date):
    """Give a package a version, and a changelog that begins with it."""
    package = Package(root / "packages" / name)
    init = package.folder / "src" / package.module / "__init__.py"
    text = init.read_text()
    init.write_text(text.replace(f'"{package.version}"', f'"{version}"', 1))
    newest = f"## {version} ({date})\n\n- What is new.\n"
    oldest = "## 0.9 (2026-01-01)\n\n- What is old.\n"
    (package.folder / "CHANGELOG.md").write_text(f"# Changes\n\n{newest}\n{oldest}")


def require_core(root, specifier):
    settings = root / "packages" / MEMORY / "pyproject.toml"
    text = re.sub(rf'"{CORE}[<>=][^"]*"', f'"{CORE}{specifier}"', settings.read_text())
    settings.write_text(text)


def problems_of(root, name=MEMORY, ref=None):
    return problems(find(root, name), find(root, CORE), ref)


def make_ready(root):
    for name in (CORE, MEMORY):
        write_version(root, name, "1.0.0", "2026-12-01")
        write_urls(find(root, name), "owner/name")


def test_nothing_is_wrong_once_the_address_is_known_and_the_changelogs_have_dates(root):
    make_ready(root)
    assert problems_of(root) == []
    assert problems_of(root, CORE) == []
    assert problems_of(root, ref=f"{MEMORY}-v1.0.0") == []


def test_what_is_unreleased_cannot_ship(root):
    make_ready(root)
    write_version(root, MEMORY, "1.0.0", "unreleased")
    (problem,) = problems_of(root)
    assert "1.0.0 (unreleased)" in problem


def test_the_tag_names_the_version_of_the_package(root):
    make_ready(root)
    (problem,) = problems_of(root, ref=f"{MEMORY}-v1.0.1")
    assert f"{MEMORY}-v1.0.0" in problem


def test_the_changelog_begins_with_the_version(root):
    make_ready(root)
    package = find(root, MEMORY)
    changelog = package.folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## 1.0.0 ", "## 1.0.1 "))
    (problem,) = problems_of(root)
    assert "1.0.1" in problem


def test_an_adapter_needs_a_core_that_is_released(root):
    make_ready(root)
    write_version(root, CORE, "1.1.0", "unreleased")
    require_core(root, ">=1.1,<2")
    (problem,) = problems_of(root)
    assert "Release core first" in problem
    write_version(root, CORE, "1.1.0", "2026-12-02")
    assert problems_of(root) == []


def test_an_adapter_cannot_need_a_core_that_the_repository_does_not_have(root):
    make_ready(root)
    require_core(root, ">=1.2,<2")
    assert any("the repository has 1.0.0" in problem for problem in problems_of(root))


def test_without_an_address_of_the_repository_nothing_is_released(root):
    for name in (CORE, MEMORY):
        write_version(root, name, "1.0.0", "2026-12-01")
    settings = root / "packages" / MEMORY / "pyproject.toml"
    without = re.sub(r"\[project\.urls\]\n(?:\w+ = .*\n)+\n", "", settings.read_text())
    settings.write_text(without)
    (problem,) = problems_of(root)
    assert "--repository OWNER/NAME" in problem
    write_urls(find(root, MEMORY), "owner/name")
    once = settings.read_text()
    assert problems_of(root) == []
    write_urls(find(root, MEMORY), "owner/name")
    assert settings.read_text() == once
    assert "".join(re.split(r"\[project\.urls\]\n(?:\w+ = .*\n)+\n", once)) == without


def test_links_of_the_readme_lead_to_the_repository_as_it_was(root):
    make_ready(root)
    package = find(root, MEMORY)
    (package.folder / "README.md").write_text(
        "[a](../../tools/x.md#y) [b](CHANGELOG.md) [c](#here) [d](https://example.com/z)"
    )
    base = f"https://github.com/owner/name/blob/{MEMORY}-v1.0.0"
    assert with_absolute_links(package) == (
        f"[a]({base}/tools/x.md#y) [b]({base}/packages/{MEMORY}/CHANGELOG.md) "
        "[c](#here) [d](https://example.com/z)"
    )


def test_the_wheel_can_be_built_again_from_the_sdist(root, tmp_path):
    package = find(root, MEMORY)
    build([package], tmp_path / "dist")
    with tarfile.open(*(tmp_path / "dist").glob("*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    again = [sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "again"]
    run(*again, tmp_path / f"{package.module}-1.0.0")
    for file in (tmp_path / "dist").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_a_dry_run_does_all_of_a_release_but_the_upload(root, capsys, monkeypatch):
    # What the tests need is here already, in the versions of the lock.
    monkeypatch.setenv("UV_CONSTRAINT", str(environment.ROOT / "requirements.lock"))
    tag, built, notes = f"{MEMORY}-v1.0.0", root / "built", root / "notes.md"
    build_it = ["--build", tag, "--output", str(built), "--notes", str(notes)]
    assert main(["--repository", "owner/name"], root) == 0
    assert main(build_it, root) == 1
    assert "(unreleased)" in capsys.readouterr().err
    assert not built.exists()
    make_ready(root)
    assert main(["--dry-run", MEMORY], root) == 0
    assert "- What is new." in capsys.readouterr().out
    assert main(build_it, root) == 0
    assert notes.read_text() == "- What is new.\n"
    assert len(list(built.iterdir())) == 2


def job(name):
    """Return the text of a job of the workflow, without comments."""
    text = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)*)", text, re.MULTILINE)
    return re.sub(r" *#.*", "", found[1])


@pytest.mark.parametrize("name", ["rehearse", "publish"])
def test_the_job_that_publishes_runs_nobodys_code(name):
    text = job(name)
    actions = re.findall(r"uses: (\S+)@", text)
    assert actions == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]
    assert "run:" not in text
    assert "artifact-ids: ${{ needs.build.outputs.dist }}" in text
    assert "needs: [build, test, suite]" in text
    assert "permissions:\n      id-token: write\n    steps:" in text
    assert "environment: " in text


def test_every_package_can_be_released_by_hand():
    text = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
    options = re.findall(r"^          - (\S+)$", text, re.MULTILINE)
    assert options == [package.name for package in environment.packages()]
