#!/bin/sh
# Makes the namespace and what runs are found by; safe to run again. TEMPORAL_ADDRESS is read by the CLI itself.
set -eu

namespace="$TEMPORAL_NAMESPACE"
unset TEMPORAL_NAMESPACE

until temporal operator cluster health >/dev/null 2>&1; do
  echo "waiting for Temporal"
  sleep 2
done
temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$namespace" --retention 7d

known=""
until known=$(temporal operator search-attribute list --namespace "$namespace" 2>/dev/null); do
  echo "waiting for namespace $namespace"
  sleep 1
done
for name in KeelsonWorkspace KeelsonDefinition KeelsonRun; do
  echo "$known" | grep -q "^ *$name " ||
    temporal operator search-attribute create --namespace "$namespace" --name "$name" --type Keyword
done
