#!/usr/bin/env bash
# Makes the files that the manifests take their secrets from: tokens, and an authority with a certificate for the coordinator. What is
# there already stays. For a cluster whose secrets come from elsewhere, make Secrets of the same names there, and leave
# secretGenerator out of the kustomizations.
# Usage: deploy/k8s/make-secrets.sh [POSTGRESQL-URI]
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$here/../..")
secrets=$here/base/secrets
service=linformer-coordinator
umask 077
mkdir -p "$secrets"

for token in join-token admin-token; do
  [[ -e $secrets/$token ]] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$secrets/$token"
done

if [[ ! -e $secrets/tls.crt ]]; then
  "$root/linformer" certificates --to "$secrets/authority" \
    --host "$service" "$service.linformer" "$service.linformer.svc" "$service.linformer.svc.cluster.local" localhost
  cp "$secrets/authority/server.pem" "$secrets/tls.crt"
  cp "$secrets/authority/server.key" "$secrets/tls.key"
  cp "$secrets/authority/ca.pem" "$secrets/ca.crt"
fi

if (($# > 0)); then
  mkdir -p "$here/overlays/ha-postgres/secrets"
  printf %s "$1" >"$here/overlays/ha-postgres/secrets/database-uri"
fi
echo "The secrets are below $here; keep them, and above all $secrets/authority/ca.key, out of reach of others."
