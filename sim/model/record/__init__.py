"""What is written down: listeners only, which nothing else in the model knows."""
