"""An independent, slow implementation of the model, and random cases to compare a fast one with."""
