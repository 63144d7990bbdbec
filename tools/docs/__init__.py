"""The documentation site, made of the READMEs, guides, examples, changelogs and docstrings."""
