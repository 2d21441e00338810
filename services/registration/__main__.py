"""`python -m services.registration` serves; with `migrate` it prepares its database and the broker."""

from services.registration.app import MIGRATIONS, build
from services.registration.settings import Settings
from shared.process import main

if __name__ == "__main__":
    main("registration", Settings, build, MIGRATIONS)
