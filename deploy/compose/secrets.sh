#!/bin/sh
# Writes .env for compose.yaml with secrets of its own; one that is there is left as it is.
set -eu
cd "$(dirname "$0")"
if [ -e .env ]; then
    echo "compose: .env is there and stays as it is"
    exit 0
fi
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
api_key=$(random)
umask 077
cat > .env.new <<END
GATEWAY_AUTH__JWT_SECRET=$(random)
API_KEY=$api_key
API_KEY_SHA256=$(printf %s "$api_key" | sha256sum | cut -d ' ' -f 1)
RABBITMQ_PASSWORD=$(random)
REDIS_PASSWORD=$(random)
END
mv .env.new .env
echo "compose: wrote .env"
