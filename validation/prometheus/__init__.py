"""A real Prometheus scraping a real server under load, recorded once and held against what is predicted from it."""
