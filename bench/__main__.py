"""`make bench`: every benchmark, one after the other."""

from bench import confirmations, deliveries, pages

if __name__ == "__main__":
    pages.main()
    deliveries.main()
    confirmations.main()
