"""A run's raw records in numbers: metrics, samples, how sure a mean is, and numbers as a person reads them."""
