"""Why one of two platforms is better: their difference in a metric, split over groups of mechanisms."""
