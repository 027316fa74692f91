import { sql } from 'kysely';
import type { Person } from './api.js';
import { asOwner } from './database.js';
import { send } from './http.js';

/** What tests break on purpose. */

/** From here on every insert into the table fails, as if the process had died before it. */
export const breakInserts = (databaseUrl: string, table: string): Promise<void> =>
  asOwner(databaseUrl, async (owner) => {
    await sql
      .raw(`create function refuse() returns trigger language plpgsql as 'begin raise exception ''down''; end'`)
      .execute(owner);
    await sql
      .raw(`create trigger refuse before insert on ${table} for each row execute function refuse()`)
      .execute(owner);
  });

export const mendInserts = (databaseUrl: string): Promise<void> =>
  asOwner(databaseUrl, async (owner) => {
    await sql.raw('drop function refuse cascade').execute(owner);
  });

/** The same person at another process of the API. */
export const asPerson = (url: string, person: Person): Person => ({
  ...person,
  call: (method, path, { body, headers } = {}) =>
    send(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
});
