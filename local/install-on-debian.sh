#!/bin/sh
# Install Debian packages without letting any of them start a server of its own, now or at the next boot: what needs a
# broker here brings up its own, on ports of its own. Run as root: local/install-on-debian.sh PACKAGE...
set -eu
policy=/usr/sbin/policy-rc.d
log=$(mktemp)

if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy" "$log"' EXIT
else
	trap 'rm -f "$log"' EXIT
fi

echo "setting up: $* from the system's packages"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1 || {
	cat "$log" >&2
	echo "setting up: the packages $* could not be installed" >&2
	exit 1
}
if command -v systemctl >/dev/null 2>&1; then
	for package; do
		systemctl disable --now --quiet "$package" >/dev/null 2>&1 || true
	done
fi
