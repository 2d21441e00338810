"""`make bench`: every benchmark, one after the other."""

from bench import pages

if __name__ == "__main__":
    pages.main()
