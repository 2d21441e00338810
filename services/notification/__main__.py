"""`python -m services.notification` serves; with `migrate` it prepares its database and the broker.

With `inbound` it reads one message from its standard input, as a mail server pipes it.
"""

from services.notification import inbound
from services.notification.app import MIGRATIONS, build
from services.notification.settings import Settings
from shared.process import main

if __name__ == "__main__":
    main("notification", Settings, build, MIGRATIONS, {"inbound": inbound.receive})
