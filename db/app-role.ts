/** What every process but the migration is to Postgres: no superuser, no owner, held to row-level security. */
export const APP_ROLE = 'keelson_app';
