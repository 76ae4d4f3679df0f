#!/usr/bin/env bash
# Makes the files that the manifests take their secrets from: tokens, and an authority with a certificate for the coordinator. What is
# there already stays; to renew the certificate, remove tls.crt and tls.key and run this again: the same authority signs it for the
# same names. For a cluster whose secrets come from elsewhere, make Secrets of the same names there, and leave secretGenerator out of
# the kustomizations.
# Usage: deploy/k8s/make-secrets.sh               the database of the overlays ha-postgres and production is in LINFORMER_DATABASE, if there is one
#        deploy/k8s/make-secrets.sh --database    asks for it, or reads it from standard input
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$here/../..")
secrets=$here/base/secrets
service=linformer-coordinator
hosts=("$service" "$service.linformer" "$service.linformer.svc" "$service.linformer.svc.cluster.local" localhost)

# Never an argument: everybody on the machine sees those, and the shell keeps them.
database=${LINFORMER_DATABASE:-}
case "$#${1:-}" in
  0) ;;
  1--database)
    [[ ! -t 0 ]] || printf 'postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full: ' >&2
    read -rs database || [[ -n $database ]] || { echo "error: there is no database's URI on standard input" >&2; exit 1; }
    [[ ! -t 0 ]] || echo >&2 ;;
  *)
    echo "error: --database is the only argument; give the database's URI in LINFORMER_DATABASE, or to --database on standard input" >&2
    exit 1 ;;
esac
if [[ -n $database && $database != postgres://* && $database != postgresql://* ]]; then
  echo "error: the database's URI must begin with postgresql://" >&2
  exit 1
fi

umask 077
mkdir -p "$secrets"

for token in join-token admin-token; do
  [[ -e $secrets/$token ]] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$secrets/$token"
done

if [[ ! -e $secrets/tls.crt || ! -e $secrets/tls.key ]]; then
  if [[ ! -e $secrets/authority/ca.pem ]]; then
    "$root/linformer" certificates --to "$secrets/authority" --host "${hosts[@]}"
  elif [[ -e $secrets/authority/server.pem ]]; then
    "$root/linformer" certificates --to "$secrets/authority" --renew
  else
    "$root/linformer" certificates --to "$secrets/authority" --renew --host "${hosts[@]}"
  fi
  cp "$secrets/authority/ca.pem" "$secrets/ca.crt"
  cp "$secrets/authority/server.key" "$secrets/tls.key"
  cp "$secrets/authority/server.pem" "$secrets/tls.crt"
fi

if [[ -n $database ]]; then
  mkdir -p "$here/components/postgres/secrets"
  printf %s "$database" >"$here/components/postgres/secrets/database-uri"
fi
echo "The secrets are below $here; keep them, and above all $secrets/authority/ca.key, out of reach of others."
