import { sql, type RawBuilder } from 'kysely';
import type { Database } from './client.js';
import { sha256Hex } from './crypto.js';
import { unscoped } from './scope.js';

/** After how many failures within which time an address is locked, and for how long. */
export interface LockRule {
  readonly failures: number;
  readonly windowMinutes: number;
  readonly lockMinutes: number;
}

/**
 * Failures are counted for an address, whether or not anybody has it, so that neither a lock nor the time taken tells who
 * has an account. `locked_until` ends the lock or, below the limit, the time within which failures add up.
 */
export interface LoginGuards {
  /** Seconds the address is still locked; 0 when it is not. */
  readonly lockSeconds: (email: string) => Promise<number>;
  /** Seconds the address is locked from now on; 0 below the limit. */
  readonly recordFailure: (email: string) => Promise<number>;
  /** False when it was locked meanwhile: guesses sent side by side win nothing. */
  readonly recordSuccess: (email: string) => Promise<boolean>;
}

/** An address belongs to no organisation, so whoever acts looks at the same guard. */
export function createLoginGuards(db: Database, rule: LockRule): LoginGuards {
  const isLocked = sql<boolean>`(login_guards.failures >= ${rule.failures} and login_guards.locked_until > now())`;
  const left = sql<number>`case when ${isLocked} then ceil(extract(epoch from login_guards.locked_until - now()))::int else 0 end`;
  const guardOf = (email: string) => db.selectFrom('login_guards').where('address_hash', '=', sha256Hex(email));
  return {
    lockSeconds: (email) =>
      unscoped(async () => (await guardOf(email).select(left.as('left')).executeTakeFirst())?.left ?? 0),
    recordFailure: (email) =>
      unscoped(async () => {
        const row = await countFailure(db, { hash: sha256Hex(email), rule, isLocked })
          .returning(left.as('left'))
          .executeTakeFirst();
        return row?.left ?? 0;
      }),
    recordSuccess: (email) =>
      unscoped(async () => {
        const over = db.deleteFrom('login_guards').where('address_hash', '=', sha256Hex(email));
        await over.where(sql<boolean>`not ${isLocked}`).execute();
        return (await guardOf(email).select('address_hash').where(isLocked).executeTakeFirst()) === undefined;
      }),
  };
}

function countFailure(
  db: Database,
  { hash, rule, isLocked }: { readonly hash: string; readonly rule: LockRule; readonly isLocked: RawBuilder<boolean> },
) {
  const { failures, windowMinutes, lockMinutes } = rule;
  const inMinutes = (minutes: number) => sql<Date>`now() + make_interval(mins => ${minutes})`;
  const goesOn = sql<boolean>`login_guards.locked_until > now()`;
  return db
    .insertInto('login_guards')
    .values({
      address_hash: hash,
      failures: 1,
      locked_until: inMinutes(failures <= 1 ? lockMinutes : windowMinutes),
    })
    .onConflict((conflict) =>
      conflict.column('address_hash').doUpdateSet({
        failures: sql<number>`case when ${isLocked} then login_guards.failures
          when ${goesOn} then login_guards.failures + 1 else 1 end`,
        locked_until: sql<Date>`case when ${isLocked} then login_guards.locked_until
          when ${goesOn} and login_guards.failures + 1 >= ${failures} then ${inMinutes(lockMinutes)}
          else ${inMinutes(windowMinutes)} end`,
      }),
    );
}

/** Counters whose time is over. */
export async function purgeLoginGuards(db: Database): Promise<void> {
  await sql`delete from login_guards where locked_until < now()`.execute(db);
}

/** Who set a new password begins anew. */
export async function forgiveFailures(db: Database, email: string): Promise<void> {
  await db.deleteFrom('login_guards').where('address_hash', '=', sha256Hex(email)).execute();
}
