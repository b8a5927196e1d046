#!/bin/sh
# Installs redis-server with apt-get if it is not there. It is needed by the tests of pipeline/redis and by a local run.
set -eu

if command -v redis-server >/dev/null 2>&1; then
	echo "redis: $(redis-server --version | sed 's/ sha=.*//')"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "redis: redis-server is not installed and there is no apt-get: install Redis 6.2 or later with this system's package manager" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "redis: redis-server is not installed and installing it needs root: run 'sudo apt-get install redis-server', or this script as root" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The package starts a service where it can; tests start servers of their own, on their own ports.
apt-get install -y --no-install-recommends redis-server || {
	apt-get update
	apt-get install -y --no-install-recommends redis-server
}
redis-server --version
