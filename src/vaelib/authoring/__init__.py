"""For authors: executing the notebooks, the benchmark, the addresses and numbers of the pages."""
