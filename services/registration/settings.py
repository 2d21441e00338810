from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The environment of registration."""
