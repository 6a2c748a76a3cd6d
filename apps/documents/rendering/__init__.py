"""
Turning templates into papers.

What templates say is not ours: they are filled and set by a process of its own (`child.py`), which has neither our
settings nor our secrets, may take so much time and memory, and is killed when it takes more.
"""
