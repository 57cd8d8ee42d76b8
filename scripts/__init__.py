"""The programs that a person runs, each as `python scripts/<name>.py`."""
