"""The most of something that the host carries while every objective holds."""
