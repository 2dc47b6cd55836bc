"""Where along one axis the better of two platforms changes."""
