#!/bin/sh
# The second stage of the image: what the finished environment needs, and the user that runs it.
set -eu

apt-get update --quiet
# tini is process 1: the kernel drops a SIGTERM that process 1 has no handler for yet, so a stop during the start of
# Python would be lost.
apt-get install --quiet --yes --no-install-recommends ca-certificates python3 tini
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb

# A fixed number, so that the rights of volumes hold on every host.
groupadd --gid 10001 imagegate
useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin imagegate
install --directory --owner imagegate --group imagegate --mode 0700 /data
