"""`python -m services.catalog` serves; with `migrate` it prepares its database and the broker."""

from services.catalog.app import MIGRATIONS, build
from services.catalog.settings import Settings
from shared.process import main

if __name__ == "__main__":
    main("catalog", Settings, build, MIGRATIONS)
