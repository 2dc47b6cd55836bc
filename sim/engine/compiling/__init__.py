"""How the kernel is compiled, and kept on disk; nothing of what it computes."""
