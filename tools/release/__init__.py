"""What a release does: checks, builds, tries and describes one package."""
