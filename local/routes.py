"""The routes of `local/proxy.py` as a Caddyfile: `python -m local.routes >ops/compose/Caddyfile`."""

import re
import sys

from local.proxy import PREFIXES

CADDYFILE = """\
# Made by `python -m local.routes` from the paths' table in local/proxy.py; a test holds the two together.
{
	admin off
	# Paths may be personal links, and headers bear tokens: neither is logged, not with an error either.
	log {
		format filter {
			wrap json
			fields {
				request delete
			}
		}
	}
}

:8080 {
	# The first that fits decides; the longest stand first.
	map {path} {service} {
%s
	}

	# Each service's own health and metrics are for the inside; here the proxy answers for itself.
	respond /health/live `{"status": "live"}` 200
	@inside path /health /health/* /metrics /metrics/*
	respond @inside 404

	reverse_proxy {
		# Docker's DNS knows all replicas of a service, and is asked anew as they come and go.
		dynamic a {service} 8080 {
			refresh 1s
		}
		# One that is gone, or new and not yet listening, costs a moment and no answer: another is tried.
		transport http {
			dial_timeout 1s
			# Shorter than the services wait for another request, so that none is sent to who is hanging up.
			keepalive 30s
		}
		lb_try_duration 5s
		lb_try_interval 100ms
		# Whoever ends TLS in front of it says who the client is, and reaches it by the network's gateway; what others
		# say of themselves is thrown away.
		trusted_proxies {$SUBNET}
	}
}
"""


def caddyfile() -> str:
    """Return the configuration of the proxy in docker-compose.yml."""
    longest_first = sorted(PREFIXES.items(), key=lambda entry: -len(entry[0]))
    return CADDYFILE % "\n".join(f"\t\t~^{re.escape(prefix)} {service}" for prefix, service in longest_first)


if __name__ == "__main__":
    sys.stdout.write(caddyfile())
