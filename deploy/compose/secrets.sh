#!/bin/sh
# Writes .env with generated secrets for compose.yaml; does not change existing ones. With the argument `rabbitmq` it also sets
# the broker of backend services.
set -eu
cd "$(dirname "$0")"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
umask 077
if [ -e .env ]; then
    echo "compose: .env exists and stays as it is"
else
    api_key=$(random)
    cat > .env.new <<END
GATEWAY_AUTH__JWT_SECRET=$(random)
API_KEY=$api_key
API_KEY_SHA256=$(printf %s "$api_key" | sha256sum | cut -d ' ' -f 1)
REDIS_PASSWORD=$(random)
END
    mv .env.new .env
    echo "compose: wrote .env"
fi
if [ "${1:-}" = rabbitmq ] && ! grep -q '^GATEWAY_BUS__URL=' .env; then
    # Kept from an earlier version, because the broker has stored it.
    password=$(sed -n 's/^RABBITMQ_PASSWORD=//p' .env)
    if [ -z "$password" ]; then
        password=$(random)
        echo "RABBITMQ_PASSWORD=$password" >> .env
    fi
    echo "GATEWAY_BUS__URL=amqp://gateway:$password@rabbitmq:5672/%2f" >> .env
    echo "compose: added RabbitMQ to .env"
fi
