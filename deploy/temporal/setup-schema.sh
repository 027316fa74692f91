#!/bin/sh
# Makes or updates both databases of the Temporal server, as SQL_* say; safe to run again.
set -eu

prepare() {
  temporal-sql-tool --db "$1" create || echo "database $1 is there already"
  temporal-sql-tool --db "$1" setup-schema -v 0.0
  temporal-sql-tool --db "$1" update-schema --schema-name "postgresql/v12/$2"
}

prepare temporal temporal
prepare temporal_visibility visibility
