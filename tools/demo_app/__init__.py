"""The parts of the demo, ``tools/demo.py``."""
