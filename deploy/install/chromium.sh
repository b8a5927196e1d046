#!/bin/sh
# Installs Chromium with apt-get if it is not there. The tests of the pages look at them in a real browser.
set -eu

if [ -x /usr/bin/chromium ]; then
	echo "chromium: $(/usr/bin/chromium --version 2>/dev/null || echo present)"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
	echo "chromium: /usr/bin/chromium is not there, and installing it needs apt-get and root" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y --no-install-recommends chromium || {
	apt-get update
	apt-get install -y --no-install-recommends chromium
}
