"""One host's story: machine, guests, images, memory, traffic and scaling as SimPy processes over the data plane."""
