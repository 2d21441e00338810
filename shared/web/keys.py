"""What an application and a request hold, by name and type."""

from aiohttp import web

from shared.background import Background
from shared.clock import Clock
from shared.database import Database
from shared.metrics import Metrics
from shared.settings import ServiceSettings

SETTINGS = web.AppKey("SETTINGS", ServiceSettings)
CLOCK = web.AppKey("CLOCK", Clock)
DATABASE = web.AppKey("DATABASE", Database)
BACKGROUND = web.AppKey("BACKGROUND", Background)
METRICS = web.AppKey("METRICS", Metrics)
REQUEST_ID = web.RequestKey("REQUEST_ID", str)
