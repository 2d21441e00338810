"""`make bench`: every benchmark, one after the other."""

from bench import confirmations, deliveries, pages, sign_ups

if __name__ == "__main__":
    pages.main()
    sign_ups.main()
    deliveries.main()
    confirmations.main()
